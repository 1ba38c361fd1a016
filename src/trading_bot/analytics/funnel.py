"""From candidate to fill, and what stopped the others: conversion and histograms (features AN04, AN06)."""

from collections.abc import Iterable, Sequence

import msgspec

from trading_bot.domain.effects import LatchKillSwitch
from trading_bot.domain.orders import Leg
from trading_bot.domain.reasons import Action
from trading_bot.domain.reconciling import ReconciliationDone, Row
from trading_bot.domain.rule_events import RuleChanged
from trading_bot.domain.trade_events import BreakerChanged
from trading_bot.reports.fact_records import Facts

REFS_MAX = 50


class Ref(msgspec.Struct, frozen=True, gc=False):
    """A record: `log` is the place of its log in the analysis, `seq` its number there."""

    log: int
    seq: int


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """How often something happened; `refs` are the first fifty records that say so."""

    key: str
    count: int
    refs: tuple[Ref, ...]


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """One template on the way from candidate to fill; `ALL` is their sum.

    A candidate is one episode of a (template, side). `decided` entered by the decision or were refused only by the
    safety gate (`refused`); `orders` left, `filled` of them at least in part, `trades` were closed; `shadows` followed.
    Rates are None over nothing.
    """

    template: str
    candidates: int
    decided: int
    refused: int
    orders: int
    filled: int
    trades: int
    shadows: int
    order_rate: float | None
    fill_rate: float | None
    candidate_to_fill: float | None


class Histograms(msgspec.Struct, frozen=True, kw_only=True):
    """What stopped entries, and what else went wrong, most frequent first; each bar with its records."""

    skips: tuple[Bar, ...]
    skips_by_template: dict[str, tuple[Bar, ...]]
    refusals: tuple[Bar, ...]
    rejects: tuple[Bar, ...]
    exits: tuple[Bar, ...]
    kills: tuple[Bar, ...]
    breakers: tuple[Bar, ...]
    rules: tuple[Bar, ...]
    reconciliations: tuple[Bar, ...]
    live_would_block: tuple[Bar, ...]


def funnels(facts: Facts) -> tuple[Funnel, ...]:
    """A row per template that had a candidate or an order, and `ALL` at the end."""
    episodes: dict[str, set[tuple[str, int, int, int]]] = {}
    entering: dict[str, set[tuple[str, int]]] = {}
    for row in facts.decisions:
        if row.template and row.episode:
            episodes.setdefault(row.template, set()).add((row.log, row.run, row.side, row.episode))
        if row.action != Action.SKIP and row.template:
            entering.setdefault(row.template, set()).add((row.log, row.seq))
    orders = [row for row in facts.orders if row.leg == Leg.ENTRY.value]
    names = sorted({*episodes, *(row.template for row in orders), *(row.template for row in facts.trades)})
    rows = [
        _funnel(
            name,
            candidates=len(episodes.get(name, ())),
            decided=len(entering.get(name, ())) + sum(row.template == name for row in facts.refusals),
            refused=sum(row.template == name for row in facts.refusals),
            orders=sum(row.template == name for row in orders),
            filled=sum(row.template == name and row.filled_qty > 0 for row in orders),
            trades=sum(row.template == name and not row.shadow for row in facts.trades),
            shadows=sum(row.template == name and row.shadow for row in facts.trades),
        )
        for name in names
    ]
    counted = ("candidates", "decided", "refused", "orders", "filled", "trades", "shadows")
    return (*rows, _funnel("ALL", **{name: sum(getattr(row, name) for row in rows) for name in counted}))


def _funnel(template: str, **counts: int) -> Funnel:
    candidates, orders, filled = counts["candidates"], counts["orders"], counts["filled"]
    return Funnel(
        template=template,
        **counts,
        order_rate=orders / candidates if candidates else None,
        fill_rate=filled / orders if orders else None,
        candidate_to_fill=filled / candidates if candidates else None,
    )


def histograms(facts: Facts) -> Histograms:
    """All of them."""
    log_at = {row.log: place for place, row in enumerate(facts.sessions)}
    skips = [row for row in facts.decisions if row.action == Action.SKIP]
    by_template = sorted({row.template or "-" for row in skips})

    def bars(rows: Iterable[tuple[str, str, int]]) -> tuple[Bar, ...]:
        return _bars([(key, Ref(log_at[log], seq)) for key, log, seq in rows])

    return Histograms(
        skips=bars((row.reason, row.log, row.seq) for row in skips),
        skips_by_template={
            name: bars((row.reason, row.log, row.seq) for row in skips if (row.template or "-") == name)
            for name in by_template
        },
        refusals=bars((check, row.log, row.seq) for row in facts.refusals for check in row.failed),
        rejects=bars((row.end_text, row.log, row.end_seq) for row in facts.orders if row.end == "REJECTED"),
        exits=bars((row.exit_reason, row.log, row.closed_seq) for row in facts.entered()),
        kills=bars(
            (row.record.reason, row.log, row.seq)
            for row in facts.told("LATCH_KILL_SWITCH")
            if isinstance(row.record, LatchKillSwitch)
        ),
        breakers=bars(
            (row.record.breaker, row.log, row.seq)
            for row in facts.told("BREAKER_CHANGED")
            if isinstance(row.record, BreakerChanged) and row.record.tripped
        ),
        rules=bars(
            (row.record.rule, row.log, row.seq)
            for row in facts.told("RULE_CHANGED")
            if isinstance(row.record, RuleChanged) and row.record.tripped
        ),
        reconciliations=bars(
            (key, row.log, row.seq)
            for row in facts.told("RECONCILIATION_DONE")
            if isinstance(row.record, ReconciliationDone)
            for key in _rows_of(row.record)
        ),
        live_would_block=bars(
            (row.live, row.log, row.seq) for row in facts.decisions if row.live and row.action != Action.SKIP
        ),
    )


def _rows_of(record: ReconciliationDone) -> list[str]:
    return [Row.SETTLING.value] if record.settling else [finding.row.value for finding in record.findings]


def _bars(rows: Sequence[tuple[str, Ref]]) -> tuple[Bar, ...]:
    by_key: dict[str, list[Ref]] = {}
    for key, ref in rows:
        by_key.setdefault(key, []).append(ref)
    ordered = sorted(by_key.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(Bar(key=key, count=len(refs), refs=tuple(refs[:REFS_MAX])) for key, refs in ordered)
