"""Proposals: what finished trades ask to be changed, bounded, and tried in shadow before anybody is asked (LE05).

A proposal changes nothing. It is made from one world's trades, all under the parameters in force, and says what it is
based on; only `learning adopt` puts it in force, for sessions that begin later.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from trading_bot.analytics.attribution import Attributions, attribute
from trading_bot.analytics.belief_evidence import read_beliefs
from trading_bot.analytics.proposal_files import NotProposed, Proposal, sealed
from trading_bot.analytics.proposal_rules import Evidence, Wish, wishes
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.errors import ConfigError, LogCorrupt, UsageError
from trading_bot.domain.learned import LearnedBooks, LearnedSet, LearnedValue, ParamChange, SetKind
from trading_bot.domain.templates import TemplateConfig
from trading_bot.engines.learned_params import (
    ATTRIBUTABLE_MIN,
    ONE_E6,
    SHADOW_MIN,
    STOP_TICKS,
    parts_of,
    room_e6,
    value_e6,
    with_learned,
    without_learned,
)
from trading_bot.reports.fact_records import Facts, SessionFact
from trading_bot.reports.trade_facts import read_facts
from trading_bot.research.challenger import Challenge, compare, documents_of, play, whole_runs
from trading_bot.strategy_files import refuse_unreachable


class _Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that count, what the newest was run with, and why others do not count."""

    hypothetical: bool
    documents: RunDocuments
    facts: Facts
    left_out: tuple[str, ...]


def propose(
    paths: Sequence[Path],
    books: LearnedBooks,
    *,
    now_ns: int,
    scratch: Path,
    hypothetical: bool | None = None,
    on_run: Callable[[Path], None] | None = None,
) -> Proposal:
    """What the trades at `paths` (run folders, logs or data directories) ask to be changed.

    Args:
        paths: where the logs are.
        books: the sets adopted so far.
        now_ns: wall time, which says how much of the week's bounds is left.
        scratch: a folder for the runs under the present and the proposed parameters.
        hypothetical: which world's trades; None: real ones where there are any.
        on_run: told after each of those runs.

    Raises:
        UsageError: no such trades.
        ConfigError: the newest log was not run under the set in force.
        ReplayDiverged: a log does not follow from its inputs.
    """
    chosen = _choose(read_facts(paths), hypothetical)
    sets = books.book(hypothetical=chosen.hypothetical)
    newest = sets[-1] if sets else None
    held = chosen.documents.learned
    if (held.number if held else 0) != (newest.number if newest else 0):
        raise ConfigError(
            f"the newest log was run with set {held.number if held else 0}, in force is set "
            f"{newest.number if newest else 0}: nothing is known of it yet; let it trade first"
        )
    base = without_learned(chosen.documents.templates, newest)
    attributions = attribute(chosen.facts)
    asked, refused = _asked(chosen, attributions)
    changes = []
    for wish, rows in asked:
        try:
            changes.append(_bounded(wish, rows, chosen.documents, base, sets, now_ns))
        except ConfigError as error:
            refused.append(NotProposed(parameter=wish.parameter, why=str(error)))
    challenge = None
    if changes:
        proposed = with_changes(chosen.documents.templates, changes)
        runs = whole_runs([Path(session.log) for session in chosen.facts.sessions])
        champion = play(runs, chosen.documents.templates, scratch / "champion", on_run)
        challenger = play(runs, proposed, scratch / "challenger", on_run)
        challenge = compare(champion, challenger, recorded=chosen.facts)
        changes = _shadowed(changes, chosen.facts, challenge, refused)
    touched = {parts_of(change.parameter)[0] for change in changes}
    return sealed(
        Proposal(
            created_at_ns=now_ns,
            instrument=chosen.documents.instrument.symbol,
            hypothetical=chosen.hypothetical,
            based_on=newest.number if newest else 0,
            logs=tuple(session.log for session in chosen.facts.sessions),
            left_out=chosen.left_out,
            changes=tuple(changes),
            not_proposed=tuple(refused),
            evidence=attributions.templates,
            templates={name: template for name, template in base.items() if name in touched},
            shadow_run=challenge,
        )
    )


def _choose(facts: Facts, hypothetical: bool | None) -> _Chosen:  # noqa: FBT001
    if hypothetical is None:
        hypothetical = not any(not trade.hypothetical for trade in facts.entered())
    sessions = [one for one in facts.sessions if one.hypothetical is hypothetical]
    left_out = [f"{one.log}: fills of the other kind" for one in facts.sessions if one.hypothetical is not hypothetical]
    if not sessions:
        kind = "a simulator's" if hypothetical else "real"
        raise UsageError(f"no session with {kind} fills in these logs; give others, or ask for the other book")
    newest = documents_of(Path(sessions[-1].log))
    kept = []
    for session in sessions:
        why = _why_not(session, newest)
        if why:
            left_out.append(f"{session.log}: {why}")
        else:
            kept.append(session)
    logs = {session.log for session in kept}
    trades = tuple(trade for trade in facts.trades if trade.log in logs and trade.hypothetical is hypothetical)
    chosen = msgspec.structs.replace(facts, sessions=tuple(kept), trades=trades)
    return _Chosen(hypothetical=hypothetical, documents=newest, facts=chosen, left_out=tuple(left_out))


