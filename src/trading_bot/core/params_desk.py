"""Adopted parameters of strategies in a session: which are in force, and what a session's beginning tells of them.

The templates of the documents have them already; nothing here changes a value (features LE05, LE06).
"""

from typing import Final

from trading_bot.core.documents import RunDocuments
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.learned import LearnedValue, SetKind
from trading_bot.domain.trade_events import ParamsAdopted
from trading_bot.engines.learned_params import value_e6

Params = tuple[tuple[str, int], ...]

_UNDONE: Final = "rolled back by a person"


def params_in_force(documents: RunDocuments) -> Params:
    """Parameter and value of every learned one, in millionths, for the next session to compare with."""
    return () if documents.learned is None else tuple((one.parameter, one.value_e6) for one in documents.learned.values)


def adopted(documents: RunDocuments, before: Params, ts_ns: int) -> list[Event | Effect]:
    """A session begins: what differs from `before`, the parameters of the session before it."""
    learned = documents.learned
    if learned is None and not before:
        return []
    values = {one.parameter: one for one in learned.values} if learned is not None else {}
    results: list[Event | Effect] = []
    held = dict(before)
    for parameter in sorted({*held, *values}):
        new_e6 = value_e6(documents.templates, parameter)
        value = values.get(parameter)
        old_e6 = held.get(parameter, value.base_e6 if value is not None else new_e6)
        if new_e6 is None or old_e6 is None or old_e6 == new_e6:
            continue  # a template that this run does not have, or nothing new
        number = learned.number if learned is not None else 0
        undone = learned is None or learned.kind is SetKind.ROLLED_BACK
        results.append(
            ParamsAdopted(
                ts_ns=ts_ns,
                parameter=parameter,
                old=old_e6,
                new=new_e6,
                set_number=max(number, 1),
                hypothetical=learned is None or learned.hypothetical_evidence,
                proposal="" if learned is None else learned.proposal,
                fills=0 if value is None else value.trades,
                shadow_trades=0 if value is None else value.shadow_trades,
                actual=0 if value is None else value.actual_uusd,
                expected=0 if value is None else value.expected_uusd,
                evidence=_evidence(value, undone=undone),
            )
        )
    return results


def _evidence(value: LearnedValue | None, *, undone: bool) -> str:
    return "; ".join(filter(None, (_UNDONE if undone else "", "" if value is None else value.reason)))


def with_param(before: Params, adoption: ParamsAdopted) -> Params:
    """The parameters in force after an adoption that a log tells of."""
    if not adoption.set_number:
        return before
    return tuple(sorted({**dict(before), adoption.parameter: adoption.new}.items()))
