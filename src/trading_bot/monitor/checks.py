"""The checks of `/health`, as a table: each says what was found, how old it is and what the limit is (MO02).

Nothing of the account's money is in them: `/health` is open to whoever reaches the address.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.core.operator_files import BotStatus
from trading_bot.domain.breaker_config import BreakerConfig
from trading_bot.domain.config import BotConfig
from trading_bot.domain.units import NS_PER_S
from trading_bot.monitor.sight import Sight
from trading_bot.monitor.story import Story

HEARTBEAT_S: Final = 5.0  # a bot publishes once a second (SF06)
LOG_S: Final = 30.0
DISK_FAIL_BYTES: Final = 500_000_000
DISK_WARN_BYTES: Final = 2_000_000_000
_OPEN: Final = frozenset({"SESSION_OPEN_DELAY", "SESSION_ENTRIES", "SESSION_CLOSE_BUFFER", "SESSION_EXIT"})
_SENDING: Final = frozenset({"PAPER", "LIVE"})
_US_PER_MS: Final = 1_000
_HALTS: Final = frozenset({"HALT", "KILL", "flatten", "kill"})  # responses of breakers and of rules


class Level(StrEnum):
    """What a check says; the worst is the whole answer."""

    OK = "ok"
    WARN = "warn"  # look at it; the bot goes on, perhaps without entries
    FAIL = "fail"  # somebody has to act


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `age_s` of what was looked at and its `limit_s`, None where it has none."""

    name: str
    level: Level
    reason: str
    age_s: float | None = None
    limit_s: float | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/health`."""

    status: Level
    ts_wall_ns: int
    run_id: str
    mode: str
    checks: tuple[Check, ...]


def health(sight: Sight, story: Story) -> Health:
    """All checks, and the worst of them."""
    found = tuple(row(sight, story) for row in _TABLE)
    levels = {check.level for check in found}
    worst = Level.FAIL if Level.FAIL in levels else Level.WARN if Level.WARN in levels else Level.OK
    return Health(status=worst, ts_wall_ns=sight.ts_wall_ns, run_id=sight.run_id, mode=story.mode, checks=found)


def _bot(sight: Sight, story: Story) -> Check:
    if sight.running is None:
        return Check(name="bot", level=Level.WARN, reason="its lock cannot be read: run this as the bot's user")
    if sight.running:
        return Check(name="bot", level=Level.OK, reason="a bot runs")
    ended = f"; its log ends with {story.ended}" if story.ended else ""
    return Check(name="bot", level=Level.FAIL, reason=f"no bot runs in this data directory{ended}")


def _kill_switch(sight: Sight, _story: Story) -> Check:
    """Who and when; why may have money in it, and stands in `watch` and in /status."""
    if sight.latch is not None:
        said = f"latched since {sight.latch.when} by {sight.latch.source}"
        return Check(name="kill_switch", level=Level.FAIL, reason=said)
    if sight.status is not None and sight.status.kill_reason is not None:
        return Check(name="kill_switch", level=Level.FAIL, reason="the run was killed")
    return Check(name="kill_switch", level=Level.OK, reason="not latched")


def _heartbeat(sight: Sight, _story: Story) -> Check:
    """The loop's own beat and what it publishes: a loop that stands still shows in both."""
    ages_s = [age_s for age_s in (sight.heartbeat_age_s, sight.loop_age_s) if age_s is not None]
    if sight.heartbeat_age_s is None:
        return Check(name="heartbeat", level=Level.FAIL, reason=sight.status_problem, limit_s=HEARTBEAT_S)
    silent = max(ages_s) > HEARTBEAT_S
    if silent or sight.heartbeat_age_s < -1.0:
        reason = "the loop stands still, or has ended" if silent else "dated in the future: a clock was set"
        age_s = max(ages_s) if silent else sight.heartbeat_age_s
        return Check(name="heartbeat", level=Level.FAIL, reason=reason, age_s=age_s, limit_s=HEARTBEAT_S)
    return Check(name="heartbeat", level=Level.OK, reason="the loop runs", age_s=max(ages_s), limit_s=HEARTBEAT_S)


def _dead_man(sight: Sight, story: Story) -> Check:
    mode = sight.status.mode if sight.status is not None else story.mode
    if sight.dead_man:
        return Check(name="dead_man", level=Level.OK, reason="watches")
    if sight.dead_man is None:
        return Check(name="dead_man", level=Level.WARN, reason="not known: his lock cannot be read")
    if mode in _SENDING and sight.running:
        return Check(name="dead_man", level=Level.WARN, reason=f"none watches a bot in {mode} (docs/deadman.md)")
    return Check(name="dead_man", level=Level.OK, reason="none is needed")


def _market_data(sight: Sight, story: Story) -> Check:
    limit_s = float((story.config.breakers if story.config else BreakerConfig()).stale_data_s)
    age_s, state = sight.tick_age_s, _session(sight, story)
    if age_s is None:
        level = Level.WARN if state in _OPEN else Level.OK
        return Check(name="market_data", level=level, reason="no market data in this log yet", limit_s=limit_s)
    if age_s <= limit_s:
        return Check(name="market_data", level=Level.OK, reason="market data come", age_s=age_s, limit_s=limit_s)
    if state in _OPEN:
        reason = f"silence in an open session ({state})"
        return Check(name="market_data", level=Level.FAIL, reason=reason, age_s=age_s, limit_s=limit_s)
    reason = f"silence is allowed: {state or 'no session yet'}"
    return Check(name="market_data", level=Level.OK, reason=reason, age_s=age_s, limit_s=limit_s)


def _link(sight: Sight, _story: Story) -> Check:
    link = sight.status.link if sight.status is not None else {}
    if not link:
        return Check(name="link", level=Level.OK, reason="no broker is connected in this mode")
    if not link.get("up"):
        down = [part for part in ("socket", "broker", "farm", "flowing") if not link.get(part)]
        return Check(name="link", level=Level.FAIL, reason=f"down: {', '.join(down)} ({link.get('reason', '')})")
    if link.get("data_type") != 1:
        return Check(name="link", level=Level.WARN, reason=f"market data of type {link.get('data_type')}: no entries")
    return Check(name="link", level=Level.OK, reason="up")


def _log(sight: Sight, _story: Story) -> Check:
    if sight.log_problem:
        return Check(name="log", level=Level.WARN, reason=sight.log_problem, limit_s=LOG_S)
    age_s = sight.log_age_s
    growing = age_s is not None and age_s <= LOG_S
    open_session = sight.status is not None and sight.status.session_state in _OPEN
    level = Level.OK if growing or not open_session else Level.FAIL
    reason = f"record {sight.last_seq}" if growing else "the log does not grow"
    return Check(name="log", level=level, reason=reason, age_s=age_s, limit_s=LOG_S)


def _disk(sight: Sight, _story: Story) -> Check:
    free = sight.disk_free_bytes
    if free is None:
        return Check(name="disk", level=Level.FAIL, reason="the data directory's disk does not answer")
    level = Level.FAIL if free < DISK_FAIL_BYTES else Level.WARN if free < DISK_WARN_BYTES else Level.OK
    return Check(name="disk", level=level, reason=f"{free / 1e9:.1f} GB free")


def _stops(sight: Sight, _story: Story) -> Check:
    """Breakers and rules by name; their words have money in them, and stand in `watch`."""
    status = sight.status
    if status is None or not (names := [*status.breakers, *_broken(status)]):
        return Check(name="breakers", level=Level.OK, reason="none tripped")
    stops = [stop for stop in sight.stops if stop.name in names]
    halting = any(stop.response in _HALTS for stop in stops)
    since_ns = min((stop.since_ns for stop in stops), default=None)
    age_s = None if since_ns is None else round((status.ts_market_ns - since_ns) / NS_PER_S, 1)  # market time
    return Check(name="breakers", level=Level.FAIL if halting else Level.WARN, reason=", ".join(names), age_s=age_s)


def _broken(status: BotStatus) -> list[str]:
    return [row["rule"] for row in status.rules.get("rows", ()) if row["tripped"]]


def _quality(sight: Sight, story: Story) -> Check:
    status, quality = sight.status, (story.config or BotConfig()).quality
    if status is None or _session(sight, story) not in _OPEN:
        return Check(name="quality", level=Level.OK, reason="asked in an open session")
    low = [
        f"{name} score {value / 100:.2f}, entries need {least / 100:.2f}"
        for name, value, least in (
            ("data", status.dvs_c, quality.dvs_entry_c),
            ("execution", status.eqs_c, quality.eqs_entry_c),
        )
        if value < least
    ]
    if low:
        return Check(name="quality", level=Level.WARN, reason="; ".join(low))
    found = f"data {status.dvs_c / 100:.2f}, execution {status.eqs_c / 100:.2f}"
    return Check(name="quality", level=Level.OK, reason=found)


def _latency(_sight: Sight, story: Story) -> Check:
    sample, limits = story.latency, (story.config or BotConfig()).safety
    if sample is None or sample.modelled:
        return Check(name="latency", level=Level.OK, reason="not measured in this mode")
    slow = []
    if sample.decision_us_p99 > limits.decision_p99_ms_max * _US_PER_MS:
        slow.append(f"decision p99 {sample.decision_us_p99 / _US_PER_MS:.1f} ms, limit {limits.decision_p99_ms_max} ms")
    if sample.loop_lag_us_max > limits.loop_lag_ms_max * _US_PER_MS:
        slow.append(f"loop lag {sample.loop_lag_us_max / _US_PER_MS:.1f} ms, limit {limits.loop_lag_ms_max} ms")
    if slow:
        return Check(name="latency", level=Level.WARN, reason="; ".join(slow))
    return Check(name="latency", level=Level.OK, reason=f"decision p99 {sample.decision_us_p99 / _US_PER_MS:.3f} ms")


def _position(sight: Sight, _story: Story) -> Check:
    if sight.status is not None and sight.running and sight.status.position_qty is None:
        return Check(name="position", level=Level.WARN, reason="not known: the broker has not answered")
    newest = sight.status.reconciliation if sight.status is not None else {}
    rows = [one["row"] for one in newest.get("findings", ()) if one.get("row") != "AGREES"]
    if rows and not newest.get("settling"):
        return Check(name="position", level=Level.WARN, reason=f"the broker differs: {', '.join(rows)}")
    return Check(name="position", level=Level.OK, reason="known")


def _session(sight: Sight, story: Story) -> str:
    return sight.status.session_state if sight.status is not None else story.session_state


_TABLE: Final[tuple[Callable[[Sight, Story], Check], ...]] = (
    _bot,
    _kill_switch,
    _heartbeat,
    _dead_man,
    _market_data,
    _link,
    _position,
    _log,
    _disk,
    _stops,
    _quality,
    _latency,
)
