"""Champion and challenger: the market of recorded logs, run again under two sets of parameters (feature LE11).

Each side runs over the same ticks through the whole bot, in a folder of its own: its money, its breakers and its
learning are its own. Nothing is sent anywhere. docs/attribution.md says what the comparison is worth.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from scipy.stats import bootstrap

from trading_bot.config_files import LoadedConfig, RunOptions
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader, MessageFrame, segment_paths
from trading_bot.core.operator_files import KILL_FILE
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import AccountSnapshot
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_S, usd_from_uusd
from trading_bot.reports.fact_records import Facts, TradeFact
from trading_bot.reports.trade_facts import opening_of, read_facts
from trading_bot.wiring import run

TRADES_MIN: Final = 100  # of each side
SESSIONS_MIN: Final = 10  # below, an hour is a block
BLOCKS_MIN: Final = 5
CONFIDENCE: Final = 0.95
RESAMPLES: Final = 4_999
SEED: Final = 20_261_121
_HOUR_NS: Final = 3_600 * NS_PER_S
_TAG_BYTES: Final = 48  # of a message: its kind stands in front


class Verdict(StrEnum):
    """What the difference says."""

    TOO_FEW = "TOO_FEW"
    BETTER = "BETTER"
    WORSE = "WORSE"
    NOT_SHOWN = "NOT_SHOWN"


class Contestant(msgspec.Struct, frozen=True, kw_only=True):
    """One side's trades; money in micro-dollars, net of commissions. `by_template` counts trades and their net."""

    trades: int
    wins: int
    net_uusd: int
    by_template: dict[str, tuple[int, int]]


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """Challenger less champion, block by block of the same market; `low_uusd` to `high_uusd` holds 95 % of resamples.

    A block is a session, or an hour where there are fewer than ten sessions; None: too few blocks for an interval.
    `recorded` is what the logs themselves hold, whose fills may have been a broker's.
    """

    champion: Contestant
    challenger: Contestant
    block: str
    blocks: int
    difference_uusd: int
    low_uusd: int | None
    high_uusd: int | None
    verdict: Verdict
    why: str
    recorded: Contestant | None = None


def documents_of(path: Path) -> RunDocuments:
    """What the newest session of a run, or one log, was run with.

    Raises:
        UsageError: there is no log with a record.
        LogCorrupt: the documents are of another version.
    """
    for log in reversed(session_logs(path)):
        opening = opening_of(log)
        if opening is not None and opening.documents:
            return RunDocuments.unpack(opening.documents, where=str(log))
    raise UsageError(f"{path} holds no record; expected the log folder of a run")


def whole_runs(logs: Sequence[Path]) -> list[Path]:
    """What to run again, in the order given: a run's folder where all of its sessions are there, else each log."""
    by_run: dict[Path, list[Path]] = defaultdict(list)
    for log in logs:
        by_run[log.parent].append(log)
    found: list[Path] = []
    for folder, sessions in by_run.items():
        whole = sum(entry.is_dir() and bool(segment_paths(entry)) for entry in folder.iterdir()) == len(sessions)
        found += [folder] if whole else sessions
    return found


def play(
    logs: Sequence[Path],
    templates: Mapping[str, TemplateConfig],
    folder: Path,
    on_run: Callable[[Path], None] | None = None,
) -> Facts:
    """Run the market of `logs` (run folders or single logs, in order of time) under `templates`; what was traded.

    Everything else is as the newest log was run: configuration, vetoes, events, maps; the money is what the first log's
    account began with. Orders fill in the exchange simulator. The runs are left in `folder`.

    Raises:
        BotError: as a run does.
    """
    documents = documents_of(logs[-1])
    if documents.events is None:
        raise UsageError(f"{logs[-1]} was run without a file of scheduled events; it cannot be run again")
    loaded = LoadedConfig(
        config=offline_config(documents.config, logs[0]),
        templates=dict(templates),
        vetoes=documents.vetoes,
        events=documents.events,
        origins={},
        history={},
        config_path=None,
        profile_path=Path("recorded"),
        strategies_path=Path("recorded"),
        maps={name: fitted for name, fitted in documents.maps.items() if _fits(templates, name, fitted.stop_ticks)},
        latency=documents.latency,
        rules=documents.rules,
    )
    for number, log in enumerate(logs):
        (folder / KILL_FILE).unlink(missing_ok=True)  # a halt ended its own session
        run(RunOptions(loaded=loaded, data_dir=folder, run_id=f"offline-{number:04d}", inputs=(log,)))
        if on_run is not None:
            on_run(log)
    return read_facts(folder)


