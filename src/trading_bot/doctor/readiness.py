"""Whether the bot can trade: configuration, calendar, events, kill switch, the newest log, templates that can pay."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.config_files import LoadedConfig
from trading_bot.core import operator_files as files
from trading_bot.core.log_verify import verify
from trading_bot.core.replay import session_logs
from trading_bot.doctor.checks import Check, fail, ok, warn
from trading_bot.domain.errors import BotError, ConfigError, Halted, LogCorrupt
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.units import NS_PER_DAY, NS_PER_S
from trading_bot.engines.breaker_table import days_of
from trading_bot.engines.scheduled_events import stale
from trading_bot.engines.template_terms import scales_that_trade, tiers_of

SECTION: Final = "bot"
_AHEAD_DAYS: Final = 30  # a calendar that ends sooner is renewed before it is missed
_STEP_S: Final = 5.0


def config_checks(loaded: LoadedConfig) -> Iterator[Check]:
    """What was loaded, and which templates can pay at which scale of target and stop (specification 6.4)."""
    run = loaded.config.run
    said = f"{run.mode} {run.instrument}, adapter {run.adapter}, profile {run.profile}"
    yield ok(
        SECTION,
        "configuration",
        said,
        values={"config_hash": loaded.config_hash, "file": str(loaded.config_path or "none")},
    )
    relations = "none: every key is within its range, and every relation between keys holds"
    yield ok(SECTION, "contradictions", relations)
    on = [name for name, template in loaded.templates.items() if template.on]
    if not on:
        advice = "switch one on in the strategy file, or name another with --strategies"
        yield warn(SECTION, "templates", f"none is on in {loaded.strategies_path.name}", advice)
    for name in on:
        yield _scales(loaded, name)


def _scales(loaded: LoadedConfig, name: str) -> Check:
    config, template = loaded.config, loaded.templates[name]
    instrument = instrument_by_symbol(config.run.instrument)
    found = {
        tier: scales_that_trade(template, instrument, config, terms)
        for tier, terms in tiers_of(name, template, config).items()
    }
    trading = {tier: scales for tier, scales in found.items() if scales is not None}
    values = {"scales": found}
    label = f"template {name}"
    if not trading:
        advice = f"its target and stop pay in no tier at these costs: `trading-bot config explain template.{name}`"
        return warn(SECTION, label, "can trade at no scale", advice, values=values)
    said = ", ".join(f"{tier} {low:g} to {high:g}" for tier, (low, high) in trading.items())
    none = [tier for tier, scales in found.items() if scales is None]
    return ok(SECTION, label, f"scale {said}" + (f"; none in {', '.join(none)}" if none else ""), values=values)


def calendar_checks(loaded: LoadedConfig, data_dir: Path, now_ns: int) -> Iterator[Check]:
    """The session table and the file of scheduled events, at the wall time `now_ns`."""
    name = loaded.config.session.calendar
    try:
        table = load_calendar(name, data_dir)
    except ConfigError as error:
        yield fail(SECTION, "calendar", name, str(error), exit_code=error.exit_code)
        return
    today = datetime.fromtimestamp(now_ns / NS_PER_S, tz=UTC).date()
    last = table.last_trade_date
    left = (date(last // 10_000, last // 100 % 100, last % 100) - today).days
    values = {"first": table.first_trade_date, "last": last, "days_left": left}
    said = f"{name}: {table.first_trade_date} to {last}"
    renew = "generate it anew: tools/make_calendar.py (docs/calendar.md)"
    if left < 0 or table.first_trade_date > int(f"{today:%Y%m%d}"):
        yield fail(SECTION, "calendar", f"{said}, not today", renew, exit_code=ConfigError.exit_code, values=values)
    elif left < _AHEAD_DAYS:
        yield fail(
            SECTION,
            "calendar",
            f"{said}, {left} days more; expected {_AHEAD_DAYS} at least",
            renew,
            exit_code=ConfigError.exit_code,
            values=values,
        )
    else:
        yield ok(SECTION, "calendar", said, values=values)
    yield _events(loaded, now_ns)


def _events(loaded: LoadedConfig, now_ns: int) -> Check:
    calendar, config = loaded.events, loaded.config
    why = stale(calendar, config.events, config.run.adapter, now_ns)
    said = f"{calendar.source}: {len(calendar.events)} events, checked {calendar.checked}"
    ahead = [row for row in calendar.events if row.unverified and row.ts_ns >= now_ns]
    values = {"checked": calendar.checked, "covers_to": calendar.covers_to, "events": len(calendar.events)}
    values["unverified"] = len(ahead)
    if ahead:
        said = f"{said}, {len(ahead)} ahead with dates nobody has verified"
    if not why and days_of(calendar.checked) > now_ns // NS_PER_DAY:
        why = "that day is yet to come: correct `checked`"
    if not why:
        return ok(SECTION, "scheduled events", said, values=values)
    advice = "nothing is entered: check the dates, then set `checked` to today in the file (docs/events.md)"
    return warn(SECTION, "scheduled events", f"{said}: {why}", advice, values=values)


def switch_checks(data_dir: Path) -> Iterator[Check]:
    """The kill switch, and whether a bot runs."""
    latch = files.latched(data_dir)
    if latch is None:
        yield ok(SECTION, "kill switch", "not latched", values={"latched": False})
    else:
        found = f"LATCHED since {latch.when}: {latch.reason} (by {latch.source})"
        advice = "find out why, then `trading-bot unkill --reason TEXT`"
        yield fail(SECTION, "kill switch", found, advice, exit_code=Halted.exit_code, values={"latched": True})
    running, pid = bot_in(data_dir)
    if running is None:
        yield warn(SECTION, "running", "not known: its lock cannot be read", "run this as the bot's user")
    else:
        named = "" if pid is None else f", pid {pid}"
        yield ok(
            SECTION,
            "running",
            f"a bot runs{named}" if running else "no bot runs here",
            values={"running": running, "pid": pid},
        )


def bot_in(data_dir: Path) -> tuple[bool | None, int | None]:
    """(whether a bot runs there, its process); None is not known."""
    try:
        running = files.bot_runs(data_dir) if data_dir.is_dir() else False
    except OSError:
        return None, None
    return running, files.bot_pid(data_dir) if running else None


def log_check(data_dir: Path) -> Check:
    """The newest run's logs, read from their beginning; what a running bot writes meanwhile is no damage."""
    runs = data_dir / "runs"
    folders = sorted((entry for entry in runs.iterdir() if entry.is_dir()), reverse=True) if runs.is_dir() else []
    for folder in folders:
        try:
            logs = session_logs(folder)
        except BotError:
            continue  # it ended before its first record
        return _verified(folder, logs)
    return ok(SECTION, "last log", "no run in this data directory yet")


def _verified(folder: Path, logs: list[Path]) -> Check:
    """The newest logs first, as many as a few seconds allow."""
    begin_s, records = time.monotonic(), 0
    read: list[Path] = []
    for log in reversed(logs):
        report = verify(log)
        records += report.records
        read.append(log)
        if not report.ok:
            advice = f"do not go on with it: `trading-bot log verify {folder}` says more; choose another --data-dir"
            found = f"{log}: {report.reason}"
            return fail(
                SECTION, "last log", found, advice, exit_code=LogCorrupt.exit_code, values={"seq": report.first_bad_seq}
            )
        if time.monotonic() - begin_s > _STEP_S:
            break
    part = "" if len(read) == len(logs) else f", the newest {len(read)} of its {len(logs)} logs"
    return ok(
        SECTION,
        "last log",
        f"{folder.name} verifies: {records:,} records{part}",
        values={"records": records, "logs": len(read)},
    )
