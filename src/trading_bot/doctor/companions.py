"""What stands beside the bot: the dead man, and the learning state it goes on with."""

import time
from pathlib import Path
from typing import Final

from trading_bot.core import learning_file
from trading_bot.core.deadman_files import deadman_runs, read_state
from trading_bot.doctor.checks import Check, fail, ok, warn
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.units import NS_PER_S
from trading_bot.modes import MODES

SECTION: Final = "bot"
_STALE_S: Final = 15.0  # he writes once a second, and waits for the broker at times


def deadman_check(config: BotConfig, data_dir: Path, bot_client_id: int = 1) -> Check:
    """Does somebody close what a dead or frozen bot leaves (docs/deadman.md)?"""
    try:
        there = deadman_runs(data_dir)
    except OSError:
        return warn(SECTION, "dead man", "not known: his lock cannot be read", "run this as the bot's user")
    if config.deadman.client_id == bot_client_id:
        advice = f"deadman.client_id and the bot's are both {bot_client_id}: he needs one of his own"
        return fail(SECTION, "dead man", "client id taken by the bot", advice, exit_code=UsageError.exit_code)
    if there:
        return _watching(data_dir)
    if not MODES[config.run.mode].orders_leave:
        return ok(SECTION, "dead man", f"none, and none is needed: {config.run.mode} sends no orders")
    if config.deadman.start:
        return ok(SECTION, "dead man", "the bot starts one (deadman.start)")
    advice = f"deadman.start = true, or `trading-bot deadman --data-dir {data_dir}` beside it (docs/deadman.md)"
    return warn(SECTION, "dead man", f"nobody would close what a {config.run.mode} bot leaves when it dies", advice)


def _watching(data_dir: Path) -> Check:
    state = read_state(data_dir)
    if state is None:
        return warn(SECTION, "dead man", "one runs and has said nothing yet", "look again in a moment")
    age_s = (time.time_ns() - state.ts_wall_ns) / NS_PER_S
    values = {"pid": state.pid, "doing": state.doing, "connected": state.connected, "age_s": round(age_s, 1)}
    found = f"pid {state.pid} is {state.doing}"
    if age_s > _STALE_S:
        advice = "he stands still himself: end that process and start another"
        return warn(SECTION, "dead man", f"{found}, and has said nothing for {age_s:.0f} s", advice, values=values)
    if not state.connected and state.doing != "waiting":
        advice = state.problem or "he needs the gateway, and a client id that nobody else has"
        return warn(SECTION, "dead man", f"{found}, not connected", advice, values=values)
    return ok(SECTION, "dead man", f"{found}, account {state.account or 'not told yet'}", values=values)


def learning_check(data_dir: Path) -> Check:
    """The learning state as the next start would read it."""
    path = data_dir / learning_file.FILE_NAME
    try:
        document = learning_file.load_learning(path)
    except DataCorrupt as error:
        return warn(SECTION, "learning state", "not usable", str(error))
    if document is None:
        return ok(SECTION, "learning state", "none yet: every template begins with its prior")
    values = {"log": document.log, "seq": document.seq}
    return ok(
        SECTION,
        "learning state",
        f"readable, up to record {document.seq:,} of {Path(document.log).name}",
        values=values,
    )
