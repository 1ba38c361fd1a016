"""What each trade's result was made of: skill, luck and execution, and how much it teaches (features LE07, LE08).

    found = attribute(read_facts("data"))

The formulas stand in docs/attribution.md. Money is in integer micro-dollars for the whole quantity; skill, luck and
execution add up to the net result exactly. Shares are numbers from 0 to 1.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from enum import StrEnum
from math import sqrt
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.domain.units import NS_PER_MIN
from trading_bot.reports.fact_records import Facts, OrderFact, TradeFact
from trading_bot.reports.forward_path import Asked, Look, look_forward

HORIZONS_MIN: Final = (15, 30)  # one-minute bars (feature LE08)
EXECUTION_SCALE_TICKS: Final = 2.0  # slippage beyond what was expected at which the score loses (specification 5)
ONE_E6: Final = 1_000_000


class TradeClass(StrEnum):
    """What a trade was, in the light of what the market did afterwards."""

    RIGHT_PAID = "RIGHT_PAID"
    RIGHT_COSTS = "RIGHT_COSTS"  # right, and what it earned went into costs
    RIGHT_STOPPED_FIRST = "RIGHT_STOPPED_FIRST"  # the target came after the stop
    RIGHT_LEFT_EARLY = "RIGHT_LEFT_EARLY"  # the target came after something else had closed it
    LUCKY = "LUCKY"  # paid, although the market went the other way
    WRONG = "WRONG"
    UNKNOWN = "UNKNOWN"  # the log ends before the horizon, or the terms are not known


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """One trade taken apart; `seqs` are its records in `log`.

    `skill_uusd` is what the decision expected, net of expected costs; `execution_uusd` what slippage beyond the
    expected cost (negative) or saved; `luck_uusd` the rest. `luck`, `skill` and `execution` are shares, `weight` =
    (1 - luck) x execution is how much the trade teaches. `sigma_uusd` is the spread that the decision's own chances
    imply; `late_ns` how long after its time to live the entry filled, `target_after_ns` when the target's price could
    first be had, from the entry and within the longest horizon. None: not in the log, or never.
    """

    log: str
    trade_id: str
    closed_seq: int
    seqs: tuple[int, ...]
    template: str
    regime: str
    bucket: str
    exit_reason: str
    hypothetical: bool
    shadow: bool
    belief_e6: int | None
    net_uusd: int
    skill_uusd: int | None
    luck_uusd: int | None
    execution_uusd: int | None
    sigma_uusd: int | None
    skill: float | None
    luck: float | None
    execution: float | None
    weight: float | None
    late_ns: int | None
    target_after_ns: int | None
    classes: tuple[TradeClass, ...]

    @property
    def trade_class(self) -> TradeClass:
        """By the longest horizon that the log reaches."""
        return next((one for one in reversed(self.classes) if one is not TradeClass.UNKNOWN), TradeClass.UNKNOWN)

    @property
    def attributable(self) -> bool:
        """Whether a parameter may be changed because of it: sent, known in all its parts, and it teaches something."""
        return not self.shadow and bool(self.weight) and self.trade_class is not TradeClass.UNKNOWN


class TemplateAttribution(msgspec.Struct, frozen=True, kw_only=True):
    """The trades of a template in one book, summed up; money in micro-dollars.

    `luck_z` is the sum of luck over its standard deviation if the decisions' chances were true: beyond ±2 it is not
    luck any more but a belief that promises too much, or too little. `shown_uusd` is the result per trade without
    execution, drawn towards zero by 20 pseudo-trades. `weight` is the sum of the trades' weights.
    """

    template: str
    hypothetical: bool
    trades: int
    attributable: int
    shadow_trades: int
    weight: float
    net_uusd: int
    skill_uusd: int
    luck_uusd: int
    execution_uusd: int
    unknown_uusd: int
    luck_z: float | None
    shown_uusd: int | None
    classes: dict[str, int]


class Attributions(msgspec.Struct, frozen=True, kw_only=True):
    """Every trade of the logs read, and each template's in both books."""

    trades: tuple[Attribution, ...]
    templates: tuple[TemplateAttribution, ...]


PSEUDO_TRADES: Final = 20  # specification 9


