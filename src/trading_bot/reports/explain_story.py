"""What a log says about one decision or one order: the records that belong together, found in one pass."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.adapters.ibkr.references import parse_reference
from trading_bot.core.event_log import LogReader
from trading_bot.core.log_reader import MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import effects, events, log_records, trade_events
from trading_bot.domain.effects import Effect, PlaceOrder, PlaceShadow
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import DecisionMade, Event, OutcomeReached, StrategyProposed
from trading_bot.domain.learning import LearningUpdate
from trading_bot.domain.orders import ClientOrderId
from trading_bot.domain.units import is_whole

Record = Event | Effect
# What follows from an order's news without naming the order.
_FOLLOWS: Final = (
    LearningUpdate,
    trade_events.BreakerChanged,
    trade_events.FlattenAdvanced,
    events.ExecutionPenalised,
    effects.LatchKillSwitch,
    effects.Alert,
)
_PROCESS: Final = (events.ProcessStarted, events.EffectsAbandoned)
_NEAR: Final = 3  # numbers that an error names


class Numbered(msgspec.Struct, frozen=True):
    """A message with its number and that of the record it follows from (0: an input)."""

    seq: int
    cause_seq: int
    record: Record


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One decision in one log: the outcome it answers, itself, and what became of its order (empty for a skip).

    `proposed` is what a strategy in Python proposed, None where the kernel found the candidate.
    """

    log: Path
    outcome: Numbered
    decision: Numbered
    order_id: ClientOrderId | None
    proposed: StrategyProposed | None
    chain: tuple[Numbered, ...]


def find_story(path: Path, wanted: str) -> Story:
    """The decision number `wanted`, or the order `wanted` ("SEQ-N", as `order_id` stands in the log), below `path`.

    Raises:
        UsageError: no such decision or order, or several session logs have one of that number.
        LogCorrupt: a damaged record.
    """
    order_id = _order_id(wanted)
    found: list[Story] = []
    decisions: list[int] = []
    orders: list[ClientOrderId] = []
    strangers: list[str] = []
    for log in session_logs(path):
        messages = list(_messages(log))
        story = _of_order(log, messages, order_id) if order_id else _of_number(log, messages, int(wanted))
        if story is not None:
            found.append(story)
        elif order_id is not None:
            strangers += [f"{row.seq} {_tag(row)}" for row in messages if _about(row.record, order_id)]
        decisions += [message.seq for message in messages if isinstance(message.record, DecisionMade)]
        orders += [placed for message in messages if (placed := _placed(message.record)) is not None]
    if len(found) > 1:
        logs = ", ".join(str(story.log) for story in found)
        raise UsageError(f"{wanted} stands in several logs; name one of them instead of the run: {logs}")
    if not found:
        if order_id is not None:
            raise UsageError(_no_order(path, order_id, orders, strangers))
        raise UsageError(_no_decision(path, int(wanted), decisions))
    return found[0]


def order_ref(order_id: ClientOrderId) -> str:
    """An order's name for people and for the broker."""
    return f"{order_id[0]}-{order_id[1]}"


def _order_id(wanted: str) -> ClientOrderId | None:
    reference = parse_reference(wanted)  # as the broker's statements have it
    if reference is not None:
        return reference.order_id
    seq, dash, number = wanted.partition("-")
    if not is_whole(seq) or (dash and not is_whole(number)):
        raise UsageError(
            f"ID is {wanted!r}: expected the number of a decision (say 1234) or of an order (say 1230-0, "
            "or its reference at the broker), as `log show LOG --kind DECISION_MADE` and `--kind PLACE_ORDER` have it"
        )
    return (int(seq), int(number)) if dash else None


def _messages(log: Path) -> Iterator[Numbered]:
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, MessageFrame):
                yield Numbered(item.seq, item.cause_seq, log_records.decode(item.payload))


def _of_number(log: Path, messages: list[Numbered], seq: int) -> Story | None:
    """The decision of that number, or the order that the record of that number is about."""
    row = next((row for row in messages if row.seq == seq), None)
    if row is None:
        return None
    if isinstance(row.record, DecisionMade):
        return _of_decision(log, messages, row)
    order_id = _placed(row.record) or getattr(row.record, "order_id", None)
    return None if order_id is None else _of_order(log, messages, order_id)


def _of_decision(log: Path, messages: list[Numbered], decision: Numbered) -> Story | None:
    made = decision.record
    assert isinstance(made, DecisionMade)
    if not made.template:
        raise UsageError(f"record {decision.seq} is about the session and no candidate: {made.text}")
    order_id = next(
        (
            _placed(row.record)
            for row in messages
            if row.cause_seq == decision.cause_seq and _placed_by(row.record, made.template, made.side)
        ),
        None,
    )
    return _story(log, messages, decision, order_id)


