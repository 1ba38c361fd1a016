"""What happened around the trades: breakers, kills, restarts, learning, alerts; and what the report was made from."""

from typing import Final

from trading_bot.domain import events, rule_events, trade_events
from trading_bot.domain.effects import Alert, LatchKillSwitch
from trading_bot.domain.learning import LearningUpdate
from trading_bot.domain.units import usd_from_uusd
from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import DayInputs, Sourced
from trading_bot.pages.page import BAD, WARN, Block, Column, Note, Pairs, Row, Section, Table, Value
from trading_bot.reports import day_spans
from trading_bot.reports.fact_records import Facts, SessionFact, Told
from trading_bot.reports.trade_facts import tag_of

_KINDS: Final = (
    "PROCESS_STARTED", "RUN_ENDED", "CORE_FAILED", "LATCH_KILL_SWITCH", "KILL_CLEARED", "BREAKER_CHANGED",
    "LEARNING_UPDATE", "PARAMS_ADOPTED", "QUALITY_STATE_CHANGED", "LOCKOUT_CHANGED", "SESSION_EXIT_FLATTEN",
    "STOP_REQUESTED", "RULE_CHANGED", "STRATEGY_FAILED",
)  # fmt: skip
_COLUMNS: Final = (Column("time", hint="New York"), Column("what"), Column("of it"), Column("record", number=True))
EVENTS_MAX: Final = 400
_TOLD_ABOVE: Final = (
    "BREAKER_",
    "LOCKOUT_",
    "KILL_",
    "LEARNING_UPDATE",
    "DATA_",
)  # alerts that an event above says as well


def course_section(inputs: DayInputs, sourced: Sourced) -> Section:
    """Everything that was not a trade, in order of time."""
    facts = inputs.facts
    told = sorted((row for kind in _KINDS for row in facts.told(kind)), key=lambda row: (row.record.ts_ns, row.seq))
    rows = [_row(row, sourced) for row in told]
    note = ""
    if len(rows) > EVENTS_MAX:
        note = f"The first {EVENTS_MAX} of {len(rows):,}; `trading-bot log show` has all."
    blocks: list[Block] = [
        Table(
            title="Events", columns=_COLUMNS, rows=tuple(rows[:EVENTS_MAX]), note=note,
            empty="Nothing happened around the trades: no restart, no breaker, no kill, no change of a template.",
        )
    ]  # fmt: skip
    warnings = [row for row in facts.told("ALERT") if not _alert(row).code.startswith(_TOLD_ABOVE)]
    if warnings:
        blocks.append(
            Table(
                title="Other alerts",
                columns=_COLUMNS,
                rows=tuple(
                    Row(
                        (
                            numbers.clock(row.record.ts_ns),
                            _alert(row).code,
                            _alert(row).text,
                            sourced.told("alert", row),
                        )
                    )
                    for row in warnings[:EVENTS_MAX]
                ),
            )
        )
    return Section(anchor="course", title="Course of the day", short="Course", blocks=tuple(blocks))


def _alert(row: Told) -> Alert:
    assert isinstance(row.record, Alert)
    return row.record


def _row(row: Told, sourced: Sourced) -> Row:
    what, of_it, tone = _told(row)
    return Row((numbers.clock(row.record.ts_ns), Value(what, tone), of_it, sourced.told(what, row)))


def _told(row: Told) -> tuple[str, str, str]:
    """What a record says, in people's words: what, of it, tone."""
    match row.record:
        case trade_events.BreakerChanged() as found:
            name = found.breaker.replace("_", " ").lower()
            return (f"breaker {name}", found.reason, WARN) if found.tripped else (f"{name} reset", found.reason, "")
        case LearningUpdate() as found:
            name = day_spans.LEARNING_NAMES.get(found.state, "active")
            proof = found.evidence
            mean = usd_from_uusd(proof.mean_uusd)
            text = (
                f"{proof.finding.value.lower()}: {proof.n} trades, {proof.wins} won, expectancy {mean:+.2f} USD a trade"
            )
            return f"{found.template} {name}", text.replace("-", numbers.MINUS), WARN
        case LatchKillSwitch() as found:
            return "kill switch", f"{found.reason} ({found.source})", BAD
        case events.KillCleared() as found:
            return "kill cleared", f"{found.reason} ({found.source})", ""
        case events.CoreFailed() as found:
            return "the core failed", found.error, BAD
        case events.ProcessStarted() as found:
            return "process went on", f"recovery {found.recovery}, {found.torn_bytes} torn bytes", WARN
        case events.RunEnded() as found:
            return "run ended", found.exit_reason, ""
        case events.QualityStateChanged() as found:
            what = "data down" if found.data_down else "data good again"
            return what, f"score {found.dvs_c / 100:.2f}", WARN if found.data_down else ""
        case events.LockoutChanged() as found:
            return f"lockout {found.lockout.lower()}", found.reason, WARN if found.until_ns else ""
        case events.SessionExitFlatten() as found:
            return "flat before the close", f"position {found.position_qty}", ""
        case trade_events.ParamsAdopted() as found:
            return "adopted", f"{found.parameter}: {found.old} to {found.new}, from {found.fills} fills", WARN
        case rule_events.RuleChanged() as found:
            return f"rule {found.rule.replace('_', ' ').lower()}", found.reason, WARN if found.tripped else ""
        case record:
            return tag_of(type(record)).lower().replace("_", " "), getattr(record, "reason", ""), ""


def about_section(inputs: DayInputs, sourced: Sourced) -> Section:
    """What the report was made from, and what the logs do not tell."""
    facts, ledger = inputs.facts, inputs.ledger
    notes = [Note(sourced.text(text), WARN) for text in (*facts.notes, *ledger.notes, *inputs.left_out)]
    return Section(
        anchor="about",
        title="What this was made from",
        short="About",
        lead="From the event log alone. The same log gives the same report; a replay proves the log.",
        blocks=(*(_session(row, facts, sourced) for row in facts.sessions), *dict.fromkeys(notes)),
    )


def _session(row: SessionFact, facts: Facts, sourced: Sourced) -> Pairs:
    mode = f"{row.mode}, {row.adapter}, {row.instrument}"
    ended = row.exit_reason or "has no orderly end"
    trades = sum(1 for trade in facts.trades if trade.log == row.log and not trade.shadow)
    return Pairs(
        title=sourced.log(row.log),
        half=True,
        pairs=(
            ("run", mode + (", HYPOTHETICAL fills" if row.hypothetical else "")),
            ("time in New York", f"{numbers.clock(row.ts_first_ns)} to {numbers.clock(row.ts_last_ns)}"),
            ("records", f"{row.records:,}, {row.ticks:,} of the market"),
            ("trades closed", str(trades)),
            ("end", ended + (f", {row.torn_bytes} torn bytes dropped" if row.torn_bytes else "")),
            ("restarts", str(row.restarts)),
            ("configuration", row.config_hash[:16]),
            ("build", row.kernel_build[:16]),
        ),
    )
