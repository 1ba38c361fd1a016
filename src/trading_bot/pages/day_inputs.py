"""What the report of a day is made from, and how its numbers name their records."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from trading_bot.analytics.analysis import Analysis, analyse
from trading_bot.analytics.attribution import Attributions, attribute
from trading_bot.analytics.exit_touches import exit_touches
from trading_bot.analytics.microscope import microscope
from trading_bot.analytics.scope_records import Microscope
from trading_bot.domain.errors import ReplayDiverged
from trading_bot.pages.numbers import money
from trading_bot.pages.page import Value
from trading_bot.pages.trace import Trace
from trading_bot.reports.day_ledger import read_day
from trading_bot.reports.day_records import DayLedger
from trading_bot.reports.fact_records import Facts, Told, TradeFact
from trading_bot.reports.learning_state import learned_from_log
from trading_bot.reports.learning_view import LearningView, view
from trading_bot.reports.trade_facts import logs_below, read_facts
from trading_bot.research.day_regimes import RegimeSpan, day_regimes
from trading_bot.research.gate_ledger import gate_ledger
from trading_bot.research.gate_records import GateLedger


class DayInputs(msgspec.Struct, frozen=True, kw_only=True):
    """A day as values.

    `scope` and `attributions` are of the trades, in the market recorded after them. `regimes` and `gates` need the log
    to be played and may be missing; `left_out` says why.
    """

    ledger: DayLedger
    facts: Facts
    analysis: Analysis
    scope: Microscope
    attributions: Attributions
    learning: LearningView
    regimes: tuple[RegimeSpan, ...] = ()
    gates: GateLedger | None = None
    left_out: tuple[str, ...] = ()

    @property
    def tick(self) -> float:
        """One tick in index points."""
        return self.ledger.tick_size_points

    @property
    def trades(self) -> tuple[TradeFact, ...]:
        """What was entered, in the order of their ends."""
        return tuple(sorted(self.facts.entered(), key=lambda row: (row.exit_ts_ns, row.closed_seq)))

    @property
    def hypothetical(self) -> bool:
        """Whether any money shown was never made or lost."""
        return self.ledger.hypothetical or any(row.hypothetical for row in self.trades)

    @property
    def mixed(self) -> bool:
        """Whether there are real and simulated fills, which are never summed up together."""
        return len({row.hypothetical for row in self.trades}) > 1


def read_inputs(paths: Sequence[Path], *, trade_date: int | None, build: str) -> DayInputs:
    """The day in some logs; `build` names the running kernel and core, empty where nothing is to be played.

    Raises:
        UsageError: no log there, logs of several days or instruments, or none of `trade_date`.
        LogCorrupt: a damaged record, or one that this version does not know.
    """
    ledger = read_day(logs_below(paths), trade_date=trade_date)
    logs = [Path(log) for log in ledger.logs]
    facts = read_facts(logs)
    left_out: list[str] = []
    regimes: tuple[RegimeSpan, ...] = ()
    gates: GateLedger | None = None
    if not build:
        left_out.append("Regimes and the gate ledger are left out: they take a walk over the whole log (no --quick).")
    else:
        gates = gate_ledger(logs)
        try:
            regimes = tuple(span for log in logs for span in day_regimes(log, build=build))
        except ReplayDiverged as error:
            left_out.append(f"Regimes are left out: the log does not play, {error}. `trading-bot replay` tells more.")
        else:
            if not regimes:
                left_out.append("Regimes are left out: another build wrote the log, or no minute of it was closed.")
    return DayInputs(
        ledger=ledger,
        facts=facts,
        analysis=analyse(facts, touches=exit_touches(facts)),
        scope=microscope(facts),
        attributions=attribute(facts),
        learning=view(learned_from_log(logs[-1])),
        regimes=regimes,
        gates=gates,
        left_out=tuple(left_out),
    )


class Sourced:
    """Values with their records: `log` is shown as `RUN/SESSION`, as every command takes it."""

    def __init__(self, facts: Facts) -> None:
        self.trace = Trace()
        self._names = {row.log: f"{row.run_id}/{row.name}" for row in facts.sessions}

    def log(self, log: str) -> str:
        """A log as commands take it and without the folders of this machine."""
        return self._names.get(log, log.rpartition("/")[2])

    def text(self, told: str) -> str:
        """A sentence in which logs are named as commands take them."""
        for log, name in self._names.items():
            told = told.replace(log, name)
        return told

    def ref(self, label: str, rows: Iterable[tuple[str, Iterable[int]]]) -> str:
        """Name of the records of `rows`: (log, numbers)."""
        found: dict[str, list[int]] = {}
        for log, seqs in rows:
            found.setdefault(self.log(log), []).extend(seqs)
        return self.trace.ref(label, found)

    def of_trades(self, label: str, trades: Iterable[TradeFact]) -> str:
        """Name of the records that closed some trades, and of later corrections."""
        return self.ref(label, ((row.log, (row.closed_seq, *row.correction_seqs)) for row in trades))

    def money(self, label: str, amount_uusd: int, trades: Iterable[TradeFact]) -> Value:
        """An amount that some trades made."""
        return money(amount_uusd, self.of_trades(label, trades))

    def told(self, label: str, row: Told, text: str = "") -> Value:
        """A record itself, as its number or as `text`."""
        return Value(text or str(row.seq), "", self.ref(label, [(row.log, (row.seq,))]))
