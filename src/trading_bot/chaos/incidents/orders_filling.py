"""Incidents of executions: told late, twice, corrected, in part, by nobody; and what they cost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trading_bot.chaos.incident import Incident
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.moments import entry_working, filled, flat, holding, traded
from trading_bot.chaos.strikes import fill_entries, fill_targets
from trading_bot.domain.broker_events import CommissionReported
from trading_bot.domain.errors import Halted

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

# Three contracts an entry, so that it can fill in part. The account has the margin of thirty.
LOTS: Final = 3
SEVERAL: Final = {
    "safety.position_qty_max": LOTS,
    "safety.open_risk_usd_max": 1000.0,
    "sizing.order_qty_max": LOTS,
    "sizing.max_risk_usd": 1000.0,
    "decision.tiers.B.contracts_max": LOTS,
    "decision.tiers.B.max_risk_usd": 1000.0,
}
RICH: Final = {"equity_usd": 200_000.0}


def _under(action: str, **values: object) -> Callable[[Lab], None]:
    """Two round trips under a fault that lasts."""

    def body(lab: Lab) -> None:
        lab.fault(action, **values)
        bot = lab.start()
        lab.wait(traded(2), what=f"two round trips under {action}")
        lab.end(bot)

    return body


def _fills_in_the_outage(*, lost: bool, told: bool) -> Callable[[Lab], None]:
    """1100 while an entry works; it fills at the exchange, and the news waits behind the broken link, or is lost."""

    def body(lab: Lab) -> None:
        def strike(gateway: "Gateway") -> None:
            gateway.scenario.do("outage", for_s=60, lost=lost)
            if not told:
                gateway.scenario.do("lose_executions", for_s=120)
            fill_entries(gateway)

        bot = lab.start()
        lab.when(entry_working, strike, what="an entry that works").wait()
        lab.wait(lambda scene: scene.reachable, what="the end of the outage")
        lab.wait(flat, what="the bot has left, or its stop has")
        lab.end(bot)

    return body


def _partial_then(action: str, **values: object) -> Callable[[Lab], None]:
    """One lot of three fills, and then something happens to the connection."""

    def body(lab: Lab) -> None:
        lab.fault("hold_lots", qty=1)
        bot = lab.start()
        lab.strike(filled, action, what="one lot of three is filled", **values).wait()
        lab.check(lab.scene().own in {-1, 1}, f"filled were {lab.scene().own} lots, wanted was one of three")
        lab.pause(1.0)
        lab.fault("hold_lots", on=False)
        lab.wait(flat, what="the bot has left, or its stop has")
        lab.end(bot)

    return body


def _rest_of_it(lab: Lab) -> None:
    """The rest of a partly filled entry is withdrawn after its time; the position is protected to the lot."""
    lab.fault("hold_lots", qty=1)
    bot = lab.start()
    lab.wait(lambda scene: holding(scene) and not scene.entries, what="one lot held, the rest of the entry withdrawn")
    scene = lab.scene()
    lab.check(abs(scene.held) == 1, f"held are {scene.held} lots, wanted was one of three")
    lab.end(bot)


def _commission(value: str, true_after_ms: int = 0) -> Callable[[Lab], None]:
    def body(lab: Lab) -> None:
        lab.fault("commission_value", value=value, **({"ms": true_after_ms} if true_after_ms else {}))
        bot = lab.start()
        lab.wait(traded(2), what=f"two round trips with commissions of {value}")
        if true_after_ms:
            lab.logged(
                lambda record: isinstance(record, CommissionReported) and record.commission_uusd > 0,
                what="the true commission",
            )
        lab.end(bot)
        net = bot.summary.get("pnl_net_usd", 0.0)
        lab.check(abs(net) < 10_000, f"a commission of {value} went into the books: net {net}")

    return body


def _both_children(lab: Lab) -> None:
    def strike(gateway: "Gateway") -> None:
        gateway.scenario.do("lose_oca", for_s=1)
        gateway.scenario.do("fill_groups")

    bot = lab.start()
    lab.when(holding, strike, what="a position with both children at the broker").wait()
    legs = lab.call(lambda gateway: [row.order_ref[-1] for row in gateway.desk.executions.rows])
    lab.check("S" in legs and "T" in legs, f"the children of the bracket did not both fill: {legs}")
    lab.wait(flat, what="the position that the second child opened is gone")
    lab.end(bot)


def _sibling_stays(lab: Lab) -> None:
    """The target fills, and the broker forgets the stop of the group."""

    def strike(gateway: "Gateway") -> None:
        gateway.scenario.do("lose_oca")
        fill_targets(gateway)

    bot = lab.start()
    lab.when(holding, strike, what="a position with both children at the broker").wait()
    lab.wait(lambda scene: not scene.stops, what="the stop that the broker forgot is withdrawn, or has filled")
    lab.wait(flat, what="nothing is left")
    lab.end(bot)


INCIDENTS: Final = (
    Incident(
        name="fills-during-1100",
        says="An entry fills while the gateway has lost the broker; the news comes with 1102",
        source=("2#7", "2b:1100", "2b:1102"),
        style="rest",
        quick=True,
        body=_fills_in_the_outage(lost=False, told=True),
    ),
    Incident(
        name="fills-during-1100-never-told",
        says="An entry fills while the gateway has lost the broker, and nobody tells it afterwards unless asked",
        source=("2#7", "2b:1100", "2b:1101", "2c:2"),
        style="rest",
        body=_fills_in_the_outage(lost=True, told=False),
    ),
    Incident(
        name="executions-never-told",
        says="Executions are told to nobody who does not ask",
        source=("2#7", "2#19", "2c:2"),
        config={"orders.reconcile_s": 5},
        style="quick",
        body=_under("lose_executions"),
    ),
    Incident(
        name="partial-fill-then-disconnect",
        says="One lot of three fills, and the socket breaks",
        source=("2#7", "2c:6", "D"),
        config=SEVERAL,
        gateway=RICH,
        body=_partial_then("drop_clients"),
    ),
    Incident(
        name="partial-fill-then-outage",
        says="One lot of three fills, and the gateway loses the broker",
        source=("2#7", "2b:1100", "D"),
        config=SEVERAL,
        gateway=RICH,
        body=_partial_then("outage", for_s=60),
    ),
    Incident(
        name="partial-fill-then-cancel",
        says="One lot of three fills, the rest is withdrawn",
        source=("D",),
        config=SEVERAL,
        gateway=RICH,
        body=_rest_of_it,
    ),
    Incident(
        name="executions-twice",
        says="Every execution and every commission is told twice",
        source=("2#18", "B"),
        style="quick",
        body=_under("duplicate_executions"),
    ),
    Incident(
        name="executions-corrected",
        says="Every execution is corrected by a tick under its id with a higher ending",
        source=("2#18", "B"),
        style="quick",
        body=_under("correct_executions", ticks=1, ms=400),
    ),
    Incident(
        name="commission-late",
        says="Commission reports come two minutes after their executions",
        source=("2#18",),
        style="quick",
        body=_under("delay_commission", ms=120_000),
    ),
    Incident(
        name="commission-never",
        says="No commission report comes",
        source=("2#18", "2c:4"),
        style="quick",
        body=_under("lose_commissions"),
    ),
    Incident(
        name="commission-zero",
        says="Commission reports say 0, and the truth later",
        source=("2#18", "2c:4"),
        style="quick",
        body=_commission("0.0", 20_000),
    ),
    Incident(
        name="commission-minus-one",
        says="Commission reports say -1, and the truth later",
        source=("2#18",),
        style="quick",
        body=_commission("-1.0", 20_000),
    ),
    Incident(
        name="commission-no-value",
        says="Commission reports carry the library's number for no value",
        source=("2#18",),
        style="quick",
        body=_commission("1.7976931348623157E308"),
    ),
    Incident(
        name="both-children-filled",
        says="Stop and target of a bracket both fill",
        source=("2#22", "D"),
        tolerates={"exits_only_close": "the broker fills both: the position has turned before anybody can act"},
        exit_codes=(0, Halted.exit_code),
        body=_both_children,
    ),
    Incident(
        name="group-forgotten",
        says="A fill of one order of a group takes nothing from the others",
        source=("2#22",),
        tolerates={"exits_only_close": "a stop that the broker forgot may fill before anybody can withdraw it"},
        exit_codes=(0, Halted.exit_code),
        body=_sibling_stays,
    ),
)
