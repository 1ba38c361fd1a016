"""Faults of orders, executions, commissions and positions."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.by_hand import plain_request
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.steps import LEGS, SIDES, Action, Step, faulted, fields_of, message
from trading_bot.domain.instruments import INSTRUMENTS

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

_SYMBOL: Final = "MES"  # where a step names none


def _front(gateway: "Gateway", step: Step) -> Listed:
    return gateway.contracts.front(INSTRUMENTS[step.symbol or _SYMBOL])


def _order_by_hand(gateway: "Gateway", step: Step) -> None:
    row = _front(gateway, step)
    request = plain_request(row, gateway.config.account, side=step.side, qty=step.qty, points=step.points)
    gateway.desk.by_hand.place(request, step.client_id)


def _give_position(gateway: "Gateway", step: Step) -> None:
    gateway.desk.by_hand.give(_front(gateway, step), step.qty)


def _withdraw_leg(gateway: "Gateway", step: Step) -> None:
    gateway.desk.bends.withdraw_leg(step.leg)


def _fill_groups(gateway: "Gateway", _step: Step) -> None:
    gateway.desk.bends.fill_groups()


def _hold_cancels(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.cancels_held = True


def _pass_cancels(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.cancels_held = False
    gateway.desk.bends.pass_cancels()


def _hold_lots(gateway: "Gateway", step: Step) -> None:
    gateway.faults.lots_at_once = step.qty


def _let_go(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.lots_at_once = 0
    gateway.desk.catch_up()
    gateway.desk.flow.let_go()


def _of_leg(*takes: str) -> tuple[str, ...]:
    return ("leg", *takes)


_PLACING: Final = {
    "mute_orders": Action((), "Placements vanish: no order, no answer", *faulted("orders_muted")),
    "delay_orders": Action(
        ("ms",), "Placements, changes and cancels take ms longer (market time)", *faulted("order_delay_ms", "ms")
    ),
    "reject_orders": Action(
        ("code", "text"),
        "Every placement is refused with this code and text",
        *message("reject_code", "reject_text"),
    ),
    "reject_leg": Action(
        _of_leg("code", "text"),
        "The broker refuses this leg of what comes (E entry, S stop, T target, X any other): message, then Inactive",
        *fields_of(("leg_rejected", "leg"), ("leg_code", "code"), ("leg_text", "text")),
        values=LEGS,
    ),
    "drop_leg": Action(
        _of_leg(),
        "This leg of what comes vanishes: no order, no answer; an entry takes its children along",
        *faulted("leg_dropped", "leg"),
        values=LEGS,
    ),
    "price_band": Action(
        ("ticks", "code", "text"),
        "Limits further than ticks from the last price are refused: by the gateway with 109, 163 or 382, else by the "
        "broker",
        *fields_of(("band_code", "code"), ("band_ticks", "ticks"), ("band_text", "text")),
    ),
    "hold_lots": Action(
        ("qty",), "Of each order that comes only qty lots trade until it ends, then the rest", _hold_lots, _let_go
    ),
    "inform_order": Action(
        ("code", "text"),
        "Every placement is answered with this message, and works",
        *message("inform_code", "inform_text"),
    ),
}
_CHANGING: Final = {
    "twin_orders": Action(
        (),
        "A change of a working order leaves it and makes a second: same ids and reference, another permId; a cancel "
        "ends the newer, the next one the other",
        *faulted("twins"),
    ),
    "mute_changes": Action((), "Changes vanish: the order works on as it was, no answer", *faulted("changes_muted")),
    "reject_changes": Action(
        ("code", "text"),
        "Every change is refused with this code and text; the order works on as it was",
        *message("change_code", "change_text"),
    ),
    "mute_cancels": Action((), "Cancels vanish: the order works on, no answer", *faulted("cancels_muted")),
    "hold_cancels": Action((), "Cancels wait unanswered until it ends, then pass", _hold_cancels, _pass_cancels),
    "reject_cancels": Action(
        ("code", "text"),
        "Every cancel is refused with this code and text; the order works on",
        *message("cancel_code", "cancel_text"),
    ),
    "withdraw_leg": Action(
        _of_leg(), "The broker cancels every working order of this leg, unasked", _withdraw_leg, values=LEGS
    ),
    "fill_groups": Action(
        (),
        "Every order of an OCA group that may trade fills at its own price at once: stop and target both",
        _fill_groups,
    ),
    "lose_oca": Action((), "A fill takes nothing from the rest of its OCA group", *faulted("oca_lost")),
}
_TELLING: Final = {
    "lose_acks": Action((), "Orders work and fill; no openOrder or orderStatus tells", *faulted("acks_lost")),
    "duplicate_status": Action((), "Every orderStatus comes twice", *faulted("status_duplicated")),
    "delay_reasons": Action(
        ("ms",), "Messages about orders come ms after their status", *faulted("reasons_delay_ms", "ms")
    ),
    "fill_before_ack": Action(
        (), "An order's execution is told before its first openOrder", *faulted("fill_before_ack")
    ),
    "lose_executions": Action(
        (), "Executions and commissions are not told unless somebody asks", *faulted("executions_lost")
    ),
    "duplicate_executions": Action(
        (), "Every execution and every commission is told twice", *faulted("executions_duplicated")
    ),
    "nameless_executions": Action(
        (),
        "Executions are told with order id 0 and without a reference; who asks is told all",
        *faulted("executions_nameless"),
    ),
    "correct_executions": Action(
        ("ticks", "ms"),
        "Each execution is corrected by so many ticks, ms after it",
        *fields_of(("corrected_ticks", "ticks"), ("correction_ms", "ms")),
        optional=("ms",),
        signed=("ticks",),
    ),
    "delay_commission": Action(
        ("ms",), "Commission reports come ms after their execution", *faulted("commission_delay_ms", "ms")
    ),
    "lose_commissions": Action((), "No commission report, also for who asks", *faulted("commissions_lost")),
    "commission_value": Action(
        ("value", "ms"),
        "Commission reports carry this number as it stands; with ms the true report follows so much later",
        *fields_of(("commission_value", "value"), ("commission_true_ms", "ms")),
        optional=("ms",),
    ),
}
_NOT_OURS: Final = {
    "order_by_hand": Action(
        ("side", "qty", "points", "symbol", "client_id"),
        "A person's order for the front contract: at the market, or with points at that limit; with client_id another "
        "program's",
        _order_by_hand,
        optional=("client_id",),
        values=SIDES,
    ),
    "give_position": Action(
        ("qty", "symbol"),
        "The account has qty lots more (fewer below 0) of the front contract, without an execution",
        _give_position,
        signed=("qty",),
    ),
}
ORDER_ACTIONS: Final = {**_PLACING, **_CHANGING, **_TELLING, **_NOT_OURS}
