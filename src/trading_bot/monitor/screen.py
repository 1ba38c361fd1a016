"""The picture of `trading-bot watch`: one frame of what is seen, for a terminal of 100 columns or more.

Every light is a word as well as a colour. What a bot said before it ended is shown, and marked as not current.
"""

from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trading_bot.core.operator_files import BotStatus
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.position_text import held_rows
from trading_bot.monitor.checks import Check, Health, Level
from trading_bot.monitor.sight import Sight

_COLOURS: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}
_MODES: Final = {"LIVE": "bold white on red", "PAPER": "bold black on yellow"}
_ACTIONS: Final = {"ENTER": "bold green", "EXIT": "bold cyan"}
_ALERTS: Final = {"critical": "bold red", "error": "red", "warning": "yellow"}
_BAR: Final = 12
_WIDE: Final = 150  # columns from which three panels stand side by side
_LIMITS_WIDTH: Final = 50
_SIDES: Final = {1: "long", -1: "short", 0: ""}
_DECISIONS: Final = 8
_ALERT_ROWS: Final = 4


def frame(sight: Sight, health: Health, width: int) -> RenderableType:
    """The whole picture, `width` columns wide."""
    zone, name = _zone()
    parts: list[RenderableType] = [_headline(sight, health, zone, name)]
    if sight.latch is not None:
        said = f"KILL SWITCH latched {sight.latch.when} by {sight.latch.source}: {sight.latch.reason}"
        parts.append(Panel(Text(said, style="bold white on red"), border_style="red"))
    lights, position, limits = _lights(health), _position(sight), _limits(sight.status, zone)
    upper = Table.grid(expand=True)
    if width >= _WIDE:
        for ratio in (6, 5, 6):
            upper.add_column(ratio=ratio)
        upper.add_row(lights, position, limits)
    else:
        upper.add_column(ratio=1)
        upper.add_column(width=_LIMITS_WIDTH)
        upper.add_row(Group(position, lights), limits)
    parts += [upper, _decisions(sight, zone)]
    return Group(*parts, _alerts(sight, zone)) if sight.alerts else Group(*parts)


def _headline(sight: Sight, health: Health, zone: tzinfo, zone_name: str) -> Text:
    status, line = sight.status, Text(no_wrap=True, overflow="ellipsis")
    mode = status.mode if status is not None else health.mode or "no run"
    line.append(f" {mode} ", style=_MODES.get(mode, "bold white on blue"))
    if sight.running is not True:
        line.append(" NO BOT RUNS, not current: ", style="bold red")
    if status is not None:
        line.append(f" {status.instrument} over {status.adapter}  {status.session_state}", style="bold")
        if status.ts_market_ns:
            line.append(f"  market {_clock(status.ts_market_ns, zone)} {zone_name}")
    line.append(f"  {sight.run_id or 'no run yet'}", style="dim")
    return line


def _lights(health: Health) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(min_width=6, no_wrap=True)
    table.add_column(min_width=11, no_wrap=True, style="cyan")
    table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
    for check in health.checks:
        table.add_row(
            Text(f"● {check.level.value:<4}", style=_COLOURS[check.level]),
            Text(check.name.replace("_", " ")),
            Text(_found(check)),
        )
    return Panel(table, title="lights", border_style=_COLOURS[health.status], title_align="left")


def _found(check: Check) -> str:
    return check.reason if check.age_s is None else f"{_age(check.age_s)} {check.reason}"


def _position(sight: Sight) -> Panel:
    status = sight.status
    if status is None:
        return Panel(Text(sight.status_problem), title="position", title_align="left")
    table = Table.grid(padding=(0, 1))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _position_rows(status):
        table.add_row(name, value)
    return Panel(table, title="position and result", title_align="left")


def _position_rows(status: BotStatus) -> list[tuple[str, Text]]:
    said = "hypothetical" if status.hypothetical else "real"
    pnl = Text(f"{status.pnl_net_usd:+,.2f} USD", style="green" if status.pnl_net_usd >= 0 else "red")
    pnl.append(f" net, {said}", style="dim")
    rows = [
        ("position", _held(status)),
        *((name, Text(said)) for name, said in held_rows(status.held)),
        ("result", pnl),
        ("trades", Text(f"{status.trades}, last exit {status.last_exit or 'none yet'}")),
        ("working", Text(f"{status.working_entries} entries")),
        ("scores", Text(f"data {status.dvs_c / 100:.2f}  execution {status.eqs_c / 100:.2f}")),
    ]
    if status.lockouts:
        rows.append(("lockouts", Text("; ".join(status.lockouts), style="yellow")))
    if status.throttled:
        told = ", ".join(f"{name} {state}" for name, state in status.throttled.items())
        rows.append(("throttled", Text(told, style="yellow")))
    if status.stopping:
        rows.append(("stopping", Text(status.stopping, style="bold yellow")))
    if status.kill_reason:
        rows.append(("killed by", Text(status.kill_reason, style="bold red")))
    return rows


