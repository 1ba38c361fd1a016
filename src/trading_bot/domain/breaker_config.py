"""When trading slows down or stops by itself (specification 8.2, 8.5), as configuration.

Every number says where it comes from: [U] the user fixed it, `spec` the specification gives it, `assumed` nobody did
yet. Shares of money are percent of net liquidation at the start of the day (weekly, monthly: of the week, the month;
drawdown: of the peak).
"""

from itertools import pairwise
from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within


class BreakerConfig(Section, frozen=True):
    """Limits of the breakers.

    The defaults are the scalper's; in the conservative profile 2 losses pause 120 minutes [U] (8.5).
    """

    daily_alert_pct: Annotated[float, within(0.01, 5), unit("%", "loss of the day that alerts (spec)")] = 1.0
    daily_reduce_pct: Annotated[float, within(0.01, 5), unit("%", "loss of the day that halves the size (spec)")] = 1.5
    daily_halt_pct: Annotated[float, within(0.01, 5), unit("%", "[U] loss of the day that halts and flattens")] = 3.0
    daily_outer_pct: Annotated[float, within(0.01, 5), unit("%", "[U] outer limit: pulls the kill switch")] = 5.0
    intraday_drawdown_pct: Annotated[
        float, within(0.01, 15), unit("%", "from the best result of the day: halts for the day, flattens (RK06)")
    ] = 4.0
    weekly_halt_pct: Annotated[
        float, within(0.01, 10), unit("%", "[U] loss of the week that halts until Monday, and flattens")
    ] = 10.0
    monthly_halt_pct: Annotated[
        float, within(0.01, 15), unit("%", "loss of the month that halts until the next, and flattens (RK05)")
    ] = 12.5
    drawdown_alert_pct: Annotated[float, within(0.01, 15), unit("%", "from the peak: alerts (spec)")] = 10.0
    drawdown_halt_pct: Annotated[float, within(0.01, 15), unit("%", "from the peak: halts, flattens (spec)")] = 15.0
    restore_min: Annotated[int, within(0, 1440), unit("min", "least time a reduction or alert stands")] = 60
    restore_share: Annotated[
        float, within(0, 1), unit("1", "a reduction or alert ends when the loss is at most this share of its limit")
    ] = 0.5
    reduced_entries_per_hour: Annotated[int, within(0, 60), unit("entries", "one lot cannot be halved (spec)")] = 1
    reduced_euc_factor: Annotated[float, within(1, 10), unit("1", "on the least EUC, as above (spec)")] = 2.0
    losses_in_row_max: Annotated[
        int, within(1, 100), unit("trades", "consecutive losses before a pause (spec 8.5)")
    ] = 4
    losses_pause_min: Annotated[int, within(1, 1440), unit("min", "length of that pause (spec 8.5)")] = 20
    rapid_loss_pct: Annotated[float, within(0.01, 5), unit("%", "loss within rapid_loss_window_s (spec)")] = 1.0
    rapid_loss_stops: Annotated[
        float, within(0.5, 100), unit("stops", "and at least this many full-stop losses (spec)")
    ] = 2.5
    rapid_loss_window_s: Annotated[int, within(10, 3600), unit("s", "(spec)")] = 300
    rapid_loss_pause_min: Annotated[int, within(1, 1440), unit("min", "length of that pause (spec)")] = 30
    broker_errors_max: Annotated[int, within(1, 100), unit("errors", "of class ERROR within a minute (spec)")] = 5
    broker_errors_pause_min: Annotated[int, within(1, 1440), unit("min", "length of that pause")] = 5
    stale_data_s: Annotated[int, within(1, 600), unit("s", "silence of an open session (spec)")] = 10

    def __post_init__(self) -> None:
        for names in (
            ("daily_alert_pct", "daily_reduce_pct", "daily_halt_pct", "daily_outer_pct"),
            ("drawdown_alert_pct", "drawdown_halt_pct"),
        ):
            values = [getattr(self, name) for name in names]
            if any(low >= high for low, high in pairwise(values)):
                raise ValueError(f"breakers: {' < '.join(names)} must hold, found {values}")


ASSUMED: Final[dict[str, str]] = {
    "intraday_drawdown_pct": "between halt and outer limit of the day: without a profit before, the halt comes first",
    "monthly_halt_pct": "between the halt of the week and that of the drawdown; the specification gives none",
    "restore_min": "long enough that the next trades are not of the same move; the specification gives no time",
    "restore_share": "half of the loss won back, so that the state does not flicker around its limit",
    "broker_errors_pause_min": "five quiet minutes; the specification gives the rate, not the pause",
}
