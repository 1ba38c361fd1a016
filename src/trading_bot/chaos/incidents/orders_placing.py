"""Incidents of placements: what comes back for a new bracket late, wrong, or not at all."""

from collections.abc import Callable, Sequence
from typing import Final

from trading_bot.chaos.incident import Incident
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.log_facts import Record
from trading_bot.chaos.moments import filled, flat, holding, one_more, traded
from trading_bot.domain.broker_events import BrokerNotice, OrderUncertain
from trading_bot.domain.events import OrderCancelled, OrderRejected
from trading_bot.domain.orders import Leg
from trading_bot.domain.trade_events import StopResident

SHOWN: Final = (
    (200, "No security definition has been found for the request"),
    (203, "The security MES is not available or allowed for this account"),
    (460, "No trading permission."),
    (10289, "Order size 1 is larger than the one allowed"),
    (10293, "Order is not allowed for this account"),
)


def _placed(lab: Lab) -> int:
    """Placements of entries the gateway has heard of."""
    return len({row.order_id for row in lab.witness.placed if row.order_ref.endswith("-E")})


def _a_trade_after(lab: Lab) -> None:
    """Whatever happened: the bot goes on, trades, and leaves."""
    lab.wait(holding, what="a position with its stop, after it was over")


def _tells(code: int) -> Callable[[Record], bool]:
    """Does a record carry this code of the broker?"""
    return lambda record: getattr(record, "code", None) == code or f"{code}" in str(record)


def _each_placement(action: str, codes: Sequence[tuple[int, str]]) -> Callable[[Lab], None]:
    """Placements are answered with one code after the other, then as they should be."""

    def body(lab: Lab) -> None:
        lab.fault(action, code=codes[0][0], text=codes[0][1])
        bot = lab.start()
        for code, text in codes:
            lab.fault(action, code=code, text=text)
            lab.wait(one_more(lambda: _placed(lab)), what=f"a placement answered with {code}")
        lab.fault(action, on=False)
        _a_trade_after(lab)
        for code, _ in codes:
            lab.logged(_tells(code), what=f"code {code} in the log")
        lab.end(bot)

    return body


def _tif_preset(lab: Lab) -> None:
    """10349 before the order's first status: a library calls it Cancelled, and the order fills all the same."""
    lab.fault("inform_order", code=10349, text="Order TIF was set to DAY based on order preset.")
    bot = lab.start()
    lab.wait(traded(2), what="two round trips with 10349 at every placement")
    lab.end(bot)
    refused = [record for record in lab.records() if isinstance(record, OrderRejected | OrderCancelled)]
    ended = [record for record in refused if record.leg is Leg.ENTRY]
    lab.check(not ended, f"an entry was taken for ended because of 10349: {ended[:1]}")


def _vanishes(lab: Lab) -> None:
    lab.fault("mute_orders")
    bot = lab.start()
    lab.wait(lambda _scene: _placed(lab) > 0, what="a placement that vanishes")
    lab.pause(1.0)
    lab.fault("mute_orders", on=False)
    _a_trade_after(lab)
    lab.end(bot)


def _vanishes_again(lab: Lab) -> None:
    lab.fault("mute_orders")
    bot = lab.start()
    lab.wait(lambda _scene: _placed(lab) > 1, what="a second placement that vanishes, after the first was asked about")
    lab.fault("mute_orders", on=False)
    _a_trade_after(lab)
    lab.end(bot)


def _late_acknowledgement(lab: Lab) -> None:
    """Later than the time to live and the deadline for an answer: asked about, never sent again."""
    lab.fault("delay_orders", ms=200_000)
    bot = lab.start()
    lab.logged(lambda record: isinstance(record, OrderUncertain), what="an order without an answer in time")
    lab.fault("delay_orders", on=False)
    _a_trade_after(lab)
    lab.end(bot)


def _lost_acknowledgements(lab: Lab) -> None:
    lab.fault("lose_acks")
    bot = lab.start()
    lab.wait(traded(1), what="a round trip of which only executions are told")
    lab.end(bot)


def _fill_first(action: str) -> Callable[[Lab], None]:
    def body(lab: Lab) -> None:
        lab.fault(action)
        bot = lab.start()
        lab.wait(traded(2), what=f"two round trips under {action}")
        lab.end(bot)

    return body


def _refused_leg(leg: str) -> Callable[[Lab], None]:
    def body(lab: Lab) -> None:
        lab.fault("reject_leg", leg=leg, code=201, text="Order rejected - reason:this leg is not wanted")
        bot = lab.start()
        lab.wait(filled, what=f"an entry that fills while leg {leg} was refused")
        lab.wait(flat, what="the bot left what it could not protect, or the stop ended it")
        lab.fault("reject_leg", on=False)
        lab.end(bot)

    return body


def _missing_leg(leg: str) -> Callable[[Lab], None]:
    def body(lab: Lab) -> None:
        lab.fault("drop_leg", leg=leg)
        bot = lab.start()
        lab.wait(filled, what=f"an entry that fills while leg {leg} never arrived")
        if leg == "S":
            lab.wait(flat, what="the bot left what nothing protects")
        else:
            lab.logged(lambda record: isinstance(record, StopResident), what="a stop that stands without a target")
        lab.fault("drop_leg", on=False)
        lab.end(bot)

    return body


def _rejected_entry(code: int, text: str) -> Callable[[Lab], None]:
    """The broker refuses the entry after it was taken: message, then Inactive; its children go with it."""

    def body(lab: Lab) -> None:
        lab.fault("reject_leg", leg="E", code=code, text=text)
        bot = lab.start()
        lab.wait(lambda _scene: _placed(lab) > 0, what=f"an entry that is refused with {code}")
        lab.pause(1.0)
        lab.check(lab.scene().executions == 0, "an entry that was refused has filled")
        lab.fault("reject_leg", on=False)
        _a_trade_after(lab)
        lab.end(bot)

    return body