def offline_config(config: BotConfig, first: Path) -> BotConfig:
    """The configuration for a run over files, with the money of the log's own account where it had one."""
    settings = msgspec.structs.replace(config.run, mode="BACKTEST", adapter="files")
    equity_uusd = _equity_uusd(first)
    decision = config.decision
    if equity_uusd is not None:
        decision = msgspec.structs.replace(decision, equity_assumed_usd=usd_from_uusd(equity_uusd))
    return msgspec.structs.replace(config, run=settings, decision=decision)


def _equity_uusd(path: Path) -> int | None:
    """Of the first account snapshot, which comes before the market; None where no account existed."""
    with LogReader(session_logs(path)[0]) as reader:
        for item in reader.spans():
            if isinstance(item, MessageFrame) and b"ACCOUNT_SNAPSHOT" in bytes(item.payload[:_TAG_BYTES]):
                record = log_records.decode(item.payload)
                if isinstance(record, AccountSnapshot):
                    return None if record.assumed or record.equity_uusd <= 0 else record.equity_uusd
    return None


def _fits(templates: Mapping[str, TemplateConfig], name: str, stop_ticks: int) -> bool:
    return name in templates and templates[name].stop_ticks == stop_ticks


def compare(
    champion: Facts, challenger: Facts, *, recorded: Facts | None = None, trades_min: int = TRADES_MIN
) -> Challenge:
    """Which side did better on the same market, and whether that can be told from chance."""
    ours, theirs = champion.entered(), challenger.entered()
    sessions = {trade.trade_date for trade in (*ours, *theirs)}
    by_session = len(sessions) >= SESSIONS_MIN
    differences = _differences(ours, theirs, by_session=by_session)
    low_uusd, high_uusd = interval_uusd(differences)
    sides = _contestant(ours), _contestant(theirs)
    total_uusd = sum(differences)
    verdict, why = _verdict(sides, low_uusd, high_uusd, trades_min)
    return Challenge(
        champion=sides[0],
        challenger=sides[1],
        block="session" if by_session else "hour",
        blocks=len(differences),
        difference_uusd=total_uusd,
        low_uusd=low_uusd,
        high_uusd=high_uusd,
        verdict=verdict,
        why=why,
        recorded=None if recorded is None else _contestant(recorded.entered()),
    )


def _differences(ours: Sequence[TradeFact], theirs: Sequence[TradeFact], *, by_session: bool) -> list[int]:
    """Challenger less champion in each block in which either traded, in order of time."""
    blocks: dict[int, int] = defaultdict(int)
    for trades, sign in ((ours, -1), (theirs, 1)):
        for trade in trades:
            blocks[trade.trade_date if by_session else trade.entry_ts_ns // _HOUR_NS] += sign * trade.net_uusd
    return [blocks[key] for key in sorted(blocks)]


def interval_uusd(differences: Sequence[int]) -> tuple[int | None, int | None]:
    """Where 95 % of the sums of resampled blocks lie (bias-corrected bootstrap, seeded); None with too few blocks."""
    count = len(differences)
    if count < BLOCKS_MIN:
        return None, None
    if len(set(differences)) == 1:
        return sum(differences), sum(differences)
    found = bootstrap(
        (np.asarray(differences, dtype=np.float64),),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="BCa",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return round(float(found.low) * count), round(float(found.high) * count)


def _contestant(trades: Sequence[TradeFact]) -> Contestant:
    by_template: dict[str, tuple[int, int]] = {}
    for trade in trades:
        count, net_uusd = by_template.get(trade.template, (0, 0))
        by_template[trade.template] = (count + 1, net_uusd + trade.net_uusd)
    return Contestant(
        trades=len(trades),
        wins=sum(trade.win for trade in trades),
        net_uusd=sum(trade.net_uusd for trade in trades),
        by_template=dict(sorted(by_template.items())),
    )


def _verdict(
    sides: tuple[Contestant, Contestant], low_uusd: int | None, high_uusd: int | None, trades_min: int
) -> tuple[Verdict, str]:
    champion, challenger = sides
    fewest = min(champion.trades, challenger.trades)
    if fewest < trades_min:
        return Verdict.TOO_FEW, (
            f"{champion.trades} and {challenger.trades} trades; a verdict needs {trades_min} of each: give more logs"
        )
    if low_uusd is None or high_uusd is None:
        return Verdict.TOO_FEW, f"the market is shorter than {BLOCKS_MIN} blocks with trades: give more logs"
    if low_uusd > 0:
        return Verdict.BETTER, "the challenger earned more, and the whole interval is above zero"
    if high_uusd < 0:
        return Verdict.WORSE, "the challenger earned less, and the whole interval is below zero"
    return Verdict.NOT_SHOWN, "the interval holds zero: the difference cannot be told from chance"
