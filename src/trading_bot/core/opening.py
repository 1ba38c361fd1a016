"""The first records of a log, and of a process that continues one."""

import zlib
from collections.abc import Sequence

import msgspec

from trading_bot.core.carried import Carried
from trading_bot.core.documents import RunDocuments
from trading_bot.domain import events
from trading_bot.domain.config import canonical
from trading_bot.domain.errors import BotError, DataCorrupt
from trading_bot.domain.events import Input
from trading_bot.domain.units import TS_NEVER_NS, MicroUsd, uusd_from_usd
from trading_bot.engines.session import SessionDay, SessionTable


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who is running: `build` names kernel and core, so that effects are compared only between equals."""

    run_id: str = "memory"
    mode: str = "OBSERVE"
    adapter: str = "none"
    build: str = "unknown"
    hypothetical: bool = True  # fills are a simulator's
    orders_count: bool = False  # orders are handed to a broker, if only a simulated one
    clock_stands: bool = False  # the market waits while the bot is down: what a dead process owed is not late


def run_started(documents: RunDocuments, identity: RunIdentity, ts_ns: int, trade_date: int) -> events.RunStarted:
    """Record 1: everything the run depends on. `trade_date` 0 is one the calendar does not know."""
    return events.RunStarted(
        ts_ns=ts_ns,
        schema=events.SCHEMA_VERSION,
        run_id=identity.run_id,
        mode=identity.mode,
        adapter=identity.adapter,
        instrument=documents.instrument.symbol,
        trade_date=trade_date,
        config_hash=documents.config_hash,
        kernel_build=identity.build,
        documents=documents.pack(),
        digests=documents.digests(),
        hypothetical=identity.hypothetical,
    )


def process_started(
    documents: RunDocuments, identity: RunIdentity, ts_ns: int, *, last_seq: int, torn_bytes: int, cold: bool
) -> events.ProcessStarted:
    """A restart. A cold one brings its own documents: what the run depends on from here."""
    return events.ProcessStarted(
        ts_ns=ts_ns,
        recovery="facts" if cold else "full",
        config_hash=documents.config_hash,
        kernel_build=identity.build,
        last_seq=last_seq,
        torn_bytes=torn_bytes,
        documents=documents.pack() if cold else b"",
        digests=documents.digests() if cold else {},
    )


def opening_inputs(
    documents: RunDocuments, ts_ns: int, carried: Carried, kernel: bytes, link: events.LinkStatus | None = None
) -> list[Input]:
    """Records after the first: what earlier sessions leave, and the inputs of the gates; `kernel` may be empty.

    `link` is what this very process was told of it last, None at its start.
    """
    snapshot = zlib.compress(kernel, 1) if kernel else b""
    state = events.StateCarried(ts_ns=ts_ns, state=canonical(carried), kernel=snapshot)
    return [state, *gate_inputs(documents, ts_ns, carried, link)]


def gate_inputs(
    documents: RunDocuments, ts_ns: int, carried: Carried, link: events.LinkStatus | None = None
) -> list[Input]:
    """The inputs of the gates where nothing real supplies them; marked as modelled.

    The money is what the configuration assumes, and what was earned or lost since. Where an adapter tells all of it,
    the contract alone is known, and the link where a session follows another: account and position are unknown until
    the broker was asked.
    """
    instrument = documents.instrument
    bound = events.InstrumentBound(
        ts_ns=ts_ns,
        instrument_id=instrument.id,
        symbol=instrument.symbol,
        con_id=documents.con_id,
        tick_value_uusd=instrument.tick_value_uusd,
        multiplier=round(instrument.multiplier),
        expiry=documents.expiry,
    )
    if documents.gates_real:
        down = events.LinkStatus(
            ts_ns=ts_ns,
            up=False,
            data_type=0,
            socket=False,
            broker=False,
            farm=False,
            flowing=False,
            reason="nothing has been told yet",
        )
        nothing = events.Reconciled(
            ts_ns=ts_ns, ok=False, position_qty=0, working_orders=0, reason="nothing was asked yet"
        )
        return [bound, nothing, down if link is None else msgspec.structs.replace(link, ts_ns=ts_ns)]
    account = carried.ledger.account
    equity_uusd = uusd_from_usd(round(documents.config.decision.equity_assumed_usd, 6))
    if account is not None:
        equity_uusd = MicroUsd(account.equity_uusd(0))
    return [
        bound,
        events.LinkStatus(ts_ns=ts_ns, up=True, modelled=True),
        events.AccountSnapshot(
            ts_ns=ts_ns, account="", equity_uusd=equity_uusd, margin_free_uusd=equity_uusd, assumed=True
        ),
        events.Reconciled(ts_ns=ts_ns, ok=True, position_qty=0, working_orders=0, modelled=True),
        events.LatencySampled(ts_ns=ts_ns, decision_us_p99=0.0, loop_lag_us_max=0.0, modelled=True),
    ]


def at(inputs: Sequence[Input], ts_ns: int) -> list[Input]:
    """Inputs that were prepared before the log was open, at the time it is."""
    return [msgspec.structs.replace(event, ts_ns=ts_ns) for event in inputs]


def roll_ns(sessions: SessionTable | None, day: SessionDay | None, ts_ns: int) -> int:
    """When the log of this session ends. Before the calendar begins: at its first session, which has its own log."""
    if day is not None:
        return day.globex_close_ns
    first_ns = sessions.days_from(0, 1)[0].globex_open_ns if sessions is not None else 0
    return first_ns if ts_ns < first_ns else TS_NEVER_NS


def feed_ended(ts_ns: int, error: BotError | None, refused: dict[str, int], market: dict[str, int]) -> events.FeedEnded:
    """How the source ended. One of which nothing could be used was not the market data it was taken for."""
    if error is not None:
        return events.FeedEnded(ts_ns=ts_ns, reason=str(error), exit_code=error.exit_code)
    if refused and not market["quotes"] + market["trades"]:
        reason = f"nothing in the input is usable, everything was refused: {refused}"
        return events.FeedEnded(ts_ns=ts_ns, reason=reason, exit_code=DataCorrupt.exit_code)
    return events.FeedEnded(ts_ns=ts_ns, reason="END")


def stop_asked(documents: RunDocuments, signal: str, ts_ns: int) -> events.StopRequested:
    """A signal asks for an orderly end; what becomes of a position then is the configuration's."""
    return events.StopRequested(ts_ns=ts_ns, reason=signal, protect=documents.config.run.stop == "protect")
