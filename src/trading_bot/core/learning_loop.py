"""What the bot learns from its own trades: one row of evidence and one state per template (specification 9).

Part of the core's state: outcomes go in through `record`, changes of state come out as `LearningUpdate`. All that is
kept is integers and names, so that export and reload lose nothing. `core/learning_file.py` is its file.
"""

from typing import Any, Final

import msgspec

from trading_bot.core.learning_rows import SCHEMA_VERSION, Result, Row, checked
from trading_bot.domain.config import DecisionConfig
from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.learning import (
    Evidence,
    Finding,
    LearningState,
    LearningUpdate,
    TradeOutcome,
)
from trading_bot.domain.learning_config import LearningConfig
from trading_bot.domain.units import NS_PER_DAY
from trading_bot.engines import belief
from trading_bot.engines import learning as stats
from trading_bot.engines.learning_metrics import ReliabilityMetrics

__all__ = [
    "Evidence",
    "Finding",
    "LearningConfig",
    "LearningLoop",
    "LearningState",
    "LearningUpdate",
    "ReliabilityMetrics",
    "TradeOutcome",
]

BLOCKED: Final = float("inf")
WIN_RATE_PSEUDO_TRADES: Final = DecisionConfig().pseudo_trades  # specification 6.3
EVEN: Final = 0.5


