"""`trading-bot` without a subcommand: check what was asked, wire it, run it, print the summary."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from trading_bot import log_setup
from trading_bot.adapters.ibkr import probe
from trading_bot.cli_options import Common
from trading_bot.cli_output import progress_bar, write_error, write_json, write_pairs, write_table
from trading_bot.config_files import LoadedConfig, RunOptions, load_config, process_environment
from trading_bot.core.entry_facts import PAPER_ACCOUNT
from trading_bot.domain.errors import BotError, SourceUnreachable, UsageError
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.summary import RunSummary
from trading_bot.domain.units import iso_from_ns
from trading_bot.modes import mode_row

if TYPE_CHECKING:
    from trading_bot.reports.day_end_records import DayEnd

SEED_MAX: Final = 2**63
DURATION_S_MAX: Final = 1e9  # three decades; market time in ns stays far below 64 bits
_TOP: Final = 12  # rows of a histogram for people; --json has all


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a run as they were given; None where one was not."""

    mode: str | None
    adapter: str | None
    instrument: str | None
    strategies: Path | None
    profile: str | None
    duration_s: float | None
    seed: int | None
    inputs: tuple[Path, ...]
    history: tuple[Path, ...]
    date: str | None
    columns: Path | None
    start: str | None
    host: str | None
    port: int | None
    client_id: int | None
    account: str | None
    arm: bool
    clock: str | None
    speed: float | None
    decides: bool = True
    exclude_flagged: bool = False
    rules: Path | None = None


def run(common: Common, asked: Asked) -> int:
    """Run the bot and print its summary; the exit code is the summary's."""
    loaded = loaded_for(common, asked)
    run_id = log_setup.new_run_id()
    log_setup.start_logging(common.data_dir, run_id=run_id)
    log = log_setup.get_logger()
    settings = loaded.config.run
    log.info("run_asked", mode=settings.mode, adapter=settings.adapter, instrument=settings.instrument)
    try:
        with progress_bar(wanted=not common.as_json) as progress:
            from trading_bot.wiring import run as run_bot

            summary = run_bot(options_for(common, asked, loaded, run_id, progress))
    except BotError:
        # On the console the error is the command's answer, so the line goes to the file alone.
        log.exception("run_failed", on_console=False)
        raise
    level = log.info if summary.exit_code == 0 else log.error
    level("run_ended", exit_reason=summary.exit_reason, exit_code=summary.exit_code, on_console=False)
    if common.as_json:
        write_json(summary)
    else:
        _show(summary)
    if asked.decides and settings.adapter == "ibkr":
        _write_day_end(common.data_dir)
    return summary.exit_code


def _write_day_end(data_dir: Path) -> None:
    """The end of the day of a bot at a broker, once nothing trades any more; what it says changes no exit code."""
    from trading_bot.pages.day_end_files import write_day_end

    log = log_setup.get_logger()
    try:
        day = write_day_end(data_dir)
    except (BotError, OSError) as error:  # the run has ended in order all the same, and `eod` says it again
        log.error("end_of_day_not_written", failure=str(error))
        return
    emit = log.info if day.flat else log.critical
    emit(
        "end_of_day",
        trade_date=day.trade_date,
        flat=day.flat,
        text="; ".join(_open_reasons(day)),
        on_console=not day.flat,
    )


def _open_reasons(day: "DayEnd") -> list[str]:
    return [text for book in day.books for text in book.open_reasons]


def loaded_for(common: Common, asked: Asked) -> LoadedConfig:
    """The configuration of a run, checked together with what was asked for.

    Raises:
        UsageError: options that exclude each other, or belong to another mode or adapter.
        SourceUnreachable: an input that is not there.
    """
    given = {
        "run.mode": asked.mode,
        "run.adapter": asked.adapter,
        "run.instrument": asked.instrument,
        "rules.file": None if asked.rules is None else str(asked.rules),
    }
    loaded = load_config(
        common.config,
        profile=asked.profile,
        strategies=asked.strategies,
        environment=process_environment(),
        overrides={key: value for key, value in given.items() if value is not None},
    )
    _check(loaded, asked)
    return loaded if asked.decides else msgspec.structs.replace(loaded, templates={}, vetoes={}, maps={})


