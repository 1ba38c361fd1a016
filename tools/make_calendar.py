"""Generate `data/calendars/us_index.csv`, the session table the bot trades by.

    python tools/make_calendar.py            write the table
    python tools/make_calendar.py --check    exit 1 if the file differs from what the library gives now

Opens and closes come from pandas-market-calendars (`NYSE`, `CME Globex Equity`) and nothing else; corrections to the
library live in `us_index_overrides.toml`, so that a test can hold this table to the library row by row. The one thing
the library does not know is the 15:15-15:30 US/Central halt of the equity index futures, which is a rule below.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pandas_market_calendars as market_calendars

FIRST_DATE = date(2013, 1, 1)
LAST_DATE = date(2029, 12, 31)
COLUMNS = "date,globex_open_utc,globex_close_utc,rth_open_utc,rth_close_utc,breaks"
TABLE_PATH = Path(__file__).resolve().parent.parent / "data" / "calendars" / "us_index.csv"

CENTRAL = ZoneInfo("America/Chicago")
# CME dropped the afternoon halt with the trade date of Monday 2021-06-28. The 5-minute ES bars of 2015-2024 agree:
# no bar starts in 15:15-15:30 on any full day up to Friday 2021-06-25, and three do on every full day after it.
AFTERNOON_HALT = (time(15, 15), time(15, 30))
AFTERNOON_HALT_LAST_DATE = date(2021, 6, 25)

Pair = tuple[datetime, datetime]


def main() -> int:
    """Write or check the table; returns the process exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    parser.add_argument("--output", type=Path, default=TABLE_PATH)
    arguments = parser.parse_args()
    text = table_text()
    if arguments.check:
        # The header names library versions; only the rows decide.
        if arguments.output.read_text(encoding="ascii").partition("\n")[2] == text.partition("\n")[2]:
            print(f"{arguments.output}: up to date", file=sys.stderr)
            return 0
        print(f"{arguments.output}: differs from the library; run tools/make_calendar.py and review", file=sys.stderr)
        return 1
    temporary = arguments.output.with_suffix(".tmp")
    temporary.write_text(text, encoding="ascii", newline="\n")
    temporary.replace(arguments.output)
    print(f"{arguments.output}: {text.count(chr(10)) - 2} rows", file=sys.stderr)
    return 0


def table_text(first: date = FIRST_DATE, last: date = LAST_DATE) -> str:
    """The whole file: header comment, column names, one line per trade date from `first` to `last`."""
    rows = "".join(row + "\n" for row in table_rows(first, last))
    digest = hashlib.sha256(rows.encode("ascii")).hexdigest()
    header = (
        "# calendar=us_index schema=1 generator=tools/make_calendar.py"
        f" pandas_market_calendars={market_calendars.__version__} pandas={pd.__version__}"
        f" from={first} to={last} rows={rows.count(chr(10))} sha256={digest}"
    )
    return f"{header}\n{COLUMNS}\n{rows}"


def table_rows(first: date, last: date) -> Iterator[str]:
    """One CSV line per date on which NYSE or Globex trades. RTH is the part of the NYSE session Globex is open in."""
    globex = _sessions("CME Globex Equity", first, last)
    nyse = _sessions("NYSE", first, last)
    for trade_date in sorted(globex.keys() | nyse.keys()):
        globex_times = globex.get(trade_date)
        rth_times = _intersection(globex_times, nyse.get(trade_date))
        halts = _halts(trade_date, globex_times)
        fields = [trade_date.isoformat(), *_pair_text(globex_times), *_pair_text(rth_times)]
        fields.append(" ".join("/".join(_pair_text(halt)) for halt in halts))
        yield ",".join(fields)


def _sessions(name: str, first: date, last: date) -> dict[date, Pair]:
    schedule = market_calendars.get_calendar(name).schedule(first.isoformat(), last.isoformat())
    return {
        stamp.date(): (row.market_open.to_pydatetime(), row.market_close.to_pydatetime())
        for stamp, row in schedule.iterrows()
    }


def _intersection(left: Pair | None, right: Pair | None) -> Pair | None:
    if left is None or right is None:
        return None
    opening, closing = max(left[0], right[0]), min(left[1], right[1])
    return (opening, closing) if opening < closing else None


def _halts(trade_date: date, globex_times: Pair | None) -> list[Pair]:
    if globex_times is None or trade_date > AFTERNOON_HALT_LAST_DATE:
        return []
    start, end = (datetime.combine(trade_date, at, tzinfo=CENTRAL) for at in AFTERNOON_HALT)
    # A session that closes early is over before the halt.
    return [(start, end)] if globex_times[0] < start and end < globex_times[1] else []


def _pair_text(times: Pair | None) -> tuple[str, str]:
    if times is None:
        return "", ""
    first, second = (at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ") for at in times)
    return first, second


if __name__ == "__main__":
    sys.exit(main())
