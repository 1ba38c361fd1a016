"""What can be seen of a bot from outside its process, for the command line: its latch, lock, status and socket."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.adapters import control_client
from trading_bot.cli_options import Common
from trading_bot.core import operator_files as files
from trading_bot.core.deadman_files import DeadmanState, deadman_runs, read_state
from trading_bot.core.operator_files import BotStatus, Cleared, Latch
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.units import NS_PER_S, iso_from_ns
from trading_bot.engines.position_text import held_rows

STALE_S: Final = 5.0  # a bot that runs publishes once a second
_WAIT_S: Final = 5.0  # for a bot to take a request
_LOOK_S: Final = 0.05
LOOP_BUSY_MS: Final = 1_000.0  # a loop at rest looks for requests every 20 ms


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a bot runs in the data directory; None is not known."""

    running: bool | None
    pid: int | None

    @property
    def name(self) -> str:
        """As messages call it."""
        return "the bot" if self.pid is None else f"the bot (pid {self.pid})"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen from outside; ages in seconds of wall time. `problem` says why `status` tells nothing."""

    data_dir: str
    latched: Latch | None
    cleared: Cleared | None
    flatten_waiting: bool
    bot: Bot
    status: BotStatus | None
    status_age_s: float | None
    status_stale: bool | None
    problem: str
    loop_age_ms: float | None = None  # since the bot's loop last looked for requests; None: its socket did not answer
    dead_man: DeadmanState | None = None  # who watches this bot; None: nobody lives, or it cannot be seen


def check_folder(asked: Common) -> None:
    """A mistyped folder must not look like a bot that was stopped.

    Raises:
        UsageError: there is no such folder.
    """
    if not asked.data_dir.is_dir():
        found = "is no folder" if asked.data_dir.exists() else "does not exist"
        raise UsageError(f"--data-dir {asked.data_dir} {found}; name the data directory of the bot (default: data)")


def check_known(asked: Common, bot: Bot) -> None:
    """Raises UsageError where nobody can say whether a bot runs."""
    if bot.running is None:
        raise UsageError(f"{asked.data_dir / files.LOCK_FILE} cannot be read; run this command as the bot's user")


def bot_in(asked: Common) -> Bot:
    """Whether a bot holds the lock of this data directory, and which process it is."""
    try:
        running = files.bot_runs(asked.data_dir)
    except OSError:
        return Bot(running=None, pid=None)
    return Bot(running=running, pid=files.bot_pid(asked.data_dir) if running else None)


def hand_over(asked: Common, path: Path, leave: Callable[[], None], nothing: str) -> tuple[bool, Bot]:
    """Leave a request in the data directory and wait until a bot that runs has taken it: whether it did, and the bot.

    `leave` writes `path`; `nothing` says what did not happen where the disk refuses it.

    Raises:
        UsageError: the file cannot be written, or nobody can say whether a bot runs.
        SourceUnreachable: the bot did not take it in time; the request stands.
    """
    bot = bot_in(asked)
    check_known(asked, bot)
    try:
        leave()
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; {nothing}") from error
    begin_s = time.monotonic()
    while bot.running and files.waiting(path) and time.monotonic() - begin_s < _WAIT_S:
        time.sleep(_LOOK_S)
    taken = not files.waiting(path)
    if bot.running and not taken:
        raise SourceUnreachable(
            f"{bot.name} has not taken the request within {_WAIT_S:g} s; it stands until the bot does, or the next one "
            f"that starts; remove {path} to take it back"
        )
    return taken, bot


def view(asked: Common) -> View:
    """What can be seen of the bot in a data directory."""
    bot = bot_in(asked)
    found, problem = files.read_status(asked.data_dir)
    age_s = None if found is None else round((time.time_ns() - found.ts_wall_ns) / NS_PER_S, 1)
    if found is not None and age_s is not None:
        if bot.running and bot.pid is None and abs(age_s) <= STALE_S:
            bot = Bot(running=True, pid=found.pid)  # only a bot publishes, and only one can run here
        problem = _stale(bot, found, age_s)
    heard = control_client.ask(asked.data_dir, "status") if bot.running else None
    loop_age_ms = heard.get("loop_age_ms") if heard is not None else None
    return View(
        data_dir=str(asked.data_dir),
        latched=files.latched(asked.data_dir),
        cleared=files.cleared(asked.data_dir),
        flatten_waiting=files.waiting(asked.data_dir / files.FLATTEN_FILE),
        bot=bot,
        status=found,
        status_age_s=age_s,
        status_stale=None if found is None else bool(problem),
        problem=problem,
        loop_age_ms=round(loop_age_ms, 1) if isinstance(loop_age_ms, int | float) else None,
        dead_man=_dead_man(asked),
    )


def _dead_man(asked: Common) -> DeadmanState | None:
    try:
        return read_state(asked.data_dir) if deadman_runs(asked.data_dir) else None
    except OSError:
        return None


def _stale(bot: Bot, found: BotStatus, age_s: float) -> str:
    """Why a status does not tell what is now; empty when it does."""
    if bot.running is False:
        return f"no bot runs: this is what the last one said, {age_s:.1f} s ago"
    if bot.pid is not None and bot.pid != found.pid:
        return f"this is what an earlier bot (pid {found.pid}) said, {age_s:.1f} s ago; this one has said nothing yet"
    if age_s > STALE_S:
        return f"{bot.name} has said nothing for {age_s:.1f} s: its market data may have stopped, or it hangs"
    if age_s < -1.0:
        return f"this is dated {-age_s:.1f} s in the future: a clock was set"
    return ""


def rows(view: View) -> list[tuple[str, object]]:
    """A view as a table for people: what is told, and what it says."""
    bot, latch = view.bot, view.latched
    running = {True: "runs", False: "does not run", None: "not known: its lock cannot be read"}[bot.running]
    rows: list[tuple[str, object]] = [
        ("kill switch", "not latched" if latch is None else f"LATCHED: {told(latch)}"),
        ("bot", running if bot.pid is None else f"{running}, pid {bot.pid}"),
    ]
    if view.loop_age_ms is not None and view.loop_age_ms > LOOP_BUSY_MS:
        rows.append(("loop", f"BUSY: it has not looked for requests for {view.loop_age_ms / 1000:,.1f} s"))
    if view.cleared is not None and latch is None:
        cleared = view.cleared
        rows.append(("cleared", f"{cleared.reason} ({cleared.source}, {cleared.when}); for the next start"))
    if view.flatten_waiting:
        rows.append(("flatten", "requested, not taken yet"))
    found = view.status
    if view.dead_man is not None:
        rows.append(("dead man", _watcher(view.dead_man)))
    elif bot.running and found is not None and found.link:
        rows.append(("dead man", "NOBODY watches this bot: docs/deadman.md"))
    if found is None:
        return rows
    said = "hypothetical" if found.hypothetical else "real"
    return [
        *rows,
        ("status of", f"{view.status_age_s:.1f} s ago" + (", NOT CURRENT" if view.status_stale else "")),
        ("run", f"{found.run_id}: {found.mode} {found.instrument}, adapter {found.adapter}"),
        ("market time", iso_from_ns(found.ts_market_ns) if found.ts_market_ns else "none yet"),
        ("session", found.session_state),
        ("position", _position(found)),
        *held_rows(found.held),
        ("profit and loss", f"{found.pnl_net_usd:,.2f} USD net, {said}, {found.trades:,} trades"),
        ("last exit", found.last_exit or "none yet"),
        ("working entries", found.working_entries),
        *([("link", link_text(found)), ("reconciled", _reconciled(found))] if found.link else []),
        ("data score", f"{found.dvs_c / 100:.2f}"),
        ("execution score", f"{found.eqs_c / 100:.2f}"),
        ("breakers", ", ".join(found.breakers) or "none"),
        *_left(found),
        ("lockouts", "; ".join(found.lockouts) or "none"),
        ("throttled", ", ".join(f"{name} {state}" for name, state in found.throttled.items()) or "none"),
        ("costs", _costs(found)),
        ("killed by", found.kill_reason or "nothing"),
        ("stopping", found.stopping or "no"),
        ("log", found.log_path),
    ]


def _watcher(man: DeadmanState) -> str:
    heartbeat = "no heartbeat" if man.bot_age_s is None else f"heartbeat {man.bot_age_s:.1f} s old"
    link = "" if man.connected else ", NOT CONNECTED to the gateway"
    return f"{man.doing} (pid {man.pid}), {heartbeat}{link}" + (f": {man.problem}" if man.problem else "")


def _left(found: BotStatus) -> list[tuple[str, object]]:
    """What may still be lost before the breakers that halt, and before the rules of the account."""
    halts = [row for row in found.limits if row["response"] in {"HALT", "KILL"}]
    rows: list[tuple[str, object]] = []
    if halts:
        rows.append(("left before", "; ".join(f"{row['limit']} {row['distance_usd']:,.2f} USD" for row in halts)))
    return [*rows, *((row["rule"], _rule(row)) for row in found.rules.get("rows", ()))]


def _rule(row: dict[str, Any]) -> str:
    broken = f"BROKEN: {row['reason']}; " if row["tripped"] else ""
    if row["limit_usd"] is None:
        return f"{broken}{iso_from_ns(row['due_ns'])}" if row["due_ns"] else f"{broken}no session"
    if row["distance_usd"] is None:
        return f"{broken}not known yet"
    what = "more may be earned today" if row["rule"] == "RULE_CONSISTENCY" else f"of {row['limit_usd']:,.2f} left"
    return f"{broken}{row['distance_usd']:,.2f} USD {what}; the line is at {row['line_usd']:,.2f}"


def _position(found: BotStatus) -> str:
    if found.position_qty is None:
        return "NOT KNOWN"
    average = "" if found.position_avg_ticks is None else f" at {found.position_avg_ticks:,.2f} ticks"
    return f"{found.position_qty:+d}{average}" if found.position_qty else "flat"


def link_text(found: BotStatus) -> str:
    """The link to the broker in words: up, or what of it is gone."""
    link = found.link
    if link["up"]:
        return "up" if link["data_type"] == 1 else f"up, market data of type {link['data_type']}: no entries"
    down = [name for name in ("socket", "broker", "farm", "flowing") if not link[name]]
    return f"DOWN: {', '.join(down)} ({link['reason']})"


def _reconciled(found: BotStatus) -> str:
    newest = found.reconciliation
    if not newest:
        return "not yet"
    rows = ", ".join(one["row"] for one in newest["findings"])
    return f"{rows} at {iso_from_ns(newest['ts_ns'])} (`trading-bot reconcile --explain`)"


def _costs(found: BotStatus) -> str:
    costs = found.costs
    if not costs:
        return "not known"
    side = costs["commission_side_usd"]
    charged = "no fill yet" if side is None else f"{side:.2f} a side charged over {costs['lots']} lots"
    return (
        f"{costs['commission_round_trip_usd']:.2f} USD a round trip ({charged}); slippage as expected times "
        f"{costs['entry_slippage_factor']:.2f} at entry ({costs['entry_fills']} fills), "
        f"{costs['stop_slippage_factor']:.2f} at a stop ({costs['stop_fills']} fills)"
    )


def told(latch: Latch) -> str:
    """A latch in words: why, by whom, since when."""
    return f"{latch.reason} (by {latch.source}, {latch.when})"
