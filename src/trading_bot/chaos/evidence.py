"""What an incident left behind: the gateway's books and timeline, the bot's logs and its last words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.adapters.gateway.orders import Execution
from trading_bot.chaos.bots import Bot
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.log_facts import Facts, log_folders, read_facts, run_folders
from trading_bot.chaos.moments import Scene
from trading_bot.chaos.witness import Change, Placed, Stretch
from trading_bot.core.log_verify import verify
from trading_bot.domain.errors import BotError
from trading_bot.domain.units import NS_PER_S
from trading_bot.wiring import replay

POSITION_MAX_KEY: Final = "safety.position_qty_max"
_TRACEBACK: Final = "Traceback (most recent call last)"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that the invariants look at. `position_max` in lots, `naked_max_ns` a bound of the wall."""

    executions: tuple[Execution, ...]
    placed: tuple[Placed, ...]
    naked: tuple[Stretch, ...]
    changes: tuple[Change, ...]
    final: Scene
    facts: Facts
    runs: tuple[str, ...]
    log_problems: tuple[str, ...]
    process_problems: tuple[str, ...]
    last_position: int | None
    position_max: int
    naked_max_ns: int


def collect(lab: Lab) -> Evidence:
    """Everything, after every bot has ended and while the gateway still stands.

    Raises:
        LogCorrupt: a log cannot be read to its end.
    """
    data_dir, witness = lab.folder / "data", lab.witness
    last = next((bot for bot in reversed(lab.bots) if not bot.killed), None)
    position = last.summary.get("position_qty") if last is not None else None
    runs = run_folders(data_dir)
    return Evidence(
        executions=lab.call(lambda gateway: tuple(gateway.desk.executions.rows)),
        placed=lab.call(lambda _gateway: tuple(witness.placed)),
        naked=lab.call(lambda _gateway: tuple(witness.naked)),
        changes=lab.call(lambda _gateway: tuple(witness.changes)),
        final=lab.scene(),
        facts=read_facts(data_dir),
        runs=tuple(run.name for run in runs),
        log_problems=tuple(_log_problems(data_dir, runs)),
        process_problems=tuple(_process_problems(lab)),
        last_position=position if isinstance(position, int) else None,
        position_max=int(lab.incident.config.get(POSITION_MAX_KEY, 1)),
        naked_max_ns=int(lab.incident.naked_s * NS_PER_S),
    )


def _log_problems(data_dir: Path, runs: list[Path]) -> Iterator[str]:
    for log in log_folders(data_dir):
        report = verify(log)
        if not report.ok:
            yield f"log {log.name}: {report.reason}"
    for run in runs:
        try:
            replayed = replay(run, None)
        except BotError as error:
            yield f"replay of {run.name}: {error}"
            continue
        if not replayed.ok:
            yield f"replay of {run.name} differs at seq {replayed.first_difference_seq}: {replayed.reason}"


def _process_problems(lab: Lab) -> Iterator[str]:
    for bot in lab.bots:
        if bot.killed:
            continue
        if bot.exit_code not in lab.incident.exit_codes:
            said = bot.summary.get("error") or bot.summary.get("message") or bot.summary.get("exit_reason")
            yield f"bot {bot.number} ended with {bot.exit_code}, expected {lab.incident.exit_codes}: {said}"
        yield from _bugs(bot)


def _bugs(bot: Bot) -> Iterator[str]:
    told = bot.err.read_text(encoding="utf-8", errors="replace")
    if _TRACEBACK in told:
        yield f"bot {bot.number} wrote a traceback: {told[told.index(_TRACEBACK) :][-800:]}"
