"""What a log says about one decision or one order: the records that belong together, found in one pass."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from trading_bot.adapters.ibkr.references import parse_reference
from trading_bot.core.event_log import LogReader
from trading_bot.core.log_reader import MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.effects import Effect, PlaceOrder
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import DecisionMade, Event, OutcomeReached, StrategyProposed
from trading_bot.domain.orders import ClientOrderId
from trading_bot.domain.units import is_whole

Record = Event | Effect


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
    near: list[int] = []
    for log in session_logs(path):
        messages = list(_messages(log))
        story = _of_order(log, messages, order_id) if order_id else _of_decision(log, messages, int(wanted))
        if story is not None:
            found.append(story)
        near += [message.seq for message in messages if isinstance(message.record, DecisionMade)]
    if len(found) > 1:
        logs = ", ".join(str(story.log) for story in found)
        raise UsageError(f"{wanted} stands in several logs; name one of them instead of the run: {logs}")
    if not found:
        raise UsageError(_not_found(path, wanted, near, is_order=order_id is not None))
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


def _of_decision(log: Path, messages: list[Numbered], seq: int) -> Story | None:
    decision = next((row for row in messages if row.seq == seq and isinstance(row.record, DecisionMade)), None)
    if decision is None:
        return None
    made = decision.record
    assert isinstance(made, DecisionMade)
    placed = next(
        (
            row.record.order
            for row in messages
            if row.cause_seq == decision.cause_seq
            and isinstance(row.record, PlaceOrder)
            and row.record.order.template == made.template
            and (row.record.order.side.value == "BUY") == (made.side > 0)
        ),
        None,
    )
    order_id = placed.order_id if placed else None
    return _story(log, messages, decision, order_id)


def _of_order(log: Path, messages: list[Numbered], order_id: ClientOrderId) -> Story | None:
    placed = next(
        (row for row in messages if isinstance(row.record, PlaceOrder) and row.record.order.order_id == order_id), None
    )
    if placed is None:
        return None
    assert isinstance(placed.record, PlaceOrder)
    order = placed.record.order
    decision = next(
        row
        for row in messages
        if row.cause_seq == placed.cause_seq
        and isinstance(row.record, DecisionMade)
        and row.record.template == order.template
        and (row.record.side > 0) == (order.side.value == "BUY")
    )
    return _story(log, messages, decision, order_id)


def _story(log: Path, messages: list[Numbered], decision: Numbered, order_id: ClientOrderId | None) -> Story:
    outcome = next(row for row in messages if row.seq == decision.cause_seq)
    assert isinstance(outcome.record, OutcomeReached)
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
    chain = tuple(row for row in messages if order_id is not None and _about(row.record, order_id))
    return Story(log=log, outcome=outcome, decision=decision, order_id=order_id, proposed=proposed, chain=chain)


def _about(record: Record, order_id: ClientOrderId) -> bool:
    if isinstance(record, PlaceOrder):
        return record.order.order_id == order_id
    return getattr(record, "order_id", None) == order_id


def _not_found(path: Path, wanted: str, decisions: list[int], *, is_order: bool) -> str:
    if is_order:
        return f"no order {wanted} in {path}: `trading-bot log show {path} --kind PLACE_ORDER` lists them"
    if not decisions:
        return f"no decision in {path}: nothing was a candidate"
    nearest = min(decisions, key=lambda seq: (abs(seq - int(wanted)), seq))
    return (
        f"record {wanted} of {path} is no decision; the nearest is {nearest}, "
        f"`trading-bot log show {path} --kind DECISION_MADE` lists them"
    )
