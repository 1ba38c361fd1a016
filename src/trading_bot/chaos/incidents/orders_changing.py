"""Incidents of changes and cancels: unanswered, refused, overtaken by a fill, or answered with a second order."""

from collections.abc import Callable, Sequence
from typing import Final

from trading_bot.chaos.incident import Incident
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.moments import Scene, flat, holding, one_more
from trading_bot.chaos.strikes import fill_entries

# The stop follows the price closely, so that it is changed again and again.
TRAILS: Final = {
    "exits.trail": True,
    "exits.trail_from_r": 0.0,
    "exits.trail_atr": 0.0,
    "exits.trail_ticks_min": 8,
    "exits.break_even_from_r": 100,
}
# Entries that rest at the touch for a second of market time: they are withdrawn before they fill.
IMPATIENT: Final = {"orders.entry_ttl_s": 1}


def _changes(lab: Lab) -> int:
    """Changes of stops the gateway has heard of."""
    rows = [row.order_id for row in lab.witness.placed if row.order_ref.endswith("-S")]
    return len(rows) - len(set(rows))


def _withdrawing(scene: Scene) -> bool:
    return any(order.cancel_asked for order in scene.entries)


def _twin(lab: Lab) -> None:
    """A change during an outage leaves the order and makes a second one."""
    lab.fault("twin_orders")
    bot = lab.start()
    lab.wait(lambda _scene: _changes(lab) > 0, what="a change of the stop")
    lab.fault("outage", for_s=20)
    lab.wait(lambda scene: len(scene.stops) > 1, what="two stops under one reference")
    lab.fault("twin_orders", on=False)
    lab.wait(lambda scene: scene.reachable, what="the end of the outage")
    lab.pause(2.0)
    lab.end(bot)


def _changes_under(action: str, codes: Sequence[tuple[int, str]] = ()) -> Callable[[Lab], None]:
    def body(lab: Lab) -> None:
        for_each = codes or ((0, ""),)
        bot = lab.start()
        lab.wait(holding, what="a position")
        for code, text in for_each:
            lab.fault(action, **({"code": code, "text": text} if code else {}))
            lab.wait(one_more(lambda: _changes(lab)), what=f"a change of the stop under {action} {code or ''}")
        lab.pause(1.0)
        lab.fault(action, on=False)
        lab.end(bot)

    return body


def _cancel_races_fill(lab: Lab) -> None:
    """The fill is there when the cancel arrives."""
    bot = lab.start()
    lab.when(_withdrawing, fill_entries, what="an entry that is being withdrawn").wait()
    lab.wait(flat, what="the bot has left what filled on the way out")
    lab.end(bot)


def _cancels_under(action: str, code: int = 0, text: str = "", *, then_fill: bool) -> Callable[[Lab], None]:
    """Cancels come to nothing; the entry lives on, and fills when nobody expects it."""

    def body(lab: Lab) -> None:
        values: dict[str, object] = {"code": code, "text": text} if code else {}
        lab.fault(action, **values)
        bot = lab.start()
        lab.wait(one_more(lambda: len(lab.witness.cancels)), what="a cancel that comes to nothing")
        if then_fill:
            lab.call(fill_entries)
        lab.pause(2.0)
        lab.fault(action, on=False)
        lab.end(bot)

    return body


def _withdrawn(leg: str) -> Callable[[Lab], None]:
    """The broker cancels an order of a bracket that protects a position."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        lab.strike(holding, "withdraw_leg", leg=leg, what="a position with its bracket").wait()
        if leg == "S":
            lab.wait(flat, what="the bot left what nothing protects")
        else:
            lab.pause(3.0)
        lab.end(bot)

    return body


INCIDENTS: Final = (
    Incident(
        name="twin-after-a-change",
        says="A change of the stop in an outage leaves it and makes a second one with another permId",
        source=("2#2", "2c:5"),
        config=TRAILS,
        body=_twin,
    ),
    Incident(
        name="changes-refused",
        says="Changes of the stop are refused with 104, 105, 110, 161, 321 and 329; it works on as it was",
        source=("2#12", "2b:110", "2b:104", "2b:105", "2b:161", "2b:321", "2b:329", "2c:3"),
        config=TRAILS,
        body=_changes_under(
            "reject_changes",
            (
                (110, "The price does not conform to the minimum price variation for this contract."),
                (105, "Order being modified does not match original order"),
                (104, "Cannot modify a filled order."),
                (161, "Cancel attempted when order is not in a cancellable state"),
                (321, "Error validating request"),
                (329, "Order modify failed. Cannot change to the new order type."),
            ),
        ),
    ),
    Incident(
        name="changes-vanish",
        says="Changes of the stop vanish; it works on as it was",
        source=("2#12", "own"),
        config=TRAILS,
        body=_changes_under("mute_changes"),
    ),
    Incident(
        name="cancel-races-fill",
        says="An entry fills while its cancel is on the way",
        source=("D", "2b:10148", "2#8"),
        style="rest",
        config=IMPATIENT,
        quick=True,
        body=_cancel_races_fill,
    ),
    Incident(
        name="cancels-vanish-then-fill",
        says="The cancel of an entry vanishes, and the entry fills",
        source=("2#8", "own"),
        style="rest",
        config=IMPATIENT,
        body=_cancels_under("mute_cancels", then_fill=True),
    ),
    Incident(
        name="cancels-vanish",
        says="The cancel of an entry vanishes, and the entry works on",
        source=("2#8",),
        style="rest",
        config=IMPATIENT,
        body=_cancels_under("mute_cancels", then_fill=False),
    ),
    Incident(
        name="cancel-finds-nothing",
        says="A cancel is refused with 10147 although the order works, and then it fills",
        source=("2#8", "2b:10147"),
        style="rest",
        config=IMPATIENT,
        body=_cancels_under(
            "reject_cancels", 10147, "OrderId that needs to be cancelled is not found.", then_fill=True
        ),
    ),
    Incident(
        name="cancel-too-late-it-says",
        says="A cancel is refused with 10148 although the order works",
        source=("2#8", "2b:10148"),
        style="rest",
        config=IMPATIENT,
        body=_cancels_under(
            "reject_cancels",
            10148,
            "OrderId that needs to be cancelled cannot be cancelled, state: Filled.",
            then_fill=False,
        ),
    ),
    Incident(
        name="cancel-not-now",
        says="A cancel is refused with 161 although the order works",
        source=("2b:161",),
        style="rest",
        config=IMPATIENT,
        body=_cancels_under(
            "reject_cancels", 161, "Cancel attempted when order is not in a cancellable state", then_fill=False
        ),
    ),
    Incident(
        name="stop-withdrawn",
        says="The broker cancels the stop of a position, unasked (202)",
        source=("2b:202", "2#22"),
        quick=True,
        body=_withdrawn("S"),
    ),
    Incident(
        name="target-withdrawn",
        says="The broker cancels the target of a position, unasked (202)",
        source=("2b:202", "2#22"),
        body=_withdrawn("T"),
    ),
)
