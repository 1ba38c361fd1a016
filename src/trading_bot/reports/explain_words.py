"""What became of an order, in words: a line a record, with its number, from the decision to what was learnt of it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from trading_bot.domain import broker_events, effects, events, latency_events, trade_events
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.kernel import ExitReason
from trading_bot.domain.learning import LearningUpdate
from trading_bot.domain.units import NS_PER_MS, NS_PER_S, iso_from_ns, usd_from_uusd
from trading_bot.engines.exits import ExitCause
from trading_bot.engines.position_text import standing_text, thesis_text
from trading_bot.reports.explain_story import Numbered

_E6: Final = 1_000_000
_BOOKKEEPING: Final = (effects.ArmTimer, effects.DisarmTimer, effects.SaveLearningState)


class StoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One step: the numbers of its records (several: heartbeats between two other steps), when, what."""

    seqs: tuple[int, ...]
    cause_seq: int
    ts_ns: int
    what: str
    text: str


class _Words:
    """How each kind of record is told; prices in points of the instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument

    def price(self, ticks: int | None) -> str:
        return "the market" if ticks is None else f"{self._instrument.points(ticks):,.2f}"

    def outcome(self, record: events.OutcomeReached) -> str:
        where = "at a grid point" if record.at_grid else "at this tick"
        if record.exit_mask:
            named = " and ".join(reason.name or "" for reason in ExitReason if record.exit_mask & reason)
            return f"the kernel saw {named} reached, {where}"
        what = f"{len(record.candidates)} candidate{'s' if len(record.candidates) != 1 else ''}"
        return f"the kernel stopped {where}: {what}, data score {record.dvs_c / 100:.2f}"

    def verdict(self, record: events.SafetyVerdict) -> str:
        if record.failed:
            return f"the safety gate refused it: checks {', '.join(map(str, record.failed))}. {record.detail}"
        return "the safety gate let it pass"

    def place(self, record: effects.PlaceOrder) -> str:
        order = record.order
        return (
            f"{order.side.value} {order.qty} at {self.price(order.limit_ticks)} or better, stop "
            f"{self.price(order.stop_price_ticks)}, target {self.price(order.target_price_ticks)}; it may wait until "
            f"{iso_from_ns(order.expires_ns)[11:23]}"
        )

    def shadow(self, record: effects.PlaceShadow) -> str:
        return (
            f"followed and not sent: {record.side.value} at {self.price(record.limit_ticks)}, target "
            f"{record.target_ticks} and stop {record.stop_ticks} ticks away"
        )

    def working(self, record: trade_events.OrderWorking) -> str:
        at = self.price(record.price_ticks) if record.price_ticks else "the market"
        return f"{record.leg.value} works at {at}, {record.remaining} left"

    def timed(self, record: latency_events.OrderTimed) -> str:
        wire_ns = record.tick_to_write_ns
        parts = (
            ("tick to wire", None if wire_ns is None else f"{wire_ns / 1_000:,.0f} us"),
            ("answered after", None if record.ack_ns is None else f"{record.ack_ns / NS_PER_MS:,.1f} ms"),
            ("filled after", None if record.fill_ns is None else f"{record.fill_ns / NS_PER_MS:,.1f} ms"),
        )
        said = ", ".join(f"{name} {span}" for name, span in parts if span is not None)
        return f"{record.leg.value} measured (wall time): {said or 'nothing was heard'}"

    def filled(self, record: trade_events.OrderFilled) -> str:
        part = "" if record.remaining == 0 else f", {record.remaining} left"
        sure = " (estimated)" if record.commission_estimated else ""
        kind = "HYPOTHETICAL fill" if record.hypothetical else "fill"
        return (
            f"{record.leg.value} {kind}: {record.side.value} {record.qty} at {self.price(record.price_ticks)}{part}, "
            f"commission {_usd(record.commission_uusd)}{sure}"
        )

    def measured(self, record: trade_events.FillMeasured) -> str:
        slippage = "not defined" if record.slippage_ticks is None else f"{record.slippage_ticks:+d} ticks"
        return f"slippage {slippage}, expected {record.expected_e6 / _E6:.2f}"

    def opened(self, record: trade_events.TradeOpened) -> str:
        return (
            f"position open at {self.price(record.price_ticks)}; stop {self.price(record.stop_price_ticks)}, target "
            f"{self.price(record.target_price_ticks)}, time stop {iso_from_ns(record.time_stop_ns)[11:19]}"
        )

    def resident(self, record: trade_events.StopResident) -> str:
        naked = f"{record.naked_ns / NS_PER_MS:,.1f} ms without one"
        if record.price_ticks == 0:
            return f"the position ended before its stop was there: {naked}"
        return f"the stop is at the broker, {self.price(record.price_ticks)}, after {naked}"

    def exit_decided(self, record: trade_events.ExitDecided) -> str:
        others = [cause.name for cause in ExitCause if record.mask >> cause & 1 and cause.name != record.cause]
        also = f"; also {', '.join(others)}" if others else ""
        return f"leave, because of {record.cause}{also}: {record.urgency.lower()} order for {record.qty:+d}"

    def place_exit(self, record: effects.PlaceExit) -> str:
        return f"exit {record.side.value} {record.qty} at {self.price(record.limit_ticks)} ({record.cause})"

    def closed(self, record: trade_events.TradeClosed) -> str:
        one = record.outcome
        held_ns = one.exit_ts_ns - one.entry_ts_ns
        kind = "HYPOTHETICAL " if one.hypothetical else ""
        return (
            f"trade closed by {one.exit_reason} after {held_ns / NS_PER_S:,.1f} s: {kind}{one.actual_pnl_usd:+,.2f} "
            f"USD net ({one.pnl_usd:+,.2f} less {one.commission_round_trip:.2f} commission), worst "
            f"-{one.mae_ticks:g}, best +{one.mfe_ticks:g} ticks"
        )

    def tell(self, record: Any) -> str:
        told = _TOLD.get(type(record))
        return told(self, record) if told is not None else ""


def story_lines(rows: Iterable[Numbered], instrument: Instrument) -> tuple[StoryLine, ...]:
    """The records of a story, told; timers and saves are left out, heartbeats in a row become one line."""
    kept = [row for row in rows if not isinstance(row.record, _BOOKKEEPING)]
    # A look at the position that led to nothing else than to its heartbeat, or to a timer.
    telling = {row.cause_seq for row in kept if not isinstance(row.record, trade_events.PositionHeartbeat)}
    kept = [row for row in kept if not isinstance(row.record, events.TimerFired) or row.seq in telling]
    return tuple(_joined(_lines(kept, _Words(instrument))))


def _lines(rows: Iterable[Numbered], words: _Words) -> Iterator[tuple[StoryLine, Any]]:
    for row in rows:
        record = row.record
        tag = str(type(record).__struct_config__.tag)
        line = StoryLine(
            seqs=(row.seq,), cause_seq=row.cause_seq, ts_ns=record.ts_ns, what=tag, text=words.tell(record)
        )
        yield line, record


def _joined(lines: Iterable[tuple[StoryLine, Any]]) -> Iterator[StoryLine]:
    """Of heartbeats in a row the last is told: it has the worst and best of all of them."""
    held: StoryLine | None = None
    for line, record in lines:
        beats = isinstance(record, trade_events.PositionHeartbeat)
        if held is not None and not beats:
            yield held
            held = None
        if beats:
            held = line if held is None else msgspec.structs.replace(line, seqs=held.seqs + line.seqs)
        else:
            yield line
    if held is not None:
        yield held


def _usd(uusd: int) -> str:
    return f"{usd_from_uusd(uusd):.2f} USD"


def _uncertain(_: _Words, record: broker_events.OrderUncertain) -> str:
    return f"whether {record.leg.value} lives is not known, code {record.code}: {record.text}"


def _reported(_: _Words, record: broker_events.CommissionReported) -> str:
    return (
        f"the broker's commission of {record.leg.value} execution {record.exec_id}: {_usd(record.commission_uusd)}, "
        f"estimated {_usd(record.estimated_uusd)}"
    )


def _corrected(_: _Words, record: trade_events.CommissionCorrected) -> str:
    if record.delta_uusd == 0:
        return "booked as it was estimated"
    return f"booked, {usd_from_uusd(record.delta_uusd):+.4f} USD against the estimate"


def _breaker(_: _Words, record: trade_events.BreakerChanged) -> str:
    return f"breaker {record.breaker} {'tripped' if record.tripped else 'reset'}: {record.reason}"


def _learned(_: _Words, record: LearningUpdate) -> str:
    return f"{record.template} goes from {record.previous.value} to {record.state.value}"


_TOLD: Final[dict[type, Callable[[_Words, Any], str]]] = {
    events.OutcomeReached: _Words.outcome,
    events.DecisionMade: lambda _, record: record.text,
    events.SafetyVerdict: _Words.verdict,
    effects.PlaceOrder: _Words.place,
    effects.PlaceShadow: _Words.shadow,
    effects.CancelOrder: lambda _, record: f"withdraw {record.leg.value}: {record.reason}",
    effects.PlaceExit: _Words.place_exit,
    effects.ModifyStop: lambda words, record: f"move the stop to {words.price(record.price_ticks)}",
    effects.Alert: lambda _, record: f"alert {record.code}: {record.text}",
    effects.LatchKillSwitch: lambda _, record: f"the kill switch is pulled: {record.reason}",
    events.OrderSuppressed: lambda _, __: "OBSERVE: not sent, the simulator takes it",
    events.OrderAcknowledged: lambda _, record: f"the broker has it, perm id {record.perm_id or 'none'}",
    events.OrderCancelled: lambda _, record: f"{record.leg.value} is gone",
    events.OrderRejected: lambda _, record: f"{record.leg.value} REJECTED, code {record.code}: {record.text}",
    events.TimerFired: lambda _, record: f"timer {record.name} is due",
    events.KillRequested: lambda _, record: f"kill by {record.source}: {record.reason}",
    events.FlattenRequested: lambda _, record: f"flatten by {record.source}: {record.reason}",
    events.StopRequested: lambda _, record: f"the run is to end: {record.reason}",
    events.FeedEnded: lambda _, record: f"the market data end: {record.reason}",
    events.ProcessStarted: lambda _, record: f"another process goes on with the run (recovery {record.recovery})",
    events.EffectsAbandoned: lambda _, record: f"the process died over record {record.cause_seq}; nothing is sent late",
    events.ExecutionPenalised: lambda _, record: f"execution score loses {record.name}",
    events.Reconciled: lambda _, record: f"the broker was asked: position {record.position_qty}, ok {record.ok}",
    trade_events.OrderWorking: _Words.working,
    trade_events.OrderFilled: _Words.filled,
    trade_events.FillMeasured: _Words.measured,
    trade_events.TradeOpened: _Words.opened,
    trade_events.StopResident: _Words.resident,
    trade_events.StopTriggered: lambda _, __: "the stop was triggered and is on its way",
    trade_events.PositionHeartbeat: lambda _, record: f"{standing_text(record)}; {thesis_text(record)}",
    trade_events.ExitDecided: _Words.exit_decided,
    trade_events.RequestRefused: lambda _, record: f"the broker found nothing of {record.leg.value} to act on",
    trade_events.TradeClosed: _Words.closed,
    trade_events.CommissionCorrected: _corrected,
    trade_events.BreakerChanged: _breaker,
    trade_events.FlattenAdvanced: lambda _, record: f"{record.plan} {record.step}: {record.reason}",
    trade_events.ShadowFilled: lambda words, record: (
        f"{record.leg.value} would have filled at {words.price(record.price_ticks)}"
    ),
    trade_events.ShadowEnded: lambda _, __: "it would not have filled",
    broker_events.OrderUncertain: _uncertain,
    broker_events.CommissionReported: _reported,
    latency_events.OrderTimed: _Words.timed,
    LearningUpdate: _learned,
}
