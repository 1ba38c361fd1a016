"""What was before the gateway's start: bars of a generated market, made once and beside everything else."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from trading_bot.adapters.gateway.bars import Bar, bar_of_minute, trade_fields
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import SessionTable

HISTORY_SESSIONS: Final = 21
_KEPT: Final = 8  # pasts of a process: tests run many gateways over the same market

# A second of work: while it goes on the gateway answers, and no market time is lost.
_WORKER: Final = ThreadPoolExecutor(1, thread_name_prefix="gateway-past")
_made: Final[dict[tuple[str, int, int, int], Future[list[Bar]]]] = {}


def generated_past(
    instrument: Instrument, calendar: SessionTable, seed: int, start_ns: int, price_ticks: int
) -> Future[list[Bar]]:
    """Minute bars of 21 sessions before `start_ns` and of the session it is in, as SimFeed.history_bars gives them."""
    key = (instrument.symbol, seed, start_ns, price_ticks)
    if key not in _made:
        while len(_made) >= _KEPT:
            del _made[next(iter(_made))]
        _made[key] = _WORKER.submit(_make, instrument, calendar, seed, start_ns, price_ticks)
    return _made[key]


def no_past() -> Future[list[Bar]]:
    """Of a market from files: what was before them is not known."""
    nothing: Future[list[Bar]] = Future()
    nothing.set_result([])
    return nothing


def _make(instrument: Instrument, calendar: SessionTable, seed: int, start_ns: int, price_ticks: int) -> list[Bar]:
    feed = SimFeed(
        instrument,
        calendar,
        seed=seed,
        start_ns=start_ns,
        duration_ns=14 * 86_400 * NS_PER_S,
        price_ticks=price_ticks,
        batch_records=1,
    )
    bars = [bar_of_minute(minute) for minute in feed.history_bars(HISTORY_SESSIONS)]
    for bar in bars:
        bar.fields = trade_fields(bar, instrument)
    return bars
