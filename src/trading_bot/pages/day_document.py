"""The report of a day as one JSON document: its sums, its trades with their records, what was found about them."""

from typing import Final

import msgspec

from trading_bot.analytics.analysis import Analysis, Book
from trading_bot.analytics.attribution import Attributions
from trading_bot.analytics.scope_records import Microscope
from trading_bot.domain.units import usd_from_uusd
from trading_bot.pages.day_inputs import DayInputs
from trading_bot.reports.learning_view import LearningView
from trading_bot.research.gate_records import GateLedger

SCHEMA: Final = 1


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of trades came to; micro-dollars are exact, dollars for people."""

    trades: int
    won: int
    gross_uusd: int
    fees_uusd: int
    net_uusd: int
    gross_usd: float
    fees_usd: float
    net_usd: float


class DayDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The report. `real` and `hypothetical` are never to be summed up; `left_out` says what could not be had.

    The trades with their records stand in the books of `analysis`.
    """

    schema: int
    trade_date: int
    instrument: str
    run_ids: tuple[str, ...]
    modes: tuple[str, ...]
    logs: tuple[str, ...]
    ts_first_ns: int
    ts_last_ns: int
    records: int
    ticks: int
    decisions: int
    entries: int
    real: Money
    hypothetical: Money
    skips: dict[str, int]
    naked_ms_max: float
    throttled: dict[str, str]
    left_out: tuple[str, ...]
    analysis: Analysis
    attributions: Attributions
    microscope: Microscope
    learning: LearningView
    gates: GateLedger | None


def day_document(inputs: DayInputs) -> DayDocument:
    """Everything in it comes from the same values as the page."""
    ledger = inputs.ledger
    return DayDocument(
        schema=SCHEMA,
        trade_date=ledger.trade_date,
        instrument=ledger.instrument,
        run_ids=ledger.run_ids,
        modes=ledger.modes,
        logs=ledger.logs,
        ts_first_ns=ledger.ts_first_ns,
        ts_last_ns=ledger.ts_last_ns,
        records=ledger.records,
        ticks=ledger.ticks,
        decisions=ledger.decisions,
        entries=ledger.entries,
        real=_money(inputs.analysis.book(hypothetical=False)),
        hypothetical=_money(inputs.analysis.book(hypothetical=True)),
        skips=ledger.skips,
        naked_ms_max=ledger.naked_ms_max,
        throttled=ledger.throttled,
        left_out=inputs.left_out,
        analysis=inputs.analysis,
        attributions=inputs.attributions,
        microscope=inputs.scope,
        learning=inputs.learning,
        gates=inputs.gates,
    )


def _money(book: Book | None) -> Money:
    """As the runs' summaries have it: commissions reported later for trades of other logs are in the fees."""
    if book is None:
        return Money(trades=0, won=0, gross_uusd=0, fees_uusd=0, net_uusd=0, gross_usd=0.0, fees_usd=0.0, net_usd=0.0)
    gross_uusd, net_uusd = book.metrics.gross_uusd, book.net_uusd
    return Money(
        trades=book.metrics.trades,
        won=book.metrics.wins,
        gross_uusd=gross_uusd,
        fees_uusd=gross_uusd - net_uusd,
        net_uusd=net_uusd,
        gross_usd=usd_from_uusd(gross_uusd),
        fees_usd=usd_from_uusd(gross_uusd - net_uusd),
        net_usd=usd_from_uusd(net_uusd),
    )
