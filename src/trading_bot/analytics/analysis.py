"""Everything analytics says about logs, as one value that serialises to JSON: `analyse(read_facts(path))`.

    analysis = analyse(read_facts("data"))
    msgspec.json.encode(analysis)

Real and hypothetical money are two books that are never summed. Every number of a book is made of its `trades`
(`members` are places in that list), and each trade names its log and its records; the other counts carry `refs`.
"""

from collections.abc import Mapping

import msgspec

from trading_bot.analytics.days import DayResult, Drawdown, Ratios, day_results, drawdown, ratios
from trading_bot.analytics.decomposition import Efficiency, Parts, Touch, decompose, efficiency, total_of
from trading_bot.analytics.fees import FeeLedger, fee_ledger
from trading_bot.analytics.funnel import Funnel, Histograms, funnels, histograms
from trading_bot.analytics.groups import DIMENSIONS, Group, grouped
from trading_bot.analytics.metrics import Metrics, metrics
from trading_bot.analytics.reliability import Curve, curves
from trading_bot.analytics.samples import SEED, TAIL_DAYS_MIN, TAIL_TRADES_MIN, TailRisk, tail_of, tail_of_drawn_day
from trading_bot.domain.events import SessionChanged
from trading_bot.engines.session import SessionState
from trading_bot.reports.fact_records import Facts, OrderFact, SessionFact, TradeFact


class EquityPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of net results after the trade at `member`, and how far it is below its highest."""

    member: int
    ts_ns: int
    equity_uusd: int
    below_uusd: int


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of one kind of money, in the order of their ends; `parts` in the same order.

    `net_uusd` is what the runs' summaries have: `metrics.net_uusd` less `later_fees_uusd`, which the broker reported
    for trades in none of these logs. `groups` are by dimension; each sums to `metrics`.
    """

    hypothetical: bool
    net_uusd: int
    later_fees_uusd: int
    trades: tuple[TradeFact, ...]
    metrics: Metrics
    equity: tuple[EquityPoint, ...]
    drawdown: Drawdown
    days: tuple[DayResult, ...]
    ratios: tuple[Ratios, ...]
    tails: tuple[TailRisk, ...]
    groups: dict[str, tuple[Group, ...]]
    by_template: dict[str, Metrics]
    parts: tuple[Parts, ...]
    decomposition: Parts
    decomposition_by_template: dict[str, Parts]
    efficiency: Efficiency
    efficiency_by_template: dict[str, Efficiency]
    calibration: tuple[Curve, ...]
    fees: FeeLedger


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Of all logs read. `books` has one entry per kind of money that traded; `shadows` were never sent."""

    sessions: tuple[SessionFact, ...]
    books: tuple[Book, ...]
    shadows: tuple[TradeFact, ...]
    shadow_metrics: dict[str, Metrics]
    funnels: tuple[Funnel, ...]
    histograms: Histograms
    notes: tuple[str, ...]

    def book(self, *, hypothetical: bool) -> Book | None:
        """The book of one kind of money, None when nothing of it traded."""
        return next((book for book in self.books if book.hypothetical is hypothetical), None)


def analyse(facts: Facts, *, touches: Mapping[tuple[str, int], Touch] | None = None, seed: int = SEED) -> Analysis:
    """All of it. `touches` are quotes of exits by (log, number), as `decompose` wants them."""
    kinds = [kind for kind in (False, True) if _touched(facts, hypothetical=kind)]
    shadows = tuple(row for row in facts.trades if row.shadow)
    return Analysis(
        sessions=facts.sessions,
        books=tuple(_book(facts, hypothetical=kind, touches=touches, seed=seed) for kind in kinds),
        shadows=shadows,
        shadow_metrics=_by_template(shadows, seed),
        funnels=funnels(facts),
        histograms=histograms(facts),
        notes=facts.notes,
    )


def _touched(facts: Facts, *, hypothetical: bool) -> bool:
    """Whether there was anything of this kind of money."""
    kinds = [row.hypothetical for row in facts.entered()]
    kinds += [row.hypothetical for row in facts.fills]
    kinds += [row.hypothetical for row in facts.corrections]
    return hypothetical in kinds


def _book(facts: Facts, *, hypothetical: bool, touches: Mapping[tuple[str, int], Touch] | None, seed: int) -> Book:
    trades = tuple(sorted(facts.entered(hypothetical=hypothetical), key=lambda row: (row.exit_ts_ns, row.log)))
    found = metrics(trades, seed=seed)
    net_uusd = facts.net_uusd(hypothetical=hypothetical)
    parts = _parts(facts, trades, touches)
    days = day_results(trades, _dates_open(facts, hypothetical=hypothetical))
    traded_days = max(sum(day.trades > 0 for day in days), 1)
    nets = [row.net_uusd for row in trades]
    names = sorted({row.template for row in trades})
    places = {name: [at for at, row in enumerate(trades) if row.template == name] for name in names}
    return Book(
        hypothetical=hypothetical,
        net_uusd=net_uusd,
        later_fees_uusd=found.net_uusd - net_uusd,
        trades=trades,
        metrics=found,
        equity=_equity(trades),
        drawdown=drawdown(trades),
        days=days,
        ratios=ratios(days),
        tails=(
            tail_of(nets, "trade", TAIL_TRADES_MIN, seed=seed),
            tail_of([day.net_uusd for day in days], "day", TAIL_DAYS_MIN, seed=seed),
            tail_of_drawn_day(nets, round(len(nets) / traded_days), seed=seed),
        ),
        groups={name: grouped(trades, name) for name in DIMENSIONS},
        by_template=_by_template(trades, seed),
        parts=parts,
        decomposition=total_of(parts),
        decomposition_by_template={name: total_of([parts[at] for at in rows]) for name, rows in places.items()},
        efficiency=efficiency(trades, parts),
        efficiency_by_template={
            name: efficiency([trades[at] for at in rows], [parts[at] for at in rows]) for name, rows in places.items()
        },
        calibration=curves(trades),
        fees=fee_ledger(facts, hypothetical=hypothetical),
    )


def _dates_open(facts: Facts, *, hypothetical: bool) -> list[int]:
    """Trade dates on which entries were possible for a while; a log that only began the next session is no day."""
    logs = {row.log: row.trade_date for row in facts.sessions if row.hypothetical is hypothetical}
    return [
        logs[row.log]
        for row in facts.told("SESSION_CHANGED")
        if isinstance(row.record, SessionChanged) and row.record.state == SessionState.ENTRIES.value and row.log in logs
    ]


def _parts(
    facts: Facts, trades: tuple[TradeFact, ...], touches: Mapping[tuple[str, int], Touch] | None
) -> tuple[Parts, ...]:
    fills = {(row.log, row.seq): row for row in facts.fills}
    exits: dict[tuple[str, str], list[OrderFact]] = {}
    for order in facts.orders:
        if order.cause:
            exits.setdefault((order.log, order.order_id), []).append(order)
    return tuple(
        decompose(
            trade,
            [fills[trade.log, seq] for seq in trade.fill_seqs],
            exits.get((trade.log, trade.trade_id), ()),
            touches,
        )
        for trade in trades
    )


def _by_template(trades: tuple[TradeFact, ...], seed: int) -> dict[str, Metrics]:
    names = sorted({row.template for row in trades})
    return {name: metrics([row for row in trades if row.template == name], seed=seed) for name in names}


def _equity(trades: tuple[TradeFact, ...]) -> tuple[EquityPoint, ...]:
    total = highest = 0
    points = []
    for member, trade in enumerate(trades):
        total += trade.net_uusd
        highest = max(highest, total)
        points.append(EquityPoint(member=member, ts_ns=trade.exit_ts_ns, equity_uusd=total, below_uusd=highest - total))
    return tuple(points)