def attribute(facts: Facts, *, forward: bool = True) -> Attributions:
    """Take every closed trade apart. `forward` False leaves the market after the entries unread: classes are UNKNOWN.

    Raises:
        LogCorrupt: a damaged record in a log that is read again for what the market did afterwards.
    """
    looks = _looks(facts.trades) if forward else {}
    orders = {(order.log, order.order_id): order for order in facts.orders if order.leg == "ENTRY"}
    rows = tuple(
        attribution_of(trade, orders.get((trade.log, trade.trade_id)), looks.get((trade.log, trade.trade_id), ()))
        for trade in facts.trades
    )
    groups: dict[tuple[str, bool], list[Attribution]] = defaultdict(list)
    for row in rows:
        groups[row.template, row.hypothetical].append(row)
    return Attributions(trades=rows, templates=tuple(_template(*key, groups[key]) for key in sorted(groups)))


def _looks(trades: Sequence[TradeFact]) -> dict[tuple[str, str], tuple[Look | None, ...]]:
    by_log: dict[str, list[TradeFact]] = defaultdict(list)
    for trade in trades:
        if trade.target_ticks is not None and trade.stop_ticks is not None:
            by_log[trade.log].append(trade)
    found: dict[tuple[str, str], tuple[Look | None, ...]] = {}
    for log, held in by_log.items():
        asked = [
            Asked(
                ts_ns=trade.entry_ts_ns,
                sign=trade.sign,
                target_price_ticks=trade.entry_ticks + trade.sign * (trade.target_ticks or 0),
                stop_price_ticks=trade.entry_ticks - trade.sign * (trade.stop_ticks or 0),
            )
            for trade in held
        ]
        looks = look_forward(Path(log), asked, [minutes * NS_PER_MIN for minutes in HORIZONS_MIN])
        found.update(((log, trade.trade_id), look) for trade, look in zip(held, looks, strict=True))
    return found


def attribution_of(trade: TradeFact, order: OrderFact | None, looks: Sequence[Look | None]) -> Attribution:
    """One trade; `order` is its entry, `looks` what the market did up to each horizon."""
    unit_uusd = trade.qty * trade.tick_value_uusd
    skill = luck = execution = sigma = None
    shares: tuple[float, float, float] | None = None
    late_ns = _late_ns(trade, order)
    if trade.edge_e6 is not None and trade.cost_e6 is not None:
        excess_ticks = trade.slippage_ticks - trade.slippage_expected_ticks
        skill = _uusd((trade.edge_e6 - trade.cost_e6) / ONE_E6, unit_uusd)
        execution = _uusd(-excess_ticks, unit_uusd)
        luck = trade.net_uusd - skill - execution
        sigma = _uusd(sigma_ticks(trade), unit_uusd)
        shares = _shares(luck, sigma, excess_ticks, trade, order)
    return Attribution(
        log=trade.log,
        trade_id=trade.trade_id,
        closed_seq=trade.closed_seq,
        seqs=trade.seqs,
        template=trade.template,
        regime=trade.regime,
        bucket=trade.bucket,
        exit_reason=trade.exit_reason,
        hypothetical=trade.hypothetical,
        shadow=trade.shadow,
        belief_e6=trade.belief_e6,
        net_uusd=trade.net_uusd,
        skill_uusd=skill,
        luck_uusd=luck,
        execution_uusd=execution,
        sigma_uusd=sigma,
        skill=None if shares is None else shares[0],
        luck=None if shares is None else shares[1],
        execution=None if shares is None else shares[2],
        weight=None if shares is None else shares[0] * shares[2],
        late_ns=late_ns,
        target_after_ns=next((one.target_ns - trade.entry_ts_ns for one in looks if one and one.target_ns), None),
        classes=tuple(class_of(trade, look) for look in looks) or (TradeClass.UNKNOWN,) * len(HORIZONS_MIN),
    )


def sigma_ticks(trade: TradeFact) -> float:
    """Standard deviation of the gross result that the decision's chances of target, stop and time stop imply.

    The mark at the time stop is what makes up the edge: edge = p T - p_stop S + p_time mark.
    """
    target, stop, edge = trade.target_ticks or 0, trade.stop_ticks or 0, (trade.edge_e6 or 0) / ONE_E6
    p_target, p_stop = (trade.p_e6 or 0) / ONE_E6, (trade.p_stop_e6 or 0) / ONE_E6
    p_time = max(0.0, 1.0 - p_target - p_stop)
    mark = (edge - p_target * target + p_stop * stop) / p_time if p_time > 1e-6 else 0.0
    return sqrt(p_target * (target - edge) ** 2 + p_stop * (stop + edge) ** 2 + p_time * (mark - edge) ** 2)