def _check(loaded: LoadedConfig, asked: Asked) -> None:
    """Combinations that no single option shows (specification 13; architecture 7)."""
    settings = loaded.config.run
    if mode_row(settings.mode, settings.adapter).orders_leave:
        _check_orders_may_leave(settings.mode, settings.instrument, asked)
    elif asked.arm:
        raise UsageError(f"--arm lets real orders leave and belongs to --mode LIVE; {settings.mode} never sends any")
    if settings.adapter == "files":
        _check_files(asked)
    elif asked.inputs or asked.date or asked.columns or asked.exclude_flagged:
        raise UsageError(
            "--input, --date, --columns and --exclude-flagged belong to --adapter files, "
            f"found --adapter {settings.adapter}"
        )
    if asked.history and settings.adapter != "files":
        raise UsageError(
            f"--history names the files and logs before the --input of --adapter files; --adapter {settings.adapter} "
            "brings its own history"
        )
    if settings.adapter != "sim" and asked.start is not None:
        raise UsageError(f"--start sets the time of a simulated market; --adapter {settings.adapter} brings its own")
    if asked.seed is not None and not 0 <= asked.seed < SEED_MAX:
        raise UsageError(f"--seed is {asked.seed}; expected 0 to {SEED_MAX - 1}")
    if asked.duration_s is not None and not 0 < asked.duration_s <= DURATION_S_MAX:
        raise UsageError(
            f"--duration is {asked.duration_s:g}; expected a positive number of seconds, at most {DURATION_S_MAX:g}"
        )
    if asked.clock not in {None, "system", "feed"}:
        raise UsageError(f"--clock is {asked.clock!r}; expected system or feed")
    if asked.clock == "feed" and settings.adapter != "ibkr":
        raise UsageError("--clock feed is for a simulated gateway (--adapter ibkr); files carry their own time")
    if asked.speed is not None:
        if asked.clock != "feed" and settings.adapter != "sim":
            raise UsageError("--speed goes with --clock feed, as given to the gateway, or with --adapter sim")
        if not 0 < asked.speed < float("inf"):
            raise UsageError(f"--speed is {asked.speed}; expected a positive number")


def _check_files(asked: Asked) -> None:
    if not asked.inputs:
        raise UsageError("--adapter files reads the files named by --input; give at least one")
    for option, paths in (("--input", asked.inputs), ("--history", asked.history)):
        for path in paths:
            if not path.exists():
                raise SourceUnreachable(f"{option} {path}: there is no such file or folder")
    if asked.date is not None and not any(path.is_dir() for path in asked.inputs):
        raise UsageError("--date chooses a day of a folder; every --input is a file")
    if asked.columns is not None and not asked.columns.is_file():
        raise UsageError(f"--columns {asked.columns}: there is no such file")


def _check_orders_may_leave(mode: str, symbol: str, asked: Asked) -> None:
    if instrument_by_symbol(symbol).research_only:
        raise UsageError(f"{symbol} is for research only; --mode {mode} refuses it")
    if mode == "PAPER":
        if asked.account is not None and not asked.account.startswith(PAPER_ACCOUNT):
            raise UsageError(
                f"--mode PAPER with account {asked.account}: paper account ids start with {PAPER_ACCOUNT}, this is a "
                "live one; nothing was sent. Name the paper account with --account"
            )
        if asked.arm:
            raise UsageError("--arm lets real orders leave and belongs to --mode LIVE, found --mode PAPER")
        return
    if not asked.arm:
        raise UsageError("--mode LIVE sends real orders and must be armed: add --arm and --account ID")
    if asked.account is None:
        raise UsageError("--mode LIVE needs --account ID, so that no other account can be traded by mistake")
    if asked.account.startswith(PAPER_ACCOUNT):
        raise UsageError(
            f"--mode LIVE with account {asked.account}: that is a paper account; nothing was sent. Use --mode PAPER"
        )


def _port(*, live: bool) -> int:
    return probe.PORT_LIVE if live else probe.PORT_PAPER


def options_for(common: Common, asked: Asked, loaded: LoadedConfig, run_id: str, progress: object) -> RunOptions:
    """What `wiring.run` is given; what was not asked for has its default."""
    return RunOptions(
        loaded=loaded,
        data_dir=common.data_dir,
        run_id=run_id,
        inputs=asked.inputs,
        history=asked.history,
        date=asked.date,
        columns=asked.columns,
        duration_s=asked.duration_s,
        seed=asked.seed,
        start=asked.start,
        host=asked.host or probe.HOST_DEFAULT,
        port=asked.port or _port(live=loaded.config.run.mode == "LIVE"),
        client_id=1 if asked.client_id is None else asked.client_id,
        account=asked.account,
        arm=asked.arm,
        clock=asked.clock or "system",
        speed=asked.speed,
        progress=progress if callable(progress) else None,
        decides=asked.decides,
        exclude_flagged=asked.exclude_flagged,
    )


def _show(summary: RunSummary) -> None:
    """The summary for people: what happened, why not, and where it is written."""
    values = msgspec.structs.asdict(summary)
    histograms = {name: value for name, value in values.items() if isinstance(value, dict)}
    write_pairs(
        f"Run {summary.run_id}: {summary.exit_reason}",
        [
            (name, _readable(name, value))
            for name, value in values.items()
            if name not in histograms and name != "run_id" and value != ""
        ],
    )
    for name, counts in histograms.items():
        flat = [
            (f"{outer} {inner}".rstrip(), count)
            for outer, value in counts.items()
            for inner, count in (value.items() if isinstance(value, dict) else [("", value)])
        ]
        if flat:
            shown = sorted(flat, key=lambda row: -row[1])
            rest = [("and others", sum(count for _, count in shown[_TOP:]))] if len(shown) > _TOP else []
            rows = [(what, f"{count:,}") for what, count in [*shown[:_TOP], *rest]]
            write_table(name.replace("_", " "), ("what", "count"), rows)
    if summary.exit_code != 0:
        write_error(summary.exit_reason, summary.message, summary.exit_code, as_json=False)


def _readable(name: str, value: object) -> object:
    if not isinstance(value, int):
        return value
    return (iso_from_ns(value) if value else "none") if name.startswith("ts_") else f"{value:,}"
