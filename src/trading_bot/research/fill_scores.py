"""Fills of a broker beside those of the exchange simulator, scored (NV01). Prices in ticks, times in ns of the log."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Final

import msgspec

from trading_bot.domain.orders import ClientOrderId, Leg, Side
from trading_bot.domain.units import NS_PER_MS

ORDERS_MIN: Final = 10  # with fewer a model that agrees by chance would be called the closest


class Fills(msgspec.Struct, kw_only=True):
    """What was executed of an entry, or of all that closed it; `notional` is the sum of price times lots."""

    side: Side
    qty: int = 0
    notional: int = 0
    executions: int = 0
    first_ns: int = 0
    legs: tuple[Leg, ...] = ()

    def add(self, leg: Leg, qty: int, price_ticks: int, ts_ns: int) -> None:
        """One execution."""
        self.first_ns = self.first_ns or ts_ns
        self.qty += qty
        self.notional += qty * price_ticks
        self.executions += 1
        if leg not in self.legs:
            self.legs = (*self.legs, leg)

    @property
    def price_ticks(self) -> float:
        """Mean price of the lots."""
        return self.notional / self.qty


class ModelFill(msgspec.Struct, frozen=True, kw_only=True):
    """What one model says of a row.

    `verdict`: `both` filled, `real_only`, `sim_only`, `neither`; `no_entry`: a close whose entry did not fill in this
    model, so that there is nothing to compare. `price_diff_ticks` is how much worse the real fill was than the model's,
    `time_diff_ms` how much later it was heard of; None where not both filled.
    """

    verdict: str
    legs: tuple[str, ...] = ()
    qty: int = 0
    price_ticks: float | None = None
    price_diff_ticks: float | None = None
    time_diff_ms: float | None = None


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, or what closed it, as the broker filled it and as each model would have.

    `real` says `FILLED` (`PARTIAL` where fewer lots than ordered), `REJECTED` or `NOT_FILLED`.
    """

    log: str
    order: str
    what: str  # ENTRY or CLOSE
    side: Side
    asked_qty: int
    real: str
    legs: tuple[str, ...]
    qty: int
    price_ticks: float | None
    first_ns: int
    models: dict[str, ModelFill]


class ModelScore(msgspec.Struct, frozen=True, kw_only=True):
    """One model over all rows. Differences are the real fill less the model's; positive is worse for us, or later.

    `agreed_percent` is the share of the entries that filled in both or in neither; None without entries.
    """

    name: str
    queue_model: str
    entry_latency_ms: float
    response_latency_ms: float
    entries: dict[str, int]
    closes: dict[str, int]
    closes_same_leg: int
    agreed_percent: float | None
    price_diff_ticks_mean: float | None
    price_diff_ticks_worst: float | None
    price_diff_ticks_total: float
    time_diff_ms_p50: float | None
    refused: int


def model_fill(real: Fills | None, found: Fills | None, *, comparable: bool) -> ModelFill:
    """The verdict about one row. `comparable` False: a close whose entry the model did not fill."""
    if not comparable:
        return ModelFill(verdict="no_entry")
    if found is None:
        return ModelFill(verdict="neither" if real is None else "real_only")
    legs = tuple(leg.value for leg in found.legs)
    if real is None:
        return ModelFill(verdict="sim_only", legs=legs, qty=found.qty, price_ticks=found.price_ticks)
    # Subtracted the right way round, not negated: an equal price is 0, never -0.
    bought = real.side is Side.BUY
    return ModelFill(
        verdict="both",
        legs=legs,
        qty=found.qty,
        price_ticks=found.price_ticks,
        price_diff_ticks=real.price_ticks - found.price_ticks if bought else found.price_ticks - real.price_ticks,
        time_diff_ms=(real.first_ns - found.first_ns) / NS_PER_MS,
    )


def fill_row(
    log: str,
    order_id: ClientOrderId,
    what: str,
    *,
    side: Side,
    asked_qty: int,
    real: Fills | None,
    rejected: bool,
    models: dict[str, ModelFill],
) -> FillRow:
    """A row as it is told."""
    state = "REJECTED" if rejected else "NOT_FILLED"
    if real is not None:
        state = "FILLED" if real.qty >= asked_qty else "PARTIAL"
    return FillRow(
        log=log,
        order=f"{order_id[0]}-{order_id[1]}",
        what=what,
        side=side,
        asked_qty=asked_qty,
        real=state,
        legs=() if real is None else tuple(leg.value for leg in real.legs),
        qty=0 if real is None else real.qty,
        price_ticks=None if real is None else real.price_ticks,
        first_ns=0 if real is None else real.first_ns,
        models=models,
    )


def model_score(
    name: str, rows: Sequence[FillRow], *, queue_model: str, latencies_ms: tuple[float, float], refused: int
) -> ModelScore:
    """One model over all rows."""
    verdicts: dict[str, dict[str, int]] = {"ENTRY": {}, "CLOSE": {}}
    same_leg = 0
    prices, times, total = [], [], 0.0
    for row in rows:
        found = row.models[name]
        counts = verdicts[row.what]
        counts[found.verdict] = counts.get(found.verdict, 0) + 1
        if found.price_diff_ticks is None or found.time_diff_ms is None:
            continue
        same_leg += row.what == "CLOSE" and found.legs == row.legs
        prices.append(found.price_diff_ticks)
        times.append(found.time_diff_ms)
        total += found.price_diff_ticks * row.qty
    entries = verdicts["ENTRY"]
    agreed = entries.get("both", 0) + entries.get("neither", 0)
    return ModelScore(
        name=name,
        queue_model=queue_model,
        entry_latency_ms=latencies_ms[0],
        response_latency_ms=latencies_ms[1],
        entries=entries,
        closes=verdicts["CLOSE"],
        closes_same_leg=same_leg,
        agreed_percent=100 * agreed / sum(entries.values()) if entries else None,
        price_diff_ticks_mean=fmean(prices) if prices else None,
        price_diff_ticks_worst=max(prices) if prices else None,
        price_diff_ticks_total=total,
        time_diff_ms_p50=median(times) if times else None,
        refused=refused,
    )


def closest(scores: Sequence[ModelScore]) -> str | None:
    """The model that agrees about most entries, of equal ones that with the smaller mean difference in price.

    None where there are fewer than `ORDERS_MIN` entries to tell it from the others.
    """
    enough = [one for one in scores if one.agreed_percent is not None and sum(one.entries.values()) >= ORDERS_MIN]
    if not enough:
        return None
    return min(enough, key=lambda one: (-(one.agreed_percent or 0.0), abs(one.price_diff_ticks_mean or 0.0))).name
