"""What the LearningLoop keeps of a template, as it is exported, read back and raised from an earlier schema."""

import copy
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.learning import LearningState, LearningUpdate
from trading_bot.domain.trade_events import ParamsAdopted
from trading_bot.engines.belief import ONE_E6, PARAMETER, InForce, Promise, begun_on
from trading_bot.engines.learning_metrics import Count, ReliabilityMetrics

SCHEMA_VERSION: Final = 2
_NOT_KNOWN: Final = [None, None, None]  # what a result of schema 1 does not say


class Result(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What is kept of one trade as evidence; None: the decision did not say."""

    exit_ts_ns: Annotated[int, Meta(ge=0)]
    net_uusd: int
    regime: str
    bucket: str
    belief_e6: int | None
    p_e6: int | None
    promised_uusd: int | None

    @property
    def promise(self) -> Promise | None:
        """What its belief promised, and what came of it."""
        if self.belief_e6 is None or self.p_e6 is None or self.promised_uusd is None:
            return None
        return Promise(self.belief_e6, self.p_e6, self.promised_uusd, self.net_uusd)


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A template in one book: `real` holds its newest own trades of this epoch, `shadow` those of its quarantine.

    The `belief_` fields are the factor in force, the one its week began with, and the trade date of the last look.
    """

    template: Annotated[str, Meta(min_length=1)]
    hypothetical: bool
    state: LearningState = LearningState.ACTIVE
    epoch: Count = 0
    since_ns: int = 0
    since_look: Count = 0
    shadow_since_look: Count = 0
    real: list[Result] = []
    shadow: list[Result] = []
    lifetime: ReliabilityMetrics = msgspec.field(default_factory=ReliabilityMetrics)
    shadow_lifetime: ReliabilityMetrics = msgspec.field(default_factory=ReliabilityMetrics)
    last_update: LearningUpdate | None = None
    belief_factor_e6: Annotated[int, Meta(ge=0, le=ONE_E6)] = ONE_E6
    belief_week_e6: Annotated[int, Meta(ge=0, le=ONE_E6)] = ONE_E6
    belief_date: Count = 0

    @property
    def belief(self) -> InForce:
        """The factor in force."""
        return InForce(factor_e6=self.belief_factor_e6, week_e6=self.belief_week_e6, date=self.belief_date)

    def set_belief(self, belief: InForce) -> None:
        """Another factor comes into force."""
        self.belief_factor_e6, self.belief_week_e6, self.belief_date = belief.factor_e6, belief.week_e6, belief.date

    def promises(self) -> list[Promise]:
        """Of the trades that are evidence, those whose decision said what it expected."""
        return [found for result in self.real if (found := result.promise) is not None]


class Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An export of the whole loop."""

    schema: int
    trades_since_save: Count
    save_due: bool
    rows: list[Row]


def checked(exported: Any) -> Document:
    """The document an export holds, raised to this schema, with what its types cannot say checked as well.

    Raises:
        DataCorrupt: another schema, missing or unknown fields, values of the wrong type, contradictions.
    """
    schema = exported.get("schema") if isinstance(exported, dict) else None
    if schema not in {1, SCHEMA_VERSION} or isinstance(schema, bool):
        raise DataCorrupt(
            f"learning state: schema {schema!r} found, expected {SCHEMA_VERSION} or 1; "
            "use the version of the bot that wrote it, or remove it: it is rebuilt from the log"
        )
    try:
        document = msgspec.convert(_raised(exported), Document)
    except (msgspec.ValidationError, TypeError, AttributeError) as error:
        raise DataCorrupt(f"learning state: {error}; remove it: it is rebuilt from the log") from error
    for row in document.rows:
        problem = _contradiction(row)
        if problem:
            raise DataCorrupt(f"learning state of {row.template}: {problem}; remove it: it is rebuilt from the log")
    return document


def _raised(exported: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 knew no promises and no factors: its results say nothing about belief, every factor is 1."""
    if exported["schema"] == SCHEMA_VERSION:
        return exported
    raised = copy.deepcopy(exported)
    raised["schema"] = SCHEMA_VERSION
    for row in raised.get("rows", ()):
        for name in ("real", "shadow"):
            row[name] = [[*result, *_NOT_KNOWN] for result in row.get(name, ())]
    return raised


def with_adopted(exported: dict[str, Any] | None, adoption: ParamsAdopted, trade_date: int) -> dict[str, Any] | None:
    """An export with the factor that a log tells of; where a state is rebuilt from the facts of a log."""
    name, _, template = adoption.parameter.partition("/")
    if exported is None or name != PARAMETER:
        return exported
    document = checked(exported)
    for row in document.rows:
        if (row.template, row.hypothetical) == (template, adoption.hypothetical):
            begun = row.belief if row.belief_date == trade_date else begun_on(row.belief, trade_date)
            row.set_belief(msgspec.structs.replace(begun, factor_e6=adoption.new))
    return dict(msgspec.to_builtins(document))


def _contradiction(row: Row) -> str:
    for name, totals, results in (("real", row.lifetime, row.real), ("shadow", row.shadow_lifetime, row.shadow)):
        if totals.wins > totals.trades:
            return f"{totals.wins} {name} wins in {totals.trades} trades"
        if totals.gain_uusd - totals.loss_uusd != totals.net_uusd:
            return f"{name} gains {totals.gain_uusd} less losses {totals.loss_uusd} are not the net {totals.net_uusd}"
        if len(results) > totals.trades:
            return f"{len(results)} {name} results of only {totals.trades} trades"
    if row.last_update is None:
        return "" if row.state is LearningState.ACTIVE else f"state {row.state} without the change that led to it"
    if row.last_update.state is not row.state:
        return f"state {row.state}, but its last change led to {row.last_update.state}"
    return ""