def _why_not(session: SessionFact, newest: RunDocuments) -> str:
    """Why a session's trades say nothing of the parameters in force; empty when they do."""
    try:
        documents = documents_of(Path(session.log))
    except LogCorrupt as error:
        return f"what it was run with is of another version ({error})"
    if documents.instrument != newest.instrument:
        return f"trades {documents.instrument.symbol}"
    if documents.templates != newest.templates:
        return "was run with other templates or parameters"
    return ""


def _asked(
    chosen: _Chosen, attributions: Attributions
) -> tuple[list[tuple[Wish, Sequence[Evidence]]], list[NotProposed]]:
    facts = {(trade.log, trade.trade_id): trade for trade in chosen.facts.trades}
    rows: dict[str, list[Evidence]] = defaultdict(list)
    usable = [row for row in attributions.trades if row.attributable]
    beliefs = read_beliefs(facts[row.log, row.trade_id] for row in usable)
    for row in usable:
        key = (row.log, row.trade_id)
        rows[row.template].append(Evidence(row, facts[key], beliefs.products.get(key, {})))
    asked: list[tuple[Wish, Sequence[Evidence]]] = []
    refused = [NotProposed(parameter="template.*.weights", why=f"{log}: of another build") for log in beliefs.unread]
    for name, template in chosen.documents.templates.items():
        if not template.on:
            continue
        held = rows.get(name, [])
        found = wishes(name, template, held)
        asked += [(wish, held) for wish in found]
        if len(held) < ATTRIBUTABLE_MIN:
            why = f"{len(held)} attributable trades, {ATTRIBUTABLE_MIN} are needed"
            refused.append(NotProposed(parameter=f"template.{name}", why=why))
        elif not found:
            why = f"{len(held)} attributable trades ask for no change"
            refused.append(NotProposed(parameter=f"template.{name}", why=why))
    return asked, refused


def _bounded(
    wish: Wish,
    rows: Sequence[Evidence],
    documents: RunDocuments,
    base: Mapping[str, TemplateConfig],
    sets: tuple[LearnedSet, ...],
    now_ns: int,
) -> ParamChange:
    """The wish within what the week has left, and only if the template with it could still trade.

    Raises:
        ConfigError: it cannot be.
    """
    name, field, _ = parts_of(wish.parameter)
    old_e6, base_e6 = value_e6(documents.templates, wish.parameter), value_e6(base, wish.parameter)
    assert old_e6 is not None, f"{wish.parameter} is of a template that was run"
    assert base_e6 is not None, f"{wish.parameter} is of a template that was run"
    if field == STOP_TICKS and name in documents.maps:
        raise ConfigError(f"{wish.reason}; but a calibration map holds for the stop it was fitted at")
    low_e6, high_e6 = room_e6(sets, wish.parameter, base_e6, now_ns)
    new_e6 = min(max(old_e6 + wish.step_e6, low_e6), high_e6)
    if (new_e6 - old_e6) * wish.step_e6 <= 0:
        raise ConfigError(
            f"{wish.reason}; but this week's bounds, {low_e6 / ONE_E6:g} to {high_e6 / ONE_E6:g}, are used up"
        )
    if new_e6 == 0 or (new_e6 > 0) is not (old_e6 > 0):
        raise ConfigError(f"{wish.reason}; but a weight of 0 says nothing: take the signal out of the strategy file")
    change = ParamChange(
        parameter=wish.parameter,
        old_e6=old_e6,
        new_e6=new_e6,
        trades=len(rows),
        shadow_trades=0,
        actual_uusd=sum(one.row.net_uusd for one in rows),
        expected_uusd=sum(one.row.skill_uusd or 0 for one in rows),
        reason=wish.reason,
    )
    changed = with_changes(documents.templates, [change])
    refuse_unreachable(wish.parameter, changed, instrument=documents.instrument, config=documents.config)
    return change


def with_changes(templates: Mapping[str, TemplateConfig], changes: Sequence[ParamChange]) -> dict[str, TemplateConfig]:
    """The templates of a log with changes to the parameters they had.

    Raises:
        ConfigError: they had other values, or the result is no template.
    """
    values = tuple(
        LearnedValue(
            parameter=change.parameter,
            base_e6=change.old_e6,
            value_e6=change.new_e6,
            trades=change.trades,
            shadow_trades=change.shadow_trades,
            actual_uusd=change.actual_uusd,
            expected_uusd=change.expected_uusd,
            reason=change.reason,
        )
        for change in changes
    )
    tried = LearnedSet(number=1, kind=SetKind.ADOPTED, adopted_at_ns=0, hypothetical_evidence=True, values=values)
    return with_learned(templates, tried)


def _shadowed(
    changes: Sequence[ParamChange], facts: Facts, challenge: Challenge, refused: list[NotProposed]
) -> list[ParamChange]:
    """Changes with the shadow trades behind them: those in the logs, and those under the proposed parameters."""
    kept = []
    for change in changes:
        name = parts_of(change.parameter)[0]
        logged = sum(trade.shadow and trade.template == name for trade in facts.trades)
        count = logged + challenge.challenger.by_template.get(name, (0, 0))[0]
        if count < SHADOW_MIN:
            why = f"{change.reason}; but only {count} shadow trades, {SHADOW_MIN} are needed"
            refused.append(NotProposed(parameter=change.parameter, why=why))
        else:
            kept.append(msgspec.structs.replace(change, shadow_trades=count))
    return kept
