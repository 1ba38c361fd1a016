"""What the learning state means, for people: each template's evidence, and what would change its state.

Floats in dollars appear here and nowhere before; everything they come from is integers.
"""

from datetime import date, timedelta
from typing import Final

import msgspec

from trading_bot.core.learning_loop import LearningLoop
from trading_bot.domain.learning import Evidence, LearningState, LearningUpdate
from trading_bot.domain.units import UUSD_PER_USD, iso_from_ns, usd_from_uusd
from trading_bot.engines import belief, costs
from trading_bot.engines.belief import BeliefRules, Reliability
from trading_bot.engines.learning import TRADING, LearningLimits
from trading_bot.engines.learning_outlook import Outlook, Way, outlook
from trading_bot.reports.learning_state import Learned

THROTTLE_NAME: Final = {
    LearningState.ACTIVE: "active",
    LearningState.THROTTLED_120: "x{light:g}",
    LearningState.THROTTLED_150: "x{heavy:g}",
    LearningState.QUARANTINED: "quarantine",
    LearningState.ARCHIVED: "archived",
}
_FAR_DATE: Final = 20_000_102


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a look found, or would find now: means and amounts in dollars a trade, `p` is P(expectancy > 0)."""

    finding: str
    shadow: bool
    n: int
    wins: int
    mean_usd: float
    sd_usd: float
    p: float
    drawdown_usd: float
    drawdown_limit_usd: float | None
    threshold: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The transition that led to the present state; `seq` of its record where the log that was read holds it."""

    at: str
    previous: str
    state: str
    seq: int | None
    evidence: Judged


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of one regime and time of day: their own mean, and the template's estimate as they shrink it."""

    regime: str
    bucket: str
    n: int
    wins: int
    mean_usd: float
    estimate_usd: float


class TemplateView(msgspec.Struct, frozen=True, kw_only=True):
    """A template in one book. `throttle` None: it sends nothing. Counts and sums `lifetime_` forget nothing.

    `would_change` says in words what each of `ways` says in numbers.
    """

    template: str
    book: str
    state: str
    since: str | None
    throttle: float | None
    evidence: Judged
    next_look_trades: int | None
    ways: tuple[Way, ...]
    would_change: tuple[str, ...]
    last_change: Change | None
    lifetime_trades: int
    lifetime_wins: int
    lifetime_net_usd: float
    shadow_trades: int
    shadow_net_usd: float
    win_rate: float
    sigma_p: float
    confidence: float
    belief_factor: float
    belief_factor_next: float
    belief_trades: int
    reliability: Reliability
    keys: tuple[KeyView, ...]


class CostView(msgspec.Struct, frozen=True, kw_only=True):
    """Costs of one book: in force, and what a session that begins on the next day would adopt."""

    book: str
    entry_fills: int
    entry_factor: float
    entry_factor_next: float
    stop_fills: int
    stop_factor: float
    stop_factor_next: float
    lots: int
    round_trip_usd: float
    round_trip_next_usd: float