def _held(status: BotStatus) -> Text:
    if status.position_qty is None:
        return Text("NOT KNOWN", style="bold red")
    if status.position_qty == 0:
        return Text("flat")
    average = "" if status.position_avg_ticks is None else f" at {status.position_avg_ticks:,.2f} ticks"
    return Text(f"{status.position_qty:+d}{average}", style="bold")


def _limits(status: BotStatus | None, zone: tzinfo) -> Panel:
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=17, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(min_width=9, justify="right", no_wrap=True)
    if status is not None:
        for row in status.limits:
            table.add_row(*_limit(row["limit"], row["distance_usd"], row["limit_usd"], tripped=row["tripped"]))
        for row in status.rules.get("rows", ()):
            if row["limit_usd"] is None:
                due = "" if row["due_ns"] is None else _clock(row["due_ns"], zone)[:5]
                text = Text(f"TRIPPED {due}", style="bold red") if row["tripped"] else Text(due)
                table.add_row(_limit_name(row["rule"], tripped=row["tripped"]), Text(""), text)
                continue
            table.add_row(*_limit(row["rule"], row["distance_usd"], row["limit_usd"], tripped=row["tripped"]))
    if not table.row_count:
        table.add_row(Text("not known: the account has not told", style="dim"))
    return Panel(table, title="left before a limit, USD", title_align="left", subtitle=_pack(status))


def _pack(status: BotStatus | None) -> Text | None:
    if status is None or not status.rules:
        return None
    balance = status.rules.get("balance_usd")
    return Text(f"{status.rules.get('pack')}: {'not known' if balance is None else f'{balance:,.2f}'}")


def _limit(name: str, distance_usd: float | None, limit_usd: float, *, tripped: bool) -> tuple[Text, Text, Text]:
    if distance_usd is None:
        return _limit_name(name, tripped=tripped), Text(""), Text("not known", style="dim")
    share = min(max(distance_usd / limit_usd, 0.0), 1.0) if limit_usd > 0 else 0.0
    style = "red" if tripped or share <= 0.2 else "yellow" if share <= 0.5 else "green"
    filled = round(share * _BAR)
    bar = Text("█" * filled, style=style) + Text("░" * (_BAR - filled), style="dim")
    shown = Text("TRIPPED ", style="bold red") if tripped else Text("")
    return _limit_name(name, tripped=tripped), bar, shown + Text(f"{distance_usd:,.2f}", style=style)


def _limit_name(name: str, *, tripped: bool) -> Text:
    return Text(name.removeprefix("RULE_").lower().replace("_", " "), style="bold red" if tripped else "")


def _decisions(sight: Sight, zone: tzinfo) -> Panel:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=True, show_edge=False, padding=(0, 1, 0, 0))
    for name, cells in (("time", 8), ("", 5), ("strategy", 8), ("side", 5), ("reason", 24)):
        table.add_column(name, width=cells, no_wrap=True, overflow="ellipsis")
    table.add_column("record", justify="right", no_wrap=True, width=9)
    table.add_column("why", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in reversed(sight.decisions[-_DECISIONS:]):
        text = one.text.partition(": ")[2] or one.text  # what stands before it has its own columns
        why = f"LIVE would not: {one.live}. {text}" if one.live else text
        table.add_row(
            _clock(one.ts_ns, zone),
            Text(one.action, style=_ACTIONS.get(one.action, "dim")),
            one.template,
            _SIDES.get(one.side, str(one.side)),
            Text(one.reason),
            f"{one.seq:,}",
            Text(why),
        )
    title = "last decisions" if sight.decisions else "no decision yet"
    return Panel(table, title=title, title_align="left")


def _alerts(sight: Sight, zone: tzinfo) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=8, no_wrap=True)
    table.add_column(width=26, no_wrap=True, overflow="ellipsis")
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for one in reversed(sight.alerts[-_ALERT_ROWS:]):
        table.add_row(_clock(one.ts_ns, zone), Text(one.code, style=_ALERTS.get(one.level, "")), Text(one.text))
    return Panel(table, title="alerts", title_align="left")


def _clock(ts_ns: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(ts_ns // NS_PER_S, tz=zone).strftime("%H:%M:%S")


def _age(age_s: float) -> str:
    return f"{age_s:.1f} s" if age_s < 100 else f"{age_s / 60:.0f} min" if age_s < 6_000 else f"{age_s / 3600:.0f} h"


def _zone() -> tuple[tzinfo, str]:
    """New York, whose hours the session has; UTC where the machine has no table of zones."""
    try:
        return ZoneInfo("America/New_York"), "ET"
    except ZoneInfoNotFoundError:
        return UTC, "UTC"


def document(sight: Sight, health: Health) -> dict[str, Any]:
    """What `--json` prints."""
    return {"health": health, **sight.document()}
