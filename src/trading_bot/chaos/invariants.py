"""What must hold after every incident, whatever went wrong in it. Each invariant yields what is wrong, in words.

The broker's side is the gateway's own books and its timeline (chaos/witness.py); the bot's side is its log, its exit
code and what it printed. The bot's word about itself is never the measure.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from trading_bot.chaos.evidence import Evidence
from trading_bot.chaos.incident import INVARIANTS
from trading_bot.chaos.moments import is_ours
from trading_bot.domain.units import NS_PER_S


def no_duplicate_exposure(found: Evidence) -> Iterator[str]:
    """No order left twice, none filled beyond its lots, and never more at risk than the limit."""
    addresses: dict[str, set[int]] = {}
    for request in found.placed:
        if is_ours(request.order_ref):
            addresses.setdefault(request.order_ref, set()).add(request.order_id)
    # An exit that works is replaced under the same reference; an entry, a stop or a target has one address for life.
    for ref, ids in addresses.items():
        if len(ids) > 1 and ref[-1] != "X":
            yield f"{ref} was placed as {len(ids)} orders, with the ids {sorted(ids)}"
    asked = Counter({f"{one.order.order_id[0]}-{one.order.order_id[1]}-E": one.order.qty for one in found.facts.placed})
    executed: Counter[str] = Counter()
    for row in found.executions:
        if is_ours(row.order_ref) and row.order_ref.endswith("-E"):
            executed[row.order_ref.split("-", 1)[1]] += row.qty
    for ref, lots in executed.items():
        if lots > asked[ref]:
            yield f"entry {ref}: {lots} lots executed, {asked[ref]} were asked for in the log"
    for change in found.changes:
        if abs(change.own) + change.entry_lots > found.position_max:
            yield (
                f"{change.own} lots held and {change.entry_lots} more working as entries at market time "
                f"{change.market_ns}; the limit is {found.position_max}"
            )
            break


def exits_only_close(found: Evidence) -> Iterator[str]:
    """An order that leaves may not open a position on the other side."""
    before = 0
    for change in found.changes:
        if change.leg in {"S", "T", "X"} and change.position and before * change.position <= 0:
            yield f"an order of leg {change.leg} took the position from {before} to {change.position}"
        before = change.position


def _stem(exec_id: str) -> str:
    """An execution's id without the number of its correction."""
    return exec_id.rsplit(".", 1)[0]


def no_lost_fill(found: Evidence) -> Iterator[str]:
    """Every execution of ours at the broker is in the log, once, and the log has none that the broker has not.

    A correction is told beside the execution it corrects, under its own ending.
    """
    at_broker = {_stem(row.exec_id): row for row in found.executions if is_ours(row.order_ref)}
    in_log = {_stem(fill.exec_id) for fill in found.facts.fills}
    for stem, row in at_broker.items():
        if stem not in in_log:
            yield f"execution {row.exec_id} of {row.order_ref} ({row.side * row.qty:+d}) is not in the log"
    for exec_id, count in Counter(fill.exec_id for fill in found.facts.fills).items():
        if count > 1:
            yield f"execution {exec_id} is in the log {count} times"
        if _stem(exec_id) not in at_broker:
            yield f"execution {exec_id} of the log is not one of the broker's"


def position_as_broker(found: Evidence) -> Iterator[str]:
    """What the bot believed at its end is what the broker has."""
    at_broker = found.final.position
    if found.last_position is None:
        yield f"the bot's last word about its position is missing; the broker has {at_broker}"
    elif found.last_position != at_broker:
        yield f"the bot ended with position {found.last_position}, the broker has {at_broker}"


def stop_resident(found: Evidence) -> Iterator[str]:
    """No position of ours without a stop at the broker for longer than the bound, while the broker could be reached."""
    for stretch in found.naked:
        if stretch.reachable_ns > found.naked_max_ns:
            yield (
                f"{stretch.lots} lots had no resident stop for {stretch.reachable_ns / NS_PER_S:.2f} s of the wall in "
                f"reach of the broker, from market time {stretch.market_ns} on; the bound is "
                f"{found.naked_max_ns / NS_PER_S:.2f} s"
            )


def flat_or_protected(found: Evidence) -> Iterator[str]:
    """At the end nothing is held, or all of it has its stop; and nothing that is left could open a position."""
    final = found.final
    if abs(final.held) > final.covered:
        yield f"{final.held} lots are held at the end, stops cover {final.covered}"
    if not final.held and final.working:
        yield f"nothing is held at the end, and these orders work on: {final.told()['working']}"
    if final.entries:
        yield f"an entry works on after the end: {[order.request.order_ref for order in final.entries]}"


def replay_identical(found: Evidence) -> Iterator[str]:
    """Every log verifies, and a replay of every run makes the same decisions."""
    yield from found.log_problems
    if not found.runs:
        yield "there is no log"


def ended_in_order(found: Evidence) -> Iterator[str]:
    """The last bot ended as it should, by its own will; no process told of a bug, and the gateway had none."""
    yield from found.process_problems


CHECKS: Final[Mapping[str, Callable[[Evidence], Iterator[str]]]] = MappingProxyType(
    {
        "no_duplicate_exposure": no_duplicate_exposure,
        "exits_only_close": exits_only_close,
        "no_lost_fill": no_lost_fill,
        "position_as_broker": position_as_broker,
        "stop_resident": stop_resident,
        "flat_or_protected": flat_or_protected,
        "replay_identical": replay_identical,
        "ended_in_order": ended_in_order,
    }
)
assert tuple(CHECKS) == INVARIANTS, "an invariant without its check"
