"""`trading-bot kill|unkill|flatten|status`: a person's word to a running bot, and a look at it, from another process.

Nothing here talks to the bot: requests are files it polls, its answer is what it does (`core/operator_files.py`).
"""

import sys
import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs
from trading_bot.core import operator_files as files
from trading_bot.core.operator_files import BotStatus, Cleared, Latch
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.units import NS_PER_S, iso_from_ns

SOURCE: Final = "cli"
WAIT_S_DEFAULT: Final = 15.0
WAIT_S_MAX: Final = 3600.0
STALE_S: Final = 5.0  # a bot that runs publishes once a second
_LOOK_S: Final = 0.05

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the latch and in every log.")]
Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, max=WAIT_S_MAX, help="How long to wait for the bot.")
]


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


@app.command()
def kill(
    ctx: typer.Context,
    *,
    reason: Reason = "",
    wait: Wait = WAIT_S_DEFAULT,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Pull the kill switch: the bot cancels, flattens and halts, and none starts until `unkill`."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    bot = _bot(asked)
    try:
        created = files.pull(asked.data_dir, reason, SOURCE)
    except OSError as error:
        stop = "no bot runs there" if bot.running is False else f"stop {bot.name} by SIGTERM: it flattens and ends"
        raise UsageError(
            f"the kill switch {asked.data_dir / files.KILL_FILE} cannot be written: {error.strerror}; {stop}"
        ) from error
    latch = files.latched(asked.data_dir)
    waited_s = _wait(wait, lambda: _bot(asked).running is False, what="to halt") if bot.running else 0.0
    after = view(asked)
    halted = after.bot.running is False if bot.running else None
    document = {
        "latched": latch,
        "already": not created,
        "bot": bot,
        "halted": halted,
        "waited_s": waited_s,
        "position_qty": after.status.position_qty if halted and after.status else None,
    }
    if asked.as_json:
        write_json(document)
        return
    if latch is not None:
        typer.echo(f"kill switch {'latched' if created else 'was latched already'}: {_told(latch)}")
    typer.echo(_halt_text(asked, bot, after, waited_s))
    typer.echo("no bot starts here until `trading-bot unkill --reason TEXT`")


def _halt_text(asked: Common, bot: Bot, after: View, waited_s: float) -> str:
    if bot.running is None:
        return f"whether a bot runs is not known: {asked.data_dir / files.LOCK_FILE} cannot be read"
    if not bot.running:
        return f"no bot runs in {asked.data_dir}"
    if after.bot.running is not False:
        return (
            f"{bot.name} still runs after {waited_s:.1f} s: it flattens, or does not answer. Look with `trading-bot "
            "status`; if it stays, close the position at the broker and end the process"
        )
    position = "its last status says nothing about the position: look at the broker"
    if after.status is not None and after.status.position_qty is not None:
        position = f"its last status says position {after.status.position_qty}"
    return f"{bot.name} has halted after {waited_s:.1f} s; {position}"


@app.command()
def unkill(
    ctx: typer.Context,
    *,
    reason: Reason = "",
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Clear the kill switch, with a reason, once the bot has halted. The next start may trade again."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    if not files.plain(reason):
        raise UsageError("--reason says why the bot may trade again; it may not be empty")
    bot = _bot(asked)
    if files.latched(asked.data_dir) is not None and bot.running is not False:
        _check_known(asked, bot)
        raise UsageError(
            f"{bot.name} still runs in {asked.data_dir} and is flattening before it halts; wait until "
            "`trading-bot status` shows that it has ended (if it does not, close the position at the broker and end "
            "the process), then clear the switch"
        )
    try:
        cleared = files.clear(asked.data_dir, reason, SOURCE)
    except OSError as error:
        raise UsageError(
            f"the kill switch stays latched: {error.filename or asked.data_dir}: {error.strerror}; put that right "
            "and clear it again"
        ) from error
    if asked.as_json:
        write_json({"was_latched": cleared is not None, "cleared": cleared})
    elif cleared is None:
        typer.echo(f"nothing to clear: the kill switch of {asked.data_dir} is not latched")
    else:
        typer.echo(f"kill switch cleared: {cleared.reason}\nit was latched: {_told(cleared.latch)}")


@app.command()
def flatten(
    ctx: typer.Context,
    *,
    reason: Reason = "",
    wait: Wait = WAIT_S_DEFAULT,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Ask the running bot to withdraw its entries and close its position. It goes on trading afterwards."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    bot = _bot(asked)
    _check_known(asked, bot)
    if not bot.running:
        raise UsageError(
            f"no bot runs in {asked.data_dir}, so nobody would carry it out; name the bot's --data-dir, or close the "
            "position at the broker"
        )
    try:
        files.ask_to_flatten(asked.data_dir, reason, SOURCE)
    except OSError as error:
        raise UsageError(
            f"{asked.data_dir / files.FLATTEN_FILE} cannot be written: {error.strerror}; put that right, or stop "
            f"{bot.name} by SIGTERM: it flattens and ends"
        ) from error
    request = asked.data_dir / files.FLATTEN_FILE
    waited_s = _wait(
        wait, lambda: not files.waiting(request) or _bot(asked).running is False, what="to take the request"
    )
    if files.waiting(request):
        if _bot(asked).running is False and files.take_back(request):
            raise UsageError(f"{bot.name} ended before it took the request, which is withdrawn; look at its summary")
        raise SourceUnreachable(
            f"{bot.name} has not taken the request within {waited_s:.1f} s; it stands until it does. If it does "
            "not answer, close the position at the broker and end the process"
        )
    if asked.as_json:
        write_json({"taken": True, "bot": bot, "waited_s": waited_s})
    else:
        typer.echo(f"{bot.name} took the request after {waited_s:.1f} s; see `trading-bot status` for the position")


@app.command()
def status(
    ctx: typer.Context,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show whether a bot runs and what it does, and whether the kill switch is latched."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    seen = view(asked)
    if asked.as_json:
        write_json(seen)
        return
    write_pairs(f"Bot in {asked.data_dir}", _rows(seen))
    if seen.problem:
        typer.echo(f"{typer.style('note:', fg='yellow', bold=True)} {seen.problem}", err=True)


# --- what can be seen ----------------------------------------------------------------------------------------------


def check_folder(asked: Common) -> None:
    """A mistyped folder must not look like a bot that was stopped.

    Raises:
        UsageError: there is no such folder.
    """
    if not asked.data_dir.is_dir():
        found = "is no folder" if asked.data_dir.exists() else "does not exist"
        raise UsageError(f"--data-dir {asked.data_dir} {found}; name the data directory of the bot (default: data)")


def _check_known(asked: Common, bot: Bot) -> None:
    """Raises UsageError where nobody can say whether a bot runs."""
    if bot.running is None:
        raise UsageError(f"{asked.data_dir / files.LOCK_FILE} cannot be read; run this command as the bot's user")


def _bot(asked: Common) -> Bot:
    try:
        running = files.bot_runs(asked.data_dir)
    except OSError:
        return Bot(running=None, pid=None)
    return Bot(running=running, pid=files.bot_pid(asked.data_dir) if running else None)


def _wait(seconds: float, done: Callable[[], bool], *, what: str) -> float:
    """Until it is done, or the time is over; how long it took."""
    if sys.stderr.isatty():
        typer.echo(f"waiting up to {seconds:g} s for the bot {what} …", err=True)
    begin_s = time.monotonic()
    while not done() and time.monotonic() - begin_s < seconds:
        time.sleep(_LOOK_S)
    return round(time.monotonic() - begin_s, 3)


def view(asked: Common) -> View:
    """What can be seen of the bot in a data directory."""
    bot = _bot(asked)
    found, problem = files.read_status(asked.data_dir)
    age_s = None if found is None else round((time.time_ns() - found.ts_wall_ns) / NS_PER_S, 1)
    if found is not None and age_s is not None:
        if bot.running and bot.pid is None and abs(age_s) <= STALE_S:
            bot = Bot(running=True, pid=found.pid)  # only a bot publishes, and only one can run here
        problem = _stale(bot, found, age_s)
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
    )


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


def _rows(view: View) -> list[tuple[str, object]]:
    bot, latch = view.bot, view.latched
    running = {True: "runs", False: "does not run", None: "not known: its lock cannot be read"}[bot.running]
    rows: list[tuple[str, object]] = [
        ("kill switch", "not latched" if latch is None else f"LATCHED: {_told(latch)}"),
        ("bot", running if bot.pid is None else f"{running}, pid {bot.pid}"),
    ]
    if view.cleared is not None and latch is None:
        cleared = view.cleared
        rows.append(("cleared", f"{cleared.reason} ({cleared.source}, {cleared.when}); for the next start"))
    if view.flatten_waiting:
        rows.append(("flatten", "requested, not taken yet"))
    found = view.status
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
        ("profit and loss", f"{found.pnl_net_usd:,.2f} USD net, {said}, {found.trades:,} trades"),
        ("last exit", found.last_exit or "none yet"),
        ("working entries", found.working_entries),
        *([("link", _link(found)), ("reconciled", _reconciled(found))] if found.link else []),
        ("data score", f"{found.dvs_c / 100:.2f}"),
        ("execution score", f"{found.eqs_c / 100:.2f}"),
        ("breakers", ", ".join(found.breakers) or "none"),
        ("lockouts", "; ".join(found.lockouts) or "none"),
        ("throttled", ", ".join(f"{name} {state}" for name, state in found.throttled.items()) or "none"),
        ("costs", _costs(found)),
        ("killed by", found.kill_reason or "nothing"),
        ("stopping", found.stopping or "no"),
        ("log", found.log_path),
    ]


def _position(found: BotStatus) -> str:
    if found.position_qty is None:
        return "NOT KNOWN"
    average = "" if found.position_avg_ticks is None else f" at {found.position_avg_ticks:,.2f} ticks"
    return f"{found.position_qty:+d}{average}" if found.position_qty else "flat"


def _link(found: BotStatus) -> str:
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


def _told(latch: Latch) -> str:
    return f"{latch.reason} (by {latch.source}, {latch.when})"
