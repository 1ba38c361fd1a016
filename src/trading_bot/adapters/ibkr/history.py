"""Closed one-minute bars of earlier sessions from the broker, for the warm-up (specification 3)."""

from collections.abc import Iterator
from typing import Any, Final

from trading_bot.adapters.history import SessionBars, history_events
from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.config import BotConfig
from trading_bot.domain.events import HistoryLoaded
from trading_bot.domain.instruments import POINTS_E9, Instrument
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import MINUTE_NS, SessionTable

_DAYS_A_REQUEST: Final = 5  # small enough to be answered in seconds
_NO_DATA: Final = 162  # also a pacing violation; with bars at hand the warm-up is shorter, and the log shows it
_E4: Final = 10_000


def load_history(
    session: IbkrSession, bound: BoundContract, instrument: Instrument, config: BotConfig, table: SessionTable
) -> list[HistoryLoaded]:
    """Bars of the last sessions and of the one under way, closed before now, as inputs.

    What the broker does not give is told and missing: the signals that need it are None until they are warm, and what
    is None is never traded.
    """
    count = config.ibkr.history_sessions
    now_ns = session.stamp()
    today = table.trading_day(now_ns)
    if not count or today is None:
        return []
    bars: dict[int, MinuteBar] = {}
    end = ""
    left = count + 1
    while left > 0:
        days = min(left, _DAYS_A_REQUEST)
        rows = _ask(session, bound, end, days, config, have=len(bars))
        if not rows:
            break
        found = {bar.ts_open_ns: bar for bar in _bars(rows, instrument)}
        bars |= found
        left -= days
        end = _stamp(rows[0])
    sessions: dict[int, list[MinuteBar]] = {}
    for ts_ns in sorted(bars):
        day = table.trading_day(ts_ns)
        if day is not None and ts_ns + MINUTE_NS <= now_ns:
            sessions.setdefault(day.trade_date, []).append(bars[ts_ns])
    newest = sorted(sessions)[-(count + 1) :]
    source = f"{bound.local_symbol} at the broker"
    return history_events((SessionBars(date, source, tuple(sessions[date])) for date in newest), now_ns)


def _ask(session: IbkrSession, bound: BoundContract, end: str, days: int, config: BotConfig, *, have: int) -> list[Any]:
    """Bars of some sessions up to `end`; `have` later ones are known already, so that the past may have ended."""
    answer = session.ask(
        session.ib.reqHistoricalDataAsync(
            bound.contract,
            endDateTime=end,
            durationStr=f"{days} D",
            barSizeSetting="1 min",
            whatToShow="TRADES",
            useRTH=False,
            formatDate=2,
            keepUpToDate=False,
            chartOptions=[],
            timeout=0,
        ),
        config.ibkr.history_timeout_s,
    )
    if not isinstance(answer, Unknown):
        return list(answer.data)
    if answer.code != _NO_DATA or not have:
        text = f"the broker gives no history of {bound.local_symbol} ({answer.reason}): {have} bars warm the signals up"
        session.notice(answer.code, text, error=True)
    return []


def _stamp(row: Any) -> str:
    """The time of a bar, as a request's end."""
    return str(row.date.strftime("%Y%m%d-%H:%M:%S"))  # UTC, in the form that names no zone


def _bars(rows: list[Any], instrument: Instrument) -> Iterator[MinuteBar]:
    for row in rows:
        if row.volume <= 0:
            continue
        prices = (row.open, row.high, row.low, row.close)
        opened, high, low, close = (round(price * POINTS_E9 / instrument.tick_size_e9) for price in prices)
        volume = int(row.volume)
        # Some bars come without a mean price: then the middle of the bar stands for it.
        mean = row.average if row.low <= row.average <= row.high else (row.high + row.low) / 2
        mean_ticks_e4 = round(mean * _E4 * POINTS_E9 / instrument.tick_size_e9)
        notional = (mean_ticks_e4 * volume + _E4 // 2) // _E4
        yield MinuteBar(round(row.date.timestamp()) * NS_PER_S, opened, high, low, close, volume, notional)
