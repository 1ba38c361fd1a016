"""How bad can it get: `python tools/ruin.py RUN [RUN ...] --equity 10000` reads the closed trades of runs' logs.

Exit code 1 when the chance of ruin is not below its limit, 2 for too few days.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import msgspec

from trading_bot.core.event_log import LogReader
from trading_bot.core.log_reader import MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.errors import BotError
from trading_bot.domain.events import RunStarted
from trading_bot.domain.trade_events import TradeClosed
from trading_bot.domain.units import UUSD_PER_USD
from trading_bot.research.ruin import ruin_report


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
            days_of(asked.runs),
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


def days_of(runs: list[Path]) -> list[list[int]]:
    """Net results of the closed trades by trade date, in the order of the logs; a day without trades counts."""
    days: defaultdict[int, list[int]] = defaultdict(list)
    for log in (log for run in runs for log in session_logs(run)):
        trade_date = 0
        with LogReader(log) as reader:
            for item in reader.spans():
                if not isinstance(item, MessageFrame):
                    continue
                record = log_records.decode(item.payload)
                if isinstance(record, RunStarted):
                    trade_date = record.trade_date
                    days[trade_date] += []
                elif isinstance(record, TradeClosed):
                    days[trade_date].append(record.outcome.net_uusd)
    return [days[trade_date] for trade_date in sorted(days)]


if __name__ == "__main__":
    sys.exit(main())