def _shares(
    luck_uusd: int, sigma_uusd: int, excess_ticks: float, trade: TradeFact, order: OrderFact | None
) -> tuple[float, float, float]:
    """Skill, luck and execution, 0 to 1."""
    width = abs(luck_uusd) + sigma_uusd
    luck = abs(luck_uusd) / width if width else 0.0
    execution = 1.0 / (1.0 + max(excess_ticks, 0.0) / EXECUTION_SCALE_TICKS)
    if order is not None and order.expires_ns is not None and trade.entry_ts_ns > order.expires_ns > order.ts_ns:
        execution *= (order.expires_ns - order.ts_ns) / (trade.entry_ts_ns - order.ts_ns)
    return 1.0 - luck, luck, execution


def _late_ns(trade: TradeFact, order: OrderFact | None) -> int | None:
    """How long after its time to live the entry filled, 0 in time; None without the order."""
    if order is None or order.expires_ns is None:
        return None
    return max(0, trade.entry_ts_ns - order.expires_ns)


def _uusd(ticks: float, unit_uusd: int) -> int:
    return round(ticks * unit_uusd)


_TARGET, _STOP = "TARGET", "STOP"
_STOPPED: Final = (_STOP, "TRAILING")
# By what came first (T target, S stop, S+T the target after the stop, + or - where neither came) and whether it paid.
_CLASSES: Final = {
    ("T", True): TradeClass.RIGHT_PAID,
    ("+", True): TradeClass.RIGHT_PAID,
    ("S", True): TradeClass.LUCKY,
    ("S+T", True): TradeClass.LUCKY,
    ("-", True): TradeClass.LUCKY,
    ("T", False): TradeClass.RIGHT_LEFT_EARLY,
    ("+", False): TradeClass.RIGHT_LEFT_EARLY,
    ("S", False): TradeClass.WRONG,
    ("S+T", False): TradeClass.RIGHT_STOPPED_FIRST,
    ("-", False): TradeClass.WRONG,
}


def class_of(trade: TradeFact, look: Look | None) -> TradeClass:
    """What the trade was, by the market up to the horizon of `look`."""
    if look is None:
        return TradeClass.UNKNOWN
    found = _CLASSES[_path(trade, look), trade.net_uusd > 0]
    if found is TradeClass.RIGHT_LEFT_EARLY and trade.gross_uusd > 0:
        return TradeClass.RIGHT_COSTS
    if found is TradeClass.RIGHT_STOPPED_FIRST and trade.exit_reason not in _STOPPED:
        return TradeClass.WRONG  # left for another reason, before a stop that would have come
    return found


def _path(trade: TradeFact, look: Look) -> str:
    """Which level came first. A leg that filled had its price, whatever the quotes show."""
    if trade.exit_reason == _TARGET:
        return "T"
    if trade.exit_reason == _STOP or (
        look.stop_ns is not None and (look.target_ns is None or look.stop_ns < look.target_ns)
    ):
        return "S" if look.target_ns is None else "S+T"
    if look.target_ns is not None:
        return "T"
    return "+" if (look.mark_ticks - trade.entry_ticks) * trade.sign > 0 else "-"


def _template(template: str, hypothetical: bool, rows: Sequence[Attribution]) -> TemplateAttribution:  # noqa: FBT001
    sent = [row for row in rows if not row.shadow]
    known = [row for row in sent if row.skill_uusd is not None]
    luck_uusd = _sum(known, lambda row: row.luck_uusd)
    execution_uusd = _sum(known, lambda row: row.execution_uusd)
    variance = sum((row.sigma_uusd or 0) ** 2 for row in known)
    classes: dict[str, int] = {}
    for row in sent:
        classes[row.trade_class.value] = classes.get(row.trade_class.value, 0) + 1
    earned_uusd = sum(row.net_uusd for row in known) - execution_uusd
    return TemplateAttribution(
        template=template,
        hypothetical=hypothetical,
        trades=len(sent),
        attributable=sum(row.attributable for row in sent),
        shadow_trades=len(rows) - len(sent),
        weight=sum(row.weight or 0.0 for row in sent if row.attributable),
        net_uusd=sum(row.net_uusd for row in sent),
        skill_uusd=_sum(known, lambda row: row.skill_uusd),
        luck_uusd=luck_uusd,
        execution_uusd=execution_uusd,
        unknown_uusd=sum(row.net_uusd for row in sent if row.skill_uusd is None),
        luck_z=luck_uusd / sqrt(variance) if variance else None,
        shown_uusd=round(earned_uusd / (len(known) + PSEUDO_TRADES)) if known else None,
        classes=dict(sorted(classes.items())),
    )


def _sum(rows: Sequence[Attribution], part: Callable[[Attribution], int | None]) -> int:
    return sum(part(row) or 0 for row in rows)
