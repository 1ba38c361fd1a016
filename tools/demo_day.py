"""What is done to the bot on the demo's day, and what it answered: killed, restarted, latched, cleared, replayed.

Two bots run at the same time, each in its own data directory. One lives through the whole story; the other proves that
a kill -9 changes nothing: the same day once whole and once cut has the same digests.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from tools.demo_bot import ROOT, Answer, Bot, DemoFailed, ask

from trading_bot.domain.errors import Halted
from trading_bot.domain.units import NS_PER_S
from trading_bot.reports.day_tables import clock

SEED: Final = 26
START: Final = "2026-11-25T14:20:00Z"  # ten minutes before the open of an ordinary Wednesday
DURATION_S: Final = 24_600  # until 21:10Z, ten minutes after the close
SPEED: Final = 900.0  # slow enough that another process can meet a position that stands for minutes
SPEED_AFTERWARDS: Final = 6_000.0
SPEED_OF_PROOF: Final = 2_000.0
_WRITES_AFTER: Final = 0.8  # of the time that a command takes: by then it has said what it has to say
CONFIG: Final = ROOT / "demo" / "config.toml"
STRATEGIES: Final = ROOT / "demo" / "strategies.toml"
KILL_REASON: Final = "price looks odd, checking"
CLEAR_REASON: Final = "checked: price was right"

Say = Callable[[str], None]


def _utc_ns(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * NS_PER_S


# In this market a position of K1 stands at both moments, for seven minutes each: a test holds it.
KILL_9_NS: Final = _utc_ns("2026-11-25T16:41:30+00:00")
KILL_NS: Final = _utc_ns("2026-11-25T19:26:00+00:00")
# Where the other bot is cut, first while that position stands; the next one where a cut lost the effects of a decision.
CUTS_NS: Final = tuple(_utc_ns(f"2026-11-25T{time}+00:00") for time in ("16:41:30", "17:10:00", "15:25:00"))


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of the commands, in the order of the story."""

    killed: Answer
    halted: Answer
    refused: Answer
    cleared: Answer
    ended: Answer
    replayed: Answer
    verified: Answer


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The same day whole and cut; `tries` counts the cuts it took: all but the last lost a decision's effects."""

    whole: Answer
    cut: Answer
    cut_ns: int
    tries: int

    @property
    def equal(self) -> bool:
        """Effects and state at the end are the same."""
        return all(self.whole.document[name] == self.cut.document[name] for name in ("effects_digest", "state_digest"))


def live_both(out: Path, seed: int, say: Say) -> tuple[Day, Proof]:
    """The story and the proof side by side.

    Raises:
        DemoFailed: a command did not do what it is there for.
    """
    with ThreadPoolExecutor(1) as pool:
        proof = pool.submit(prove, out / "proof", seed)
        day = _live(Bot(out / "day", *_arguments(seed), speed=SPEED), say)
        return day, proof.result()


def _arguments(seed: int) -> tuple[str, ...]:
    return (
        *("--mode", "SIM", "--adapter", "sim", "--seed", str(seed), "--start", START),
        *("--duration", str(DURATION_S), "--config", str(CONFIG), "--strategies", str(STRATEGIES)),
    )


def _live(bot: Bot, say: Say) -> Day:
    folder = ("--data-dir", str(bot.data_dir))
    try:
        say(f"09:20:00  the bot starts; {SPEED:,.0f} market seconds pass in one")
        bot.start()
        bot.wait_until(KILL_9_NS)
        bot.kill_9()
        say(f"{clock(KILL_9_NS)}  kill -9; the same command again")
        bot.start()
        bot.wait_until(KILL_9_NS)  # it has recovered and goes on: what a command takes to start is measured now
        latency_s = ask("status", *folder).wall_s
        bot.wait_until(KILL_NS, lead_s=_WRITES_AFTER * latency_s)
        killed = ask("kill", "--reason", KILL_REASON, *folder)
        return after_kill(bot, killed, say, speed=SPEED_AFTERWARDS)
    finally:
        bot.end()


def after_kill(bot: Bot, killed: Answer, say: Say, *, speed: float) -> Day:
    """From the kill switch to the close: it halts, a start is refused, a person clears, the run goes on.

    Raises:
        DemoFailed: a command did not do what it is there for.
    """
    folder = ("--data-dir", str(bot.data_dir))
    halted = bot.finish()
    expect(halted, Halted.exit_code, "the killed bot")
    halt_ns = halted.document["ts_last_ns"]
    say(f'{clock(halt_ns)}  `kill --reason "{KILL_REASON}"` from another process: flat, exit code {halted.code}')
    refused = bot.run()
    expect(refused, Halted.exit_code, "a start while the switch is latched")
    say(f"          a start while latched: exit code {refused.code}, {refused.message}")
    cleared = ask("unkill", "--reason", CLEAR_REASON, *folder)
    expect(cleared, 0, "unkill")
    say(f'          `unkill --reason "{CLEAR_REASON}"`; the run goes on, {speed:,.0f} market seconds in one')
    bot.speed = speed
    ended = bot.run()
    expect(ended, 0, "the day")
    log = ended.document["log_path"]
    return Day(
        killed=killed,
        halted=halted,
        refused=refused,
        cleared=cleared,
        ended=ended,
        replayed=ask("replay", log, *folder),
        verified=ask("log", "verify", log, *folder),
    )


def prove(folder: Path, seed: int) -> Proof:
    """The same simulated day once whole and once cut."""
    whole = Bot(folder / "whole", *_arguments(seed)).run()
    expect(whole, 0, "the uninterrupted day")
    cuts = enumerate(CUTS_NS, 1)
    while True:
        tries, cut_ns = next(cuts)
        bot = Bot(folder / f"cut-{tries}", *_arguments(seed), speed=SPEED_OF_PROOF)
        try:
            bot.start()
            bot.wait_until(cut_ns)
            bot.kill_9()
            bot.speed = None
            cut = bot.run()
        finally:
            bot.end()
        expect(cut, 0, "the day that was cut")
        proof = Proof(whole=whole, cut=cut, cut_ns=cut_ns, tries=tries)
        if proof.equal or tries == len(CUTS_NS) or not _abandoned(cut, bot.data_dir):
            return proof


def _abandoned(run: Answer, data_dir: Path) -> bool:
    """The process died between a decision and its effects, which is told and never repeated: no two such runs agree."""
    kind = ("--kind", "EFFECTS_ABANDONED", "--data-dir", str(data_dir))
    return bool(ask("log", "show", run.document["log_path"], *kind).document)


def expect(answer: Answer, code: int, what: str) -> None:
    """Fail the demo unless a command ended as it should."""
    if answer.code != code:
        raise DemoFailed(f"{what} ended with exit code {answer.code}, expected {code}: {answer.message}")
