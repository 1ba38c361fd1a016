"""The session after a trade date, by the calendar and the events a log embeds: what a person has to expect."""

from trading_bot.core.documents import RunDocuments
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines.session_table import SessionDay, parse_calendar
from trading_bot.reports.day_end_records import NextSession

_DAYS_AHEAD = 12  # the longest row of days without New York is shorter


def next_session(documents: RunDocuments, trade_date: int) -> NextSession | None:
    """The first session for entries after `trade_date` (yyyymmdd); None where the calendar does not reach so far."""
    if not documents.calendar or not trade_date:
        return None
    table = parse_calendar(documents.calendar, source="the calendar in the log")
    for day in table.days_from(trade_date, _DAYS_AHEAD):
        hours = _hours(day, documents.config.session.kind)
        if day.trade_date > trade_date and hours is not None:
            return _described(documents, day.trade_date, *hours)
    return None


def _hours(day: SessionDay, kind: str) -> tuple[int, int] | None:
    if kind == "globex":
        return day.globex_open_ns, day.globex_close_ns
    if day.rth_open_ns is None or day.rth_close_ns is None:
        return None
    return day.rth_open_ns, day.rth_close_ns


def _described(documents: RunDocuments, trade_date: int, open_ns: int, close_ns: int) -> NextSession:
    session, events = documents.config.session, documents.events
    inside = () if events is None else tuple(one for one in events.events if open_ns <= one.ts_ns < close_ns)
    return NextSession(
        trade_date=trade_date,
        open_ns=open_ns,
        close_ns=close_ns,
        entries_from_ns=open_ns + session.open_delay_min * NS_PER_MIN,
        entries_to_ns=close_ns - session.close_buffer_min * NS_PER_MIN,
        flatten_ns=close_ns - session.flatten_before_close_min * NS_PER_MIN,
        events=inside,
        events_known=events is not None and events.covers_from <= trade_date <= events.covers_to,
    )