class LearningView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state. `log` and `seq`: the record it was taken after."""

    source: str
    log: str
    seq: int
    decides_on: str | None
    templates: tuple[TemplateView, ...]
    costs: tuple[CostView, ...]


def view(learned: Learned) -> LearningView:
    """As `learning show` prints it."""
    loop = learned.loop
    told = None if learned.hypothetical is None else _book(hypothetical=learned.hypothetical)
    views: list[TemplateView] = []
    for hypothetical in (False, True):
        loop.hypothetical = hypothetical
        shown = set(loop.templates)
        if learned.hypothetical in {None, hypothetical} and (shown or hypothetical):
            shown |= set(learned.templates)
        views += [_template(learned, name, hypothetical=hypothetical) for name in sorted(shown)]
    return LearningView(
        source=learned.source,
        log=learned.log,
        seq=learned.seq,
        decides_on=told,
        templates=tuple(views),
        costs=tuple(_costs(learned, hypothetical=hypothetical) for hypothetical in (False, True)),
    )


def _book(*, hypothetical: bool) -> str:
    return "hypothetical" if hypothetical else "real"


def _template(learned: Learned, name: str, *, hypothetical: bool) -> TemplateView:
    loop = learned.loop
    state, evidence, totals = loop.state(name), loop.evidence(name), loop.metrics(name)
    shadows = loop.metrics(name, shadow=True)
    promises = loop.promises(name)
    limits = LearningLimits.compile(loop.config)
    results, since_look = loop.look(name)
    ahead = outlook(state, results, since_look, limits)
    in_force = loop.belief_in_force(name)
    fitted = belief.next_in_force(in_force, promises, BeliefRules.compile(loop.config), _day_after(in_force.date))
    update = loop.last_update(name)
    seqs = learned.changes.get((name, hypothetical), ())
    return TemplateView(
        template=name,
        book=_book(hypothetical=hypothetical),
        state=state.value,
        since=None if update is None else iso_from_ns(update.ts_ns),
        throttle=loop.throttle(name) if state in TRADING else None,
        evidence=_judged(evidence),
        next_look_trades=ahead.next_look_trades,
        ways=ahead.ways,
        would_change=tuple(sentences(state, ahead, loop.config.throttle_light, loop.config.throttle_heavy)),
        last_change=None if update is None else _change(update, seqs[-1] if seqs else None),
        lifetime_trades=totals.trades,
        lifetime_wins=totals.wins,
        lifetime_net_usd=usd_from_uusd(totals.net_uusd),
        shadow_trades=shadows.trades,
        shadow_net_usd=usd_from_uusd(shadows.net_uusd),
        win_rate=loop.win_rate(name),
        sigma_p=loop.sigma_p(name),
        confidence=loop.confidence(name),
        belief_factor=in_force.factor_e6 / belief.ONE_E6,
        belief_factor_next=fitted.factor_e6 / belief.ONE_E6,
        belief_trades=len(promises),
        reliability=belief.reliability(promises, loop.win_rate_pseudo_trades),
        keys=tuple(_key(loop, name, *key) for key in loop.keys(name)),
    )


def _key(loop: LearningLoop, name: str, regime: str, bucket: str, nets_uusd: list[int]) -> KeyView:
    return KeyView(
        regime=regime,
        bucket=bucket,
        n=len(nets_uusd),
        wins=sum(net_uusd > 0 for net_uusd in nets_uusd),
        mean_usd=usd_from_uusd(sum(nets_uusd)) / len(nets_uusd),
        estimate_usd=usd_from_uusd(loop.expectancy_uusd(name, regime, bucket)),
    )


def _judged(evidence: Evidence) -> Judged:
    limit_uusd = evidence.drawdown_limit_uusd
    return Judged(
        finding=evidence.finding.value,
        shadow=evidence.shadow,
        n=evidence.n,
        wins=evidence.wins,
        mean_usd=usd_from_uusd(evidence.mean_uusd),
        sd_usd=usd_from_uusd(evidence.sd_uusd),
        p=evidence.p_e6 / 1e6,
        drawdown_usd=usd_from_uusd(evidence.drawdown_uusd),
        drawdown_limit_usd=None if limit_uusd is None else usd_from_uusd(limit_uusd),
        threshold=evidence.threshold_e6 / 1e6,
    )


def _change(update: LearningUpdate, seq: int | None) -> Change:
    return Change(
        at=iso_from_ns(update.ts_ns),
        previous=update.previous.value,
        state=update.state.value,
        seq=seq,
        evidence=_judged(update.evidence),
    )


def _costs(learned: Learned, *, hypothetical: bool) -> CostView:
    book = learned.costs.book(hypothetical=hypothetical)
    instrument_uusd = learned.instrument.commission_round_trip_uusd
    after, _ = costs.adopted(book, learned.cost_rules, _day_after(book.adopted_date), instrument_uusd)
    return CostView(
        book=_book(hypothetical=hypothetical),
        entry_fills=book.entry.fills,
        entry_factor=book.entry_factor_e6 / costs.ONE_E6,
        entry_factor_next=after.entry_factor_e6 / costs.ONE_E6,
        stop_fills=book.stop.fills,
        stop_factor=book.stop_factor_e6 / costs.ONE_E6,
        stop_factor_next=after.stop_factor_e6 / costs.ONE_E6,
        lots=book.lots,
        round_trip_usd=usd_from_uusd(book.round_trip_uusd or instrument_uusd),
        round_trip_next_usd=usd_from_uusd(after.round_trip_uusd or instrument_uusd),
    )


def _day_after(trade_date: int) -> int:
    """The next trade date; holidays do not matter, it only has to be another one, in its week or the next."""
    if not trade_date:
        return _FAR_DATE
    found = date(trade_date // 10_000, trade_date // 100 % 100, trade_date % 100) + timedelta(days=1)
    while found.weekday() >= 5:
        found += timedelta(days=1)
    return found.year * 10_000 + found.month * 100 + found.day


def sentences(state: LearningState, ahead: Outlook, light: float, heavy: float) -> list[str]:
    """What would change a template's state, one sentence for each state it can come to."""
    if state is LearningState.ARCHIVED:
        return ["nothing but a person's word"]
    kind = "trades" if state in TRADING else "shadow trades"
    found = [_sentence(way, kind, light, heavy) for way in ahead.ways]
    if ahead.drawdown_uusd is not None:
        found.append(
            f"quarantine if a look finds the sum of its results {_usd(ahead.drawdown_uusd)} further below its peak"
        )
    return found


def _sentence(way: Way, kind: str, light: float, heavy: float) -> str:
    leads_to = THROTTLE_NAME[way.state].format(light=light, heavy=heavy)
    amount = _spreads if way.in_spreads else _signed_usd
    low, high = way.low_uusd, way.high_uusd
    if low is not None and high is not None:
        average = f"average between {amount(low)} and {amount(high)}"
    elif high is not None:
        average = f"average below {amount(high)}"
    else:
        average = f"average above {amount(low or 0)}"
    trades = f"next {way.after_trades} {kind}" if way.after_trades > 1 else f"next {kind[:-1]}"
    verb = average if way.after_trades > 1 else average.replace("average", "is", 1)
    return f"{leads_to} if the {trades} {verb}"


def _signed_usd(amount_uusd: int) -> str:
    return f"{amount_uusd / UUSD_PER_USD:+.2f} USD"


def _usd(amount_uusd: int) -> str:
    return f"{amount_uusd / UUSD_PER_USD:.2f} USD"


def _spreads(share_e6: int) -> str:
    return f"{share_e6 / UUSD_PER_USD:+.2f} sd"
