"""The end of a day as files in the data directory, written without being asked: JSON, Markdown and HTML (MO06, MO07).

DATA/reports/eod-20261125.json .md .html        DATA/reports/digest-2026-W48.json .md .html
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.core import operator_files
from trading_bot.pages.day_end_document import day_document, week_document
from trading_bot.pages.day_end_page import day_end_page
from trading_bot.pages.page import Page
from trading_bot.pages.render_text import markdown
from trading_bot.pages.week_page import week_page
from trading_bot.reports.day_end import read_day_end
from trading_bot.reports.day_end_records import DayEnd
from trading_bot.reports.week import as_date, read_week, week_of

FOLDER: Final = "reports"


def write_day_end(data_dir: Path, *, trade_date: int | None = None, live: bool = False) -> DayEnd:
    """Write the end of a day (yyyymmdd; the newest without it), and renew the digest of its week.

    HTML needs the extra `reports`; without it the other two are written.

    Raises:
        UsageError: no log of that day.
        LogCorrupt: a damaged record.
        OSError: the disk does not take a file; each is whole or as it was.
    """
    day = read_day_end(data_dir, trade_date=trade_date, live=live)
    folder = data_dir / FOLDER
    folder.mkdir(exist_ok=True)
    _write(folder / f"eod-{day.trade_date:08d}", day_end_page(day), day_document(day))
    if day.trade_date:
        week = week_of(as_date(day.trade_date))
        found = read_week(data_dir, week=week, live=live)
        _write(folder / f"digest-{week.name}", week_page(found), week_document(found))
    return day


def _write(stem: Path, page: Page, document: dict[str, Any]) -> None:
    forms: dict[str, Callable[[], str]] = {
        ".json": lambda: msgspec.json.encode(document).decode() + "\n",
        ".md": lambda: markdown(page),
    }
    try:
        from trading_bot.pages.render_html import html
    except ImportError:
        pass  # the extra `reports` is not installed where only trading happens
    else:
        forms[".html"] = lambda: html(page)
    for suffix, shown in forms.items():
        operator_files.replace(stem.with_name(stem.name + suffix), shown().encode())
