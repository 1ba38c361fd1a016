"""Incidents of placements: what comes back for a new bracket, late, wrong, or not at all."""

from typing import Final

from trading_bot.chaos.incident import Incident
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.moments import holding, traded


def _tif_preset(lab: Lab) -> None:
    """10349 before the order's first status: the library calls it Cancelled, the order fills all the same."""
    lab.fault("inform_order", code=10349, text="Order TIF was set to DAY based on order preset.")
    bot = lab.start()
    lab.wait(traded(2), what="two round trips with 10349 at every placement")
    lab.end(bot)


def _dropped_placement(lab: Lab) -> None:
    """A placement that vanishes without a word is asked about, and never sent again."""
    lab.fault("mute_orders")
    bot = lab.start()
    lab.when(lambda _scene: bool(lab.witness.placed), what="a placement that vanished").wait()
    lab.pause(1.0)
    lab.fault("mute_orders", on=False)
    lab.wait(holding, what="a position after the silence")
    lab.end(bot)


INCIDENTS: Final = (
    Incident(
        name="tif-preset-then-fill",
        says="10349 arrives for every order, the library takes them for cancelled, and they fill",
        source=("2#1", "2b:10349"),
        style="quick",
        quick=True,
        body=_tif_preset,
    ),
    Incident(
        name="placement-vanishes",
        says="A placement vanishes without any callback",
        source=("2#8",),
        body=_dropped_placement,
    ),
)
