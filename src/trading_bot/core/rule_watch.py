"""The account's rule pack in the loop: every change is an event and an alert, and does what its rule asks for (NV12).

Rules only ever allow less: they stop entries, flatten, or pull the kill switch; exits pass them like every gate.
"""

from typing import Any, Final

import msgspec

from trading_bot.core.flattening import flatten, pull_kill_switch
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries
from trading_bot.domain.config import canonical
from trading_bot.domain.effects import Alert, ArmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.rule_events import RuleChanged, RulesMarked
from trading_bot.domain.rule_pack import RulePack, RuleResponse
from trading_bot.domain.units import UUSD_PER_USD
from trading_bot.engines import rule_pack
from trading_bot.engines.breaker_table import Money
from trading_bot.engines.flatten import FlattenKind
from trading_bot.engines.rule_pack import RuleChange, Standing

RULES_TIMER: Final = "rules"
_STEP_UUSD: Final = UUSD_PER_USD  # a new high is written down once it is a dollar above the one that was
_LEVEL: Final = {RuleResponse.PAUSE: "warning", RuleResponse.FLATTEN: "error", RuleResponse.KILL: "critical"}

Results = list[Event | Effect]


def mark(state: State, ts_ns: int, money: Money) -> Results:
    """Look at the money, wherever the breakers do."""
    pack = state.documents.rules
    if pack is None:
        return []
    results: Results = []
    if state.rules.pack != pack.identity:
        state.rules = rule_pack.begin(pack, money.account, state.ledger_date)
        results += look_at_clock(state, ts_ns)
    results += _settle(state, ts_ns, rule_pack.roll(state.rules, money.account, state.ledger_date))
    day_end_ns = state.day.globex_close_ns if state.day else ts_ns
    change = rule_pack.mark(state.rules, pack, money.account, money.unrealised_uusd, ts_ns, day_end_ns)
    results += _settle(state, ts_ns, change)
    return [*results, *_remember(state, ts_ns), *_keep_flat(state, ts_ns, pack)]


def look_at_clock(state: State, ts_ns: int) -> Results:
    """At the pack's times of day, and where a session or a process begins."""
    pack = state.documents.rules
    if pack is None:
        return []
    results: Results = []
    if state.rules.pack == pack.identity:  # before that a log has not said what earlier ones remember
        results += _settle(state, ts_ns, rule_pack.look_at_clock(state.rules, pack, state.day, ts_ns))
        results += _keep_flat(state, ts_ns, pack)
    due_ns = rule_pack.next_clock_ns(pack, state.day, ts_ns)
    arm: Results = [] if due_ns is None else [ArmTimer(ts_ns=ts_ns, name=RULES_TIMER, due_ns=due_ns)]
    return [*results, *arm]


def broken(state: State) -> tuple[str, ...]:
    """Names of the rules that stop entries now."""
    if state.documents.rules is None:
        return ()
    return tuple(trip.rule for trip in state.rules.trips)


def blocking(state: State, money: Money | None) -> tuple[str, ...]:
    """The broken ones, and those that the stop of another trade would break; what is unknown blocks."""
    pack = state.documents.rules
    if pack is None:
        return ()
    names = broken(state)
    if money is None or state.rules.pack != pack.identity:
        return (*names, "RULES_UNKNOWN")
    risk_uusd = round(state.config.sizing.max_risk_usd * UUSD_PER_USD) + state.round_trip_uusd
    short = rule_pack.no_room(state.rules, pack, money.account, money.unrealised_uusd, risk_uusd)
    return (*names, *(f"{name}_NO_ROOM" for name in short if name not in names))


def standings(state: State, money: Money | None) -> tuple[Standing, ...]:
    """Where each rule stands; empty without a pack."""
    pack = state.documents.rules
    if pack is None:
        return ()
    account, open_uusd = (None, 0) if money is None else (money.account, money.unrealised_uusd)
    counted = money is not None and state.rules.pack == pack.identity
    return rule_pack.standings(state.rules, pack, account if counted else None, open_uusd, state.day)


def status_rows(state: State, money: Money | None) -> dict[str, Any]:
    """What `status.json` shows of the pack, in dollars; empty without one."""
    pack = state.documents.rules
    if pack is None:
        return {}
    kept = state.rules
    counted = money is not None and kept.pack == pack.identity
    result_uusd = money.account.own_uusd(money.unrealised_uusd) - kept.start_uusd if counted and money else None
    return {
        "pack": pack.name,
        "attempt": pack.attempt,
        "balance_usd": None if result_uusd is None else _usd(pack.account_uusd + result_uusd),
        "result_usd": _usd(result_uusd),
        "today_usd": None if result_uusd is None else _usd(result_uusd - kept.day_start_uusd),
        "best_day_usd": _usd(kept.best_day_uusd),
        "target_usd": _usd(pack.profit_target_uusd),
        "days": kept.days,
        "days_min": pack.days_min,
        "rows": [_row(one) for one in standings(state, money)],
    }


def _row(one: Standing) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "response": one.response.value,
        "limit_usd": _usd(one.limit_uusd),
        "distance_usd": _usd(one.distance_uusd),
        "line_usd": _usd(one.line_uusd),
        "due_ns": one.due_ns,
        "tripped": one.trip is not None,
        "reason": one.trip.reason if one.trip else "",
    }


def _usd(amount_uusd: int | None) -> float | None:
    return None if amount_uusd is None else round(amount_uusd / UUSD_PER_USD, 2)


def _settle(state: State, ts_ns: int, change: RuleChange) -> Results:
    state.rules, told = change
    if told:
        state.rules_recorded = state.rules
    results: Results = []
    for one in told:
        what = "broken" if one.tripped else "reset"
        results += [
            RuleChanged(
                ts_ns=ts_ns,
                rule=one.rule,
                response=one.response.value,
                tripped=one.tripped,
                resumes_at_ns=one.resumes_at_ns,
                reason=one.reason,
                rules=canonical(state.rules),
            ),
            Alert(
                ts_ns=ts_ns,
                level=_LEVEL[one.response] if one.tripped else "info",
                code="RULE_TRIPPED" if one.tripped else "RULE_RESET",
                text=f"{one.rule} {what}: {one.reason}",
            ),
        ]
    for one in told:
        if one.tripped:
            results += _respond(state, ts_ns, one.response, f"rule {one.rule}: {one.reason}")
    return results


def _respond(state: State, ts_ns: int, response: RuleResponse, reason: str) -> Results:
    if response is RuleResponse.KILL:
        return pull_kill_switch(state, ts_ns, reason, "rules")
    return cancel_entries(state, ts_ns, reason)


def _keep_flat(state: State, ts_ns: int, pack: RulePack) -> Results:
    """What is held is left, also what fills later; where a way to flat is under way already this is nothing."""
    if state.position_qty == 0:
        return []
    for trip in state.rules.trips:
        if rule_pack.response_of(pack, trip.rule) is not RuleResponse.PAUSE:
            return flatten(state, ts_ns, FlattenKind.STOP, f"rule {trip.rule}: {trip.reason}")
    return []


def _remember(state: State, ts_ns: int) -> Results:
    """What is remembered is written down when it moved, a high in steps of a dollar: a restart may lose one step."""
    now, kept = state.rules, state.rules_recorded
    same = msgspec.structs.replace(now, high_uusd=kept.high_uusd) == kept
    if same and now.high_uusd - kept.high_uusd < _STEP_UUSD:
        return []
    state.rules_recorded = now
    return [RulesMarked(ts_ns=ts_ns, rules=canonical(now))]