class LearningLoop:
    """Evidence and state of every template, in two books that never mix: real trades and hypothetical ones.

    `hypothetical` says which book this run decides on (a row of the mode table); outcomes carry their own mark.
    """

    def __init__(
        self,
        config: LearningConfig | None = None,
        templates: tuple[str, ...] = (),
        *,
        hypothetical: bool = False,
        win_rate_pseudo_trades: int = WIN_RATE_PSEUDO_TRADES,
    ) -> None:
        """Every template starts ACTIVE with no evidence; one that is not named gets its row at its first outcome."""
        self.config = config or LearningConfig()
        self.hypothetical = hypothetical
        self.trades_since_save = 0
        self.save_due = False
        self.win_rate_pseudo_trades = win_rate_pseudo_trades
        self._limits = stats.LearningLimits.compile(self.config)
        self._belief_rules = belief.BeliefRules.compile(self.config)
        self._win_rate_trades = stats.evidence_cap(win_rate_pseudo_trades, self.config.confidence_max)
        self._throttles = {
            LearningState.ACTIVE: 1.0,
            LearningState.THROTTLED_120: self.config.throttle_light,
            LearningState.THROTTLED_150: self.config.throttle_heavy,
            LearningState.QUARANTINED: BLOCKED,
            LearningState.ARCHIVED: BLOCKED,
        }
        self._templates = templates
        self._rows: dict[tuple[str, bool], Row] = {}
        self._add_missing_rows()

    # --- what happened ------------------------------------------------------------------------------------------

    def record(self, outcome: TradeOutcome) -> LearningUpdate | None:
        """Take in one closed trade; a change of state when this was the trade of a look and the look asks for one."""
        row = self._row(outcome.template, hypothetical=outcome.hypothetical)
        self.trades_since_save += 1
        if self.trades_since_save >= self.config.save_every_trades:
            self.save_due = True
        if outcome.shadow:
            return self._record_shadow(row, outcome)
        row.lifetime.update_from_trade(outcome)
        if row.state is LearningState.ARCHIVED:
            return None
        self._keep(row.real, outcome)
        if row.state is LearningState.QUARANTINED:
            return None  # a position that was open when the quarantine began: counted, but it decides nothing
        row.since_look += 1
        if row.since_look < self.config.look_every_trades:
            return None
        row.since_look = 0
        return self._move(row, stats.judge_trades(row.state, _nets(row.real), self._limits), outcome.exit_ts_ns)

    def _record_shadow(self, row: Row, outcome: TradeOutcome) -> LearningUpdate | None:
        row.shadow_lifetime.update_from_trade(outcome)
        if row.state is not LearningState.QUARANTINED:
            return None
        # Their decisions are not in the log with them: shadow trades say nothing of belief.
        self._keep(row.shadow, msgspec.structs.replace(outcome, belief_e6=None, p_e6=None, promised_uusd=None))
        row.shadow_since_look += 1
        if row.shadow_since_look < self.config.look_every_trades:
            return None
        row.shadow_since_look = 0
        return self._move(row, stats.judge_shadow(row.state, _nets(row.shadow), self._limits), outcome.exit_ts_ns)

    def _keep(self, results: list[Result], outcome: TradeOutcome) -> None:
        results.append(
            Result(
                outcome.exit_ts_ns,
                outcome.net_uusd,
                outcome.regime,
                outcome.bucket,
                outcome.belief_e6,
                outcome.p_e6,
                outcome.promised_uusd,
            )
        )
        del results[: max(0, len(results) - self.config.window_trades)]
        self._drop_old(results, outcome.exit_ts_ns)

    def _drop_old(self, results: list[Result], now_ns: int) -> None:
        oldest_ns = now_ns - self.config.evidence_days_max * NS_PER_DAY
        if results and results[0].exit_ts_ns < oldest_ns:
            results[:] = [result for result in results if result.exit_ts_ns >= oldest_ns]

    def _move(self, row: Row, evidence: Evidence, ts_ns: int) -> LearningUpdate | None:
        previous = row.state
        row.state = stats.next_state(previous, evidence.finding)
        if row.state is previous:
            return None
        if row.state is LearningState.QUARANTINED:
            row.shadow, row.shadow_since_look = [], 0
        elif previous is LearningState.QUARANTINED and row.state in stats.TRADING:
            # The trades that led into quarantine would lead back at the next look: a released template starts afresh.
            row.epoch += 1
            row.real, row.since_look = [], 0
        row.since_ns = ts_ns
        row.last_update = LearningUpdate(
            ts_ns=ts_ns,
            template=row.template,
            hypothetical=row.hypothetical,
            previous=previous,
            state=row.state,
            epoch=row.epoch,
            evidence=evidence,
        )
        self.save_due = True
        return row.last_update

    def start_session(self, ts_ns: int) -> None:
        """Let evidence go that is too old: without trades every estimate returns to its prior. States stay."""
        for row in self._rows.values():
            self._drop_old(row.real, ts_ns)
            self._drop_old(row.shadow, ts_ns)

    def adopt_beliefs(self, trade_date: int) -> list[belief.BeliefChange]:
        """A session begins: the factors on belief's promises that the evidence asks for, in this run's book.

        Once a trade date (yyyymmdd); an unknown one (0) adopts nothing.
        """
        changes = []
        for row in self._sorted():
            if row.hypothetical is not self.hypothetical:
                continue
            promises, before = row.promises(), row.belief
            row.set_belief(belief.next_in_force(before, promises, self._belief_rules, trade_date))
            if row.belief_factor_e6 != before.factor_e6:
                changes.append(
                    belief.BeliefChange(
                        template=row.template,
                        old=before.factor_e6,
                        new=row.belief_factor_e6,
                        trades=len(promises),
                        net_uusd=sum(found.net_uusd for found in promises),
                        promised_uusd=sum(found.promised_uusd for found in promises),
                    )
                )
        return changes

    def order_by_person(self, template: str, finding: Finding, ts_ns: int) -> LearningUpdate | None:
        """`PERSON_ARCHIVES` or `PERSON_REVIVES`, in this run's book. Reviving leads into quarantine, not to trading.

        Raises:
            CoreBug: the template's state does not allow it, or the finding is not a person's.
        """
        row = self._row(template, hypothetical=self.hypothetical)
        evidence = msgspec.structs.replace(self.evidence(template), finding=finding, threshold_e6=0)
        return self._move(row, evidence, ts_ns)

    def mark_saved(self) -> None:
        """A `SaveLearningState` effect carries the state: count to the next one."""
        self.trades_since_save = 0
        self.save_due = False

    # --- what it means, in this run's book ----------------------------------------------------------------------

    @property
    def templates(self) -> tuple[str, ...]:
        """Templates with a row in this run's book, by name."""
        return tuple(row.template for row in self._sorted() if row.hypothetical is self.hypothetical)

    def state(self, template: str) -> LearningState:
        """The template's state."""
        row = self._find(template)
        return row.state if row else LearningState.ACTIVE

    def throttle(self, template: str) -> float:
        """Factor on cost and minimum EUC: 1.0, 1.2, 1.5, or infinity where entries are not allowed."""
        return self._throttles[self.state(template)]

    def entries_allowed(self, template: str) -> bool:
        """Whether the template may send entries."""
        return self.state(template) in stats.TRADING

    def blocked(self) -> tuple[str, ...]:
        """The templates that may not, in the order of their kernel indices."""
        return tuple([name for name in self._templates if self.state(name) not in stats.TRADING])

    def shadow_wanted(self, template: str) -> bool:
        """Whether its candidates are to be shadow-traded towards a release."""
        return self.state(template) is LearningState.QUARANTINED

    def win_rate(self, template: str, map_p: float = EVEN) -> float:
        """Posterior mean of the win rate: pseudo-trades at `map_p` and the newest trades of the evidence."""
        return self._win_rate(template, map_p)[0]

    def sigma_p(self, template: str, map_p: float = EVEN) -> float:
        """Its standard deviation, for the uncertainty of EUC (specification 6.3); .079 before the first trade."""
        return self._win_rate(template, map_p)[1]

    def belief_factor(self, template: str) -> float:
        """Share of what its belief promises net of cost that trades have shown, in force for this session; 0..1."""
        row = self._find(template)
        return row.belief_factor_e6 / belief.ONE_E6 if row else 1.0

    def confidence(self, template: str) -> float:
        """Weight of the template's own trades against the prior in `win_rate`, 0 .. confidence_max."""
        trades = len(self._win_rate_evidence(template))
        return trades / (trades + self.win_rate_pseudo_trades)

    def expectancy_uusd(self, template: str, regime: str | None = None, bucket: str | None = None) -> int:
        """Posterior mean result of a trade in micro-dollars; a finer key only shrinks it.

        The key's own mean is pulled to the template's by as many pseudo-trades as the template has at zero, and it
        counts only where it is lower: a good hour never lifts a template above its own estimate.
        """
        row = self._find(template)
        results = row.real if row else []
        pseudo = self.config.pseudo_trades
        whole_uusd = stats.expectancy(_nets(results), pseudo).mean_uusd
        if regime is None and bucket is None:
            return whole_uusd
        key = [
            result.net_uusd for result in results if regime in {None, result.regime} and bucket in {None, result.bucket}
        ]
        return min(whole_uusd, (sum(key) + pseudo * whole_uusd) // (len(key) + pseudo))

    def results_uusd(self, template: str) -> tuple[int, ...]:
        """Net results of the trades in the template's evidence, oldest first, in micro-dollars."""
        row = self._find(template)
        return tuple(_nets(row.real)) if row else ()

    def keys(self, template: str) -> list[tuple[str, str, list[int]]]:
        """Regime, time-of-day bucket and net results of each pair in the template's evidence, in order."""
        row = self._find(template)
        found: dict[tuple[str, str], list[int]] = {}
        for result in row.real if row else ():
            found.setdefault((result.regime, result.bucket), []).append(result.net_uusd)
        return [(regime, bucket, found[regime, bucket]) for regime, bucket in sorted(found)]

    def look(self, template: str) -> tuple[tuple[int, ...], int]:
        """Results that the next look judges, oldest first in micro-dollars, and the trades since the last one."""
        row = self._find(template)
        if row is None:
            return (), 0
        if row.state in stats.TRADING:
            return tuple(_nets(row.real)), row.since_look
        return tuple(_nets(row.shadow)), row.shadow_since_look

    def promises(self, template: str) -> list[belief.Promise]:
        """What belief promised of the trades that are evidence, and what they brought."""
        row = self._find(template)
        return row.promises() if row else []

    def belief_in_force(self, template: str) -> belief.InForce:
        """The factor on its promises, with the week it is bounded by."""
        row = self._find(template)
        return row.belief if row else belief.InForce()

    def evidence(self, template: str) -> Evidence:
        """What a look would find now; changes nothing."""
        row = self._find(template)
        if row is not None and row.state not in stats.TRADING:
            return stats.judge_shadow(row.state, _nets(row.shadow), self._limits)
        return stats.judge_trades(self.state(template), _nets(row.real) if row else [], self._limits)

    def metrics(self, template: str, *, shadow: bool = False) -> ReliabilityMetrics:
        """Totals since the first trade ever recorded (a copy)."""
        row = self._find(template)
        if row is None:
            return ReliabilityMetrics()
        return msgspec.structs.replace(row.shadow_lifetime if shadow else row.lifetime)

    def last_update(self, template: str) -> LearningUpdate | None:
        """The change that led to the present state, with its evidence."""
        row = self._find(template)
        return row.last_update if row else None

    def _win_rate_evidence(self, template: str) -> list[Result]:
        row = self._find(template)
        return row.real[-self._win_rate_trades :] if row and self._win_rate_trades else []

    def _win_rate(self, template: str, map_p: float) -> tuple[float, float]:
        results = self._win_rate_evidence(template)
        wins = sum(result.net_uusd > 0 for result in results)
        return stats.win_rate_sigma(wins, len(results), self.win_rate_pseudo_trades, map_p)

    # --- export and reload --------------------------------------------------------------------------------------

    def canonical(self) -> list[Any]:
        """The whole state as plain values in one order, for digests."""
        return [self.trades_since_save, self.save_due, [msgspec.to_builtins(row) for row in self._sorted()]]

    def export_to_dict(self) -> dict[str, Any]:
        """The whole state as plain values (integers, names, lists): equal states export equal dicts."""
        return {
            "schema": SCHEMA_VERSION,
            "trades_since_save": self.trades_since_save,
            "save_due": self.save_due,
            "rows": [msgspec.to_builtins(row) for row in self._sorted()],
        }

    def load_from_dict(self, exported: dict[str, Any]) -> None:
        """Replace the whole state by an exported one; a refused one leaves it as it was.

        Raises:
            DataCorrupt: another schema, missing or unknown fields, values of the wrong type, contradictions.
        """
        document = checked(exported)
        rows = {(row.template, row.hypothetical): row for row in document.rows}
        if len(rows) != len(document.rows):
            raise DataCorrupt("learning state: a template has two rows in one book, expected one; restore or remove it")
        for row in rows.values():  # a window made smaller since: the newest stay
            for results in (row.real, row.shadow):
                del results[: max(0, len(results) - self.config.window_trades)]
        self._rows = rows
        self._add_missing_rows()
        self.trades_since_save = document.trades_since_save
        self.save_due = document.save_due

    def _add_missing_rows(self) -> None:
        for template in self._templates:
            self._row(template, hypothetical=self.hypothetical)

    def _row(self, template: str, *, hypothetical: bool) -> Row:
        row = self._rows.get((template, hypothetical))
        if row is None:
            row = self._rows[template, hypothetical] = Row(template=template, hypothetical=hypothetical)
        return row

    def _find(self, template: str) -> Row | None:
        return self._rows.get((template, self.hypothetical))

    def _sorted(self) -> list[Row]:
        return [self._rows[key] for key in sorted(self._rows)]


def _nets(results: list[Result]) -> list[int]:
    return [result.net_uusd for result in results]
