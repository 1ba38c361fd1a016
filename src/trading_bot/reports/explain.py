"""Why a decision was made, and what became of its order: from tick to fill, each step with its number in the log.

What the log holds is quoted. What it does not hold (signals, beliefs, the inputs of the gates) is recomputed by playing
the log up to the decision; that needs the build that wrote it.
"""

from typing import Any, Final

import msgspec

from trading_bot.core.event_log import LogReader
from trading_bot.core.levels_desk import level_rows
from trading_bot.core.on_outcome import decision_inputs
from trading_bot.core.player import Player
from trading_bot.domain.errors import ReplayDiverged
from trading_bot.domain.events import DecisionMade, OutcomeReached
from trading_bot.domain.kernel import Candidate, Outcome
from trading_bot.domain.reasons import GateReason
from trading_bot.reports.belief_parts import BeliefParts, belief_parts
from trading_bot.reports.explain_story import Numbered, Story, order_ref
from trading_bot.reports.explain_words import StoryLine, story_lines
from trading_bot.reports.log_export import Row, show

_TICKS_SHOWN: Final = 3  # market records before the decision


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything behind one decision. What had to be recomputed is None in a log of another build (`note`)."""

    log: str
    decision_seq: int
    outcome_seq: int
    ts_ns: int
    order_ref: str | None
    decision: dict[str, Any]
    gates: tuple[dict[str, Any], ...]
    terms: dict[str, Any] | None
    belief: BeliefParts | None
    signals: dict[str, float | None] | None
    inputs: dict[str, Any] | None
    ticks: tuple[Row, ...]
    steps: tuple[dict[str, Any], ...]
    note: str = ""
    levels: tuple[dict[str, Any], ...] | None = None
    context: tuple[dict[str, Any], ...] | None = None
    story: tuple[StoryLine, ...] = ()


def explain(story: Story, *, build: str) -> Explanation:
    """Take the decision of `story` apart. `build` names the running kernel and core.

    Raises:
        ReplayDiverged: the log does not follow from its inputs, at a record before the decision.
        LogCorrupt: a damaged record.
    """
    made, outcome = story.decision.record, story.outcome.record
    assert isinstance(made, DecisionMade)
    assert isinstance(outcome, OutcomeReached)
    player = _play(story, outcome, build)
    assert player.machine is not None
    state = player.machine.state
    index = list(state.documents.templates).index(made.template)
    known = player.compared
    rows = (story.outcome, story.decision, *story.chain)
    candidate = next((row for row in outcome.candidates if (row.template, row.side) == (index, made.side)), None)
    if story.proposed is not None:
        candidate = story.proposed.candidate
    return Explanation(
        log=str(story.log),
        decision_seq=story.decision.seq,
        outcome_seq=story.outcome.seq,
        ts_ns=made.ts_ns,
        order_ref=order_ref(story.order_id) if story.order_id else None,
        decision=msgspec.to_builtins(made),
        gates=_gates(made.mask),
        terms=_terms(candidate) if candidate else None,
        belief=belief_parts(state, index, made.side) if known else None,
        signals=state.kernel.signals() if known else None,
        inputs=msgspec.to_builtins(decision_inputs(state, outcome.ts_ns, outcome.dvs_c)) if known else None,
        ticks=_ticks(story),
        steps=tuple(_step(row) for row in rows),
        story=story_lines(rows, state.documents.instrument),
        note="" if known else "another build wrote this log: signals and gate inputs are not recomputed",
        levels=level_rows(state) if known else None,
        context=tuple(msgspec.structs.asdict(held) for held in state.context.held) if known else None,
    )


def _play(story: Story, outcome: OutcomeReached, build: str) -> Player:
    """The machine as it stood when the kernel had found the outcome and nothing had been decided."""
    player = Player(build=build)
    with LogReader(story.log) as reader:
        player.play(reader.spans(), until_seq=story.outcome.seq - 1)
    assert player.machine is not None
    if player.compared and player.owed_outcome is None:  # found at a grid point, not by a tick
        code = player.machine.state.kernel.on_time(outcome.ts_ns)
        if not code:
            raise ReplayDiverged(
                story.outcome.seq, f"the log has {Outcome(outcome.code)!r} at {outcome.ts_ns}; replay finds nothing"
            )
    return player


def _gates(mask: int) -> tuple[dict[str, Any], ...]:
    """Every gate in the order of authority. A refusal of the safety gate comes after all the others have passed."""
    return tuple({"gate": gate.name, "blocks": bool(mask >> gate & 1)} for gate in GateReason)


def _terms(candidate: Candidate) -> dict[str, Any]:
    """The candidate in natural units: what the log holds in millionths, divided."""
    fields = msgspec.structs.asdict(candidate)
    return {
        name.removesuffix("_e6"): value / 1_000_000 if name.endswith("_e6") else value for name, value in fields.items()
    }


def _ticks(story: Story) -> tuple[Row, ...]:
    """The last market records before the outcome; one found at a grid point may have none close by."""
    first = max(1, story.outcome.seq - 64)
    rows = [row for row in show(story.log, from_seq=first, to_seq=story.outcome.seq) if row["kind"] != "MESSAGE"]
    return tuple(rows[-_TICKS_SHOWN:])


def _step(row: Numbered) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(row.record, builtin_types=(bytes,))
    tag = fields.pop("kind", None) or fields.pop("tag", None) or type(row.record).__name__
    kept = {name: value for name, value in fields.items() if not isinstance(value, bytes) and name != "candidates"}
    return {"seq": row.seq, "cause_seq": row.cause_seq, "what": tag, **kept}
