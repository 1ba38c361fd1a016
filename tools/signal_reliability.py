"""How reliable were the signals: `python tools/signal_reliability.py RUN` prints a row per signal, best first."""

import argparse
import sys
from pathlib import Path

import msgspec

from trading_bot.build_digest import build_digest
from trading_bot.domain.errors import BotError
from trading_bot.research.reliability import HORIZON_MINUTES, signal_reliability


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="log folder of a run")
    parser.add_argument("--horizon", type=int, default=HORIZON_MINUTES, help="minutes ahead")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        rows = signal_reliability(asked.run, build=build_digest(), horizon_minutes=asked.horizon)
    except BotError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    rows.sort(key=lambda row: (row.score is None, -(row.score or 0.0), row.signal))
    if asked.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    print(f"{'signal':<30} {'score':>6} {'right':>6} {'steady':>6} {'coverage':>8} {'calls':>6}")
    for row in rows:
        shown = [f"{value:.3f}" if value is not None else "-" for value in (row.score, row.right, row.steadiness)]
        print(f"{row.signal:<30} {shown[0]:>6} {shown[1]:>6} {shown[2]:>6} {row.coverage:>8.1%} {row.calls:>6}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
