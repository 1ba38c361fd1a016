"""What happened on a day and is told in a line each: learning, breakers, and what was wrong."""

from typing import Any

from trading_bot.domain import events, rule_events, trade_events
from trading_bot.domain.effects import Alert, LatchKillSwitch
from trading_bot.domain.learning import LearningOrdered, LearningState, LearningUpdate
from trading_bot.domain.units import UUSD_PER_USD
from trading_bot.engines.belief import PARAMETER
from trading_bot.reports.day_end_records import Change, Count
from trading_bot.reports.fact_records import Facts, Told

_ORDER = (LearningState.ACTIVE, LearningState.THROTTLED_120, LearningState.THROTTLED_150, LearningState.QUARANTINED)


def learning(facts: Facts) -> tuple[Change, ...]:
    """Transitions of templates, values adopted, and trouble with the file, in their order."""
    kinds = ("LEARNING_UPDATE", "LEARNING_ORDERED", "PARAMS_ADOPTED", "LEARNING_REFUSED", "LEARNING_SAVE_FAILED")
    return _changes(facts, kinds, _learned)


def _learned(record: Any) -> tuple[str, str, str]:
    match record:
        case LearningUpdate():
            evidence = record.evidence
            text = (
                f"{record.previous.value} → {record.state.value}: {evidence.finding.value}, "
                f"{evidence.wins} of {evidence.n} {'shadow ' if evidence.shadow else ''}trades won, "
                f"mean {evidence.mean_uusd / UUSD_PER_USD:+.2f} USD, P {evidence.p_e6 / 1e6:.2f}"
            )
            worse = _rank(record.state) > _rank(record.previous)
            return record.template, text, "warn" if worse else "good"
        case LearningOrdered():
            return record.template, f"{record.finding.value} by {record.source}: {record.reason}", ""
        case trade_events.ParamsAdopted() if record.parameter.startswith(PARAMETER):
            brought, promised = record.actual / UUSD_PER_USD, record.expected / UUSD_PER_USD
            text = f"{record.old / 1e6:.3f} → {record.new / 1e6:.3f}: {record.fills} trades brought {brought:+.2f} USD"
            return record.parameter, f"{text} of {promised:+.2f} promised", ""
        case trade_events.ParamsAdopted():
            why = f"adopted in set {record.set_number}: {record.evidence}" if record.set_number else ""
            return record.parameter, f"{record.old} → {record.new} {why or f'over {record.fills} fills'}", ""
        case events.LearningRefused():
            return "file refused", f"{record.reason}; rebuilt from {record.rebuilt_from}", "bad"
        case _:
            return "not saved", str(record.reason), "bad"


def _rank(state: LearningState) -> int:
    return _ORDER.index(state) if state in _ORDER else len(_ORDER)


def breakers(facts: Facts) -> tuple[Change, ...]:
    """Breakers and rules of the account that tripped or were reset."""
    return _changes(facts, ("BREAKER_CHANGED", "RULE_CHANGED"), _stopped)


def _stopped(record: Any) -> tuple[str, str, str]:
    name = record.rule if isinstance(record, rule_events.RuleChanged) else record.breaker
    if record.tripped:
        return str(name), f"tripped ({record.response}): {record.reason}", "bad"
    return str(name), f"reset: {record.reason}", "good"


def trouble(facts: Facts) -> tuple[Change, ...]:
    """Kill switch, failures of the core or of a strategy, restarts, and data that went down."""
    kinds = (
        "LATCH_KILL_SWITCH",
        "KILL_CLEARED",
        "CORE_FAILED",
        "STRATEGY_FAILED",
        "PROCESS_STARTED",
        "QUALITY_STATE_CHANGED",
        "SESSION_EXIT_FLATTEN",
    )
    return _changes(facts, kinds, _told)


def _told(record: Any) -> tuple[str, str, str]:
    match record:
        case LatchKillSwitch():
            return "kill switch", f"{record.reason} (by {record.source})", "bad"
        case events.KillCleared():
            return "kill switch cleared", f"{record.reason} (by {record.source})", ""
        case events.CoreFailed():
            return "core failed", f"{record.error} at record {record.failed_seq}", "bad"
        case events.StrategyFailed():
            return "strategy failed", f"{record.template}: {record.error}", "bad"
        case events.ProcessStarted():
            torn = f", {record.torn_bytes:,} torn bytes dropped" if record.torn_bytes else ""
            return "restart", f"recovery {record.recovery} after record {record.last_seq}{torn}", "warn"
        case events.SessionExitFlatten():
            return "flat before the close", f"begun with position {record.position_qty:+d}: {record.reason}", ""
        case _:
            down = bool(record.data_down)
            return ("data down" if down else "data back"), f"score {record.dvs_c / 100:.2f}", "warn" if down else ""


def alerts(facts: Facts) -> tuple[Count, ...]:
    """Alerts by level and code, the gravest first."""
    places: dict[tuple[str, str], dict[str, list[int]]] = {}
    for one in facts.told("ALERT"):
        if isinstance(one.record, Alert):
            found = places.setdefault((one.record.level, one.record.code), {})
            found.setdefault(one.log, []).append(one.seq)
    levels = ("critical", "error", "warning")
    rows = [
        Count(
            name=code,
            count=sum(map(len, found.values())),
            meaning=level,
            records={log: tuple(seqs) for log, seqs in found.items()},
        )
        for (level, code), found in places.items()
    ]
    grave = {level: place for place, level in enumerate(levels)}
    return tuple(sorted(rows, key=lambda row: (grave.get(row.meaning, len(levels)), -row.count, row.name)))


def _changes(facts: Facts, kinds: tuple[str, ...], describe: Any) -> tuple[Change, ...]:
    """The records of these kinds as lines, in the order of their logs."""
    order = {row.log: place for place, row in enumerate(facts.sessions)}
    told: list[Told] = [one for kind in kinds for one in facts.told(kind)]
    lines = []
    for one in sorted(told, key=lambda one: (order[one.log], one.seq)):
        what, text, tone = describe(one.record)
        lines.append(Change(log=one.log, seq=one.seq, ts_ns=one.record.ts_ns, what=what, text=text, tone=tone))
    return tuple(lines)