def _price_band(code: int) -> Callable[[Lab], None]:
    def body(lab: Lab) -> None:
        lab.fault("price_band", ticks=5, code=code, text="")
        bot = lab.start()
        lab.wait(lambda _scene: _placed(lab) > 0, what=f"a bracket whose far leg is outside the band ({code})")
        lab.pause(2.0)
        lab.fault("price_band", on=False)
        _a_trade_after(lab)
        lab.end(bot)

    return body


def _reason_after_status(lab: Lab) -> None:
    """Inactive or Cancelled comes long before the 201 that explains it."""
    lab.fault("delay_reasons", ms=9_000)
    lab.fault("reject_leg", leg="E", code=201, text="Order rejected - reason:not now")
    bot = lab.start()
    lab.wait(lambda _scene: _placed(lab) > 0, what="an entry that ends before its reason is told")
    lab.logged(lambda record: "not now" in str(record), what="the reason, after all")
    lab.fault("reject_leg", on=False)
    lab.fault("delay_reasons", on=False)
    _a_trade_after(lab)
    lab.end(bot)


def _notice(lab: Lab) -> None:
    lab.fault("error", code=2109, text="Order Event Warning: Attribute 'Outside RTH' is ignored")
    bot = lab.start()
    lab.strike(holding, "error", code=2109, text="Attribute 'Outside RTH' is ignored", what="a position").wait()
    lab.logged(lambda record: isinstance(record, BrokerNotice) and record.code == 2109, what="the notice in the log")
    lab.end(bot)


INCIDENTS: Final = (
    Incident(
        name="tif-preset-then-fill",
        says="10349 arrives for every order, the library takes them for cancelled, and they fill",
        source=("2#1", "2b:10349", "2c:3"),
        style="quick",
        quick=True,
        body=_tif_preset,
    ),
    Incident(
        name="placement-vanishes",
        says="A placement vanishes without any callback; the next one is heard",
        source=("2#8",),
        body=_vanishes,
    ),
    Incident(
        name="placements-vanish",
        says="One placement after the other vanishes: each is asked about, none is sent again",
        source=("2#8", "C"),
        body=_vanishes_again,
    ),
    Incident(
        name="acknowledgement-late",
        says="The broker acts on placements and cancels long after the deadline for an answer",
        source=("2#8", "own"),
        body=_late_acknowledgement,
    ),
    Incident(
        name="acknowledgements-lost",
        says="Orders work and fill, and no status ever says so",
        source=("2#19",),
        style="quick",
        body=_lost_acknowledgements,
    ),
    Incident(
        name="fill-before-acknowledgement",
        says="Each execution is told before the order's first status",
        source=("2#4", "2#19"),
        style="quick",
        body=_fill_first("fill_before_ack"),
    ),
    Incident(
        name="fill-of-an-unknown-order",
        says="Executions come with order id 0 and without a reference",
        source=("2#4", "2c:2"),
        style="quick",
        body=_fill_first("nameless_executions"),
    ),
    Incident(
        name="statuses-twice",
        says="Every status comes twice",
        source=("own",),
        style="quick",
        body=_fill_first("duplicate_status"),
    ),
    Incident(
        name="stop-refused",
        says="The broker takes entry and target of a bracket and refuses the stop",
        source=("2#22", "D"),
        quick=True,
        body=_refused_leg("S"),
    ),
    Incident(
        name="target-refused",
        says="The broker takes entry and stop of a bracket and refuses the target",
        source=("2#22", "D"),
        body=_refused_leg("T"),
    ),
    Incident(
        name="stop-missing",
        says="The stop of a bracket never arrives, and nobody says so",
        source=("2#22",),
        body=_missing_leg("S"),
    ),
    Incident(
        name="target-missing",
        says="The target of a bracket never arrives, and nobody says so",
        source=("2#22",),
        body=_missing_leg("T"),
    ),
    Incident(
        name="margin-reject",
        says="The broker refuses an entry for want of margin",
        source=("2#20", "2b:201"),
        body=_rejected_entry(
            201,
            "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY",
        ),
    ),
    Incident(
        name="placements-refused",
        says="Placements are refused by the gateway with 200, 203, 460, 10289 and 10293, one after the other",
        source=("2b:200", "2b:203", "2b:460", "2b:10289", "2b:10293"),
        body=_each_placement("reject_orders", SHOWN),
    ),
    Incident(
        name="price-band-of-the-gateway",
        says="The gateway's precaution refuses the leg of a bracket that is far from the last price (163)",
        source=("D",),
        body=_price_band(163),
    ),
    Incident(
        name="price-band-of-the-exchange",
        says="The exchange's price band refuses the leg of a bracket that is far from the last price (201)",
        source=("D", "2b:201"),
        body=_price_band(201),
    ),
    Incident(
        name="reason-after-the-status",
        says="A refused entry ends without a reason; the 201 comes later",
        source=("2#12",),
        body=_reason_after_status,
    ),
    Incident(
        name="orders-with-messages",
        says="Placements are answered with 399, 404 and 2109 first, and work",
        source=("2b:399", "2b:2109", "2c:8"),
        style="quick",
        body=_each_placement(
            "inform_order",
            (
                (399, "Order Message:\nWarning: your order will not be placed at the exchange until later"),
                (2109, "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored"),
                (404, "Order held while securities are located."),
            ),
        ),
    ),
    Incident(
        name="a-notice-about-nothing",
        says="2109 arrives without an order while a position stands",
        source=("2b:2109",),
        body=_notice,
    ),
)