def _of_order(log: Path, messages: list[Numbered], order_id: ClientOrderId) -> Story | None:
    placed = next((row for row in messages if _placed(row.record) == order_id), None)
    if placed is None:
        return None
    decision = next(
        (
            row
            for row in messages
            if row.cause_seq == placed.cause_seq
            and isinstance(row.record, DecisionMade)
            and _placed_by(placed.record, row.record.template, row.record.side)
        ),
        None,
    )
    return None if decision is None else _story(log, messages, decision, order_id)


def _placed(record: Record) -> ClientOrderId | None:
    """The order, or shadow trade, that a record sends off."""
    if isinstance(record, PlaceOrder):
        return record.order.order_id
    return record.order_id if isinstance(record, PlaceShadow) else None


def _placed_by(record: Record, template: str, side: int) -> bool:
    """Whether a record sends off an entry of this template to this side."""
    sent = record.order if isinstance(record, PlaceOrder) else record
    if not isinstance(record, PlaceOrder | PlaceShadow):
        return False
    return getattr(sent, "template", "") == template and (getattr(sent, "side", "") == "BUY") == (side > 0)


def _story(log: Path, messages: list[Numbered], decision: Numbered, order_id: ClientOrderId | None) -> Story:
    outcome = next((row for row in messages if row.seq == decision.cause_seq), None)
    if outcome is None or not isinstance(outcome.record, OutcomeReached):
        raise UsageError(f"record {decision.seq} of {log} follows from no outcome of the kernel: nothing to take apart")
    made = decision.record
    assert isinstance(made, DecisionMade)
    asked = (row.record for row in messages if row.cause_seq == outcome.seq)
    proposed = next(
        (
            record
            for record in asked
            if isinstance(record, StrategyProposed)
            and (record.template, record.candidate.side) == (made.template, made.side)
        ),
        None,
    )
    chain = () if order_id is None else _chain(messages, order_id, (outcome.seq, decision.seq))
    return Story(log=log, outcome=outcome, decision=decision, order_id=order_id, proposed=proposed, chain=chain)


def _about(record: Record, order_id: ClientOrderId) -> bool:
    if isinstance(record, PlaceOrder):
        return record.order.order_id == order_id
    return getattr(record, "order_id", None) == order_id


def _chain(messages: Sequence[Numbered], order_id: ClientOrderId, begin: tuple[int, int]) -> tuple[Numbered, ...]:
    """Every record about the order, what each of them followed from, and what followed from its news."""
    own = {row.seq: row for row in messages if _about(row.record, order_id)}
    news = {row.seq for row in own.values() if row.cause_seq == 0}
    causes = {row.cause_seq for row in own.values()} - {0}
    first, last = min(own, default=0), max(own, default=0)
    for row in messages:
        follows = row.cause_seq in news and isinstance(row.record, _FOLLOWS)
        restart = first < row.seq < last and isinstance(row.record, _PROCESS)
        if (row.seq in causes or follows or restart) and row.seq not in begin:
            own[row.seq] = row
    return tuple(own[seq] for seq in sorted(own))


def _tag(row: Numbered) -> str:
    return str(type(row.record).__struct_config__.tag)


def _no_order(path: Path, order_id: ClientOrderId, orders: list[ClientOrderId], strangers: list[str]) -> str:
    wanted, listing = order_ref(order_id), f"`trading-bot log show {path} --kind PLACE_ORDER` lists them"
    if strangers:
        more = f" and {len(strangers) - _NEAR} more" if len(strangers) > _NEAR else ""
        return (
            f"order {wanted} was not sent in {path}, but by an earlier process or session; it has these records here: "
            f"{', '.join(strangers[:_NEAR])}{more}. Explain it in the log that has its PLACE_ORDER"
        )
    if not orders:
        return f"no order {wanted} in {path}: no order was sent at all, `trading-bot log show {path}` has what was"
    nearest = sorted(orders, key=lambda order: (abs(order[0] - order_id[0]), order))[:_NEAR]
    return f"no order {wanted} in {path}: the nearest are {', '.join(map(order_ref, sorted(nearest)))}; {listing}"


def _no_decision(path: Path, wanted: int, decisions: list[int]) -> str:
    if not decisions:
        return f"no decision in {path}: nothing was a candidate"
    nearest = min(decisions, key=lambda seq: (abs(seq - wanted), seq))
    return (
        f"record {wanted} of {path} is no decision and about no order; the nearest decision is {nearest}, "
        f"`trading-bot log show {path} --kind DECISION_MADE` lists them"
    )
