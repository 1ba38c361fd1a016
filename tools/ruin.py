"""How bad can it get: `python tools/ruin.py RUN [RUN ...] --equity 10000` reads the closed trades of runs' logs.

Exit code 1 when the chance of ruin is not below its limit, 2 for too few days.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from trading_bot.domain.errors import BotError
from trading_bot.domain.units import UUSD_PER_USD
from trading_bot.research.ruin import ruin_report
from trading_bot.research.rule_odds import days_traded


def main() -> int:
    """Read, bootstrap, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="log folders of runs, or single session logs")
    parser.add_argument("--equity", type=float, default=10_000.0, help="USD at the start")
    parser.add_argument("--days", type=int, default=20, help="horizon")
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        report = ruin_report(
            [[trade.net_uusd for trade in day] for day in days_traded(asked.runs)],
            round(asked.equity * UUSD_PER_USD),
            horizon_days=asked.days,
            paths=asked.paths,
            seed=asked.seed,
        )
    except BotError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if asked.json:
        print(msgspec.json.encode(report).decode())
    else:
        for name, value in msgspec.to_builtins(report).items():
            print(f"{name:>22} {value}")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
