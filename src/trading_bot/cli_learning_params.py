"""`trading-bot learning propose`, `adopt`, `rollback`, `challenge` and more: what trades ask for, and a person's word.

Only `adopt` and `rollback` write, and only sessions that begin later trade with what they wrote (docs/attribution.md).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot import log_setup
from trading_bot.cli_learning_tables import WORLD, show_attribution, show_challenge, show_proposal, show_values
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json
from trading_bot.domain.errors import UsageError
from trading_bot.domain.learned import LearnedBooks, LearnedSet
from trading_bot.domain.units import iso_from_ns
from trading_bot.engines.learned_params import adopted_set, rolled_back_set
from trading_bot.learned_files import only_writer, read_learned, write_learned

if TYPE_CHECKING:
    from trading_bot.domain.templates import TemplateConfig

app = typer.Typer()

_FROM_NEXT: Final = "The next session that begins in {} trades with it; one that is under way keeps its own."

Logs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[LOG]...", help="Log folders of runs; without one all runs in --data-dir."),
]
Book = Annotated[
    str | None,
    typer.Option("--book", metavar="real|hypothetical", help="Whose trades. Default: real ones where there are any."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Answer the question with yes.")]


@app.command()
def attribution(
    ctx: typer.Context,
    logs: Logs = None,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Take each trade apart: skill, luck, execution, what it was in hindsight, and how much it teaches."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    from trading_bot.analytics.attribution import attribute
    from trading_bot.reports.trade_facts import read_facts

    found = attribute(read_facts(_paths(asked, logs)))
    if asked.as_json:
        write_json(found)
        return
    show_attribution(found)


@app.command()
def propose(
    ctx: typer.Context,
    logs: Logs = None,
    *,
    book: Book = None,
    out: Annotated[Path | None, typer.Option("--out", help="File of the proposal. Default: in DATA/proposals.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Find out what finished trades ask to be changed, try it in shadow, and write it down. Changes nothing."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    hypothetical = _is_hypothetical(book)
    paths, now_ns = _paths(asked, logs), time.time_ns()
    from trading_bot.analytics.proposal_files import write_proposal
    from trading_bot.analytics.proposals import propose as make

    with TemporaryDirectory(prefix="learning-propose-") as scratch:
        log_setup.start_logging(Path(scratch), run_id=log_setup.new_run_id())
        found = make(
            paths,
            read_learned(asked.data_dir),
            now_ns=now_ns,
            scratch=Path(scratch),
            hypothetical=hypothetical,
            on_run=_told(asked),
        )
    stamp = iso_from_ns(now_ns)[:19].replace("-", "").replace(":", "")
    path = out or asked.data_dir / "proposals" / f"{stamp}Z-{WORLD[found.hypothetical]}.json"
    write_proposal(path, found)
    if asked.as_json:
        write_json({"file": str(path), "proposal": found})
        return
    show_proposal(found)
    if found.changes:
        typer.echo(f"Written to {path}. Nothing has changed; `trading-bot learning adopt {path}` puts it in force")
    else:
        typer.echo(f"Written to {path}: there is nothing to adopt")


@app.command()
def adopt(
    ctx: typer.Context,
    proposal: Annotated[Path, typer.Argument(metavar="PROPOSAL", help="File that `learning propose` wrote.")],
    *,
    yes: Yes = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Put evidence of simulated fills in force where real orders are sent.")
    ] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a proposal's evidence, ask, and put it in force for sessions that begin later."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    from trading_bot.analytics.proposal_files import read_proposal

    found = read_proposal(proposal)
    if promote and not found.hypothetical:
        raise UsageError(f"{proposal}: its evidence is real; --promote is for evidence of simulated fills")
    hypothetical = found.hypothetical and not promote
    with only_writer(asked.data_dir):
        books = read_learned(asked.data_dir)
        learned = adopted_set(
            books.book(hypothetical=hypothetical),
            found.templates,
            found.changes,
            now_ns=time.time_ns(),
            hypothetical_evidence=found.hypothetical,
            proposal=found.sha256,
        )
        if not asked.as_json:
            show_proposal(found)
        _ask(f"Adopt these {len(found.changes)} changes for {WORLD[hypothetical]} trading?", asked, yes=yes)
        path = write_learned(asked.data_dir, books.with_set(learned, hypothetical=hypothetical))
    _say_set(asked, path, learned, hypothetical=hypothetical)


@app.command()
def rollback(
    ctx: typer.Context,
    *,
    book: Book = None,
    whole: Annotated[bool, typer.Option("--all", help="Back to the strategy file, whatever was adopted.")] = False,
    yes: Yes = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Put the set before the newest in force again, for sessions that begin later."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    with only_writer(asked.data_dir):
        books = read_learned(asked.data_dir)
        hypothetical = _book_in_force(books, _is_hypothetical(book))
        sets = books.book(hypothetical=hypothetical)
        learned = rolled_back_set(sets, now_ns=time.time_ns(), to_file=whole)
        if not asked.as_json:
            show_values(f"In force for {WORLD[hypothetical]} trading: set {sets[-1].number}", sets[-1])
            show_values("After the rollback", learned)
        _ask("Roll back?", asked, yes=yes)
        path = write_learned(asked.data_dir, books.with_set(learned, hypothetical=hypothetical))
    _say_set(asked, path, learned, hypothetical=hypothetical)


@app.command()
def params(
    ctx: typer.Context,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Every set of parameters that was adopted or rolled back, with its evidence; the last one is in force."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    books = read_learned(asked.data_dir)
    if asked.as_json:
        write_json(books)
        return
    for hypothetical, sets in ((False, books.real), (True, books.hypothetical)):
        for learned in sets:
            when = iso_from_ns(learned.adopted_at_ns)[:19]
            back = f" to set {learned.restores or 'none'}" if learned.kind == "ROLLED_BACK" else ""
            force = ", in force" if learned is sets[-1] else ""
            show_values(f"{WORLD[hypothetical]} set {learned.number}: {learned.kind}{back} {when}Z{force}", learned)
    if not books.real and not books.hypothetical:
        typer.echo(f"Nothing was ever adopted in {asked.data_dir}: every session trades with its strategy file")


@app.command()
def challenge(
    ctx: typer.Context,
    logs: Logs = None,
    *,
    parameters: Annotated[
        Path, typer.Option("--params", metavar="FILE", help="The challenger: a proposal, or a strategy file (TOML).")
    ],
    keep: Annotated[Path | None, typer.Option("--keep", help="Folder for the runs; else they are dropped.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Run the recorded market again under other parameters and under those of the log, and compare trade results."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    paths = _paths(asked, logs)
    from trading_bot.reports.trade_facts import logs_below, read_facts
    from trading_bot.research.challenger import compare, documents_of, play, whole_runs

    runs = whole_runs(logs_below(paths))
    champion = documents_of(runs[-1]).templates
    challenger = _challenger(parameters, runs[-1])
    with TemporaryDirectory(prefix="learning-challenge-") as temporary:
        folder = keep or Path(temporary)
        log_setup.start_logging(folder, run_id=log_setup.new_run_id())
        told = _told(asked)
        ours = play(runs, champion, folder / "champion", told)
        theirs = play(runs, challenger, folder / "challenger", told)
        found = compare(ours, theirs, recorded=read_facts(runs))
    if asked.as_json:
        write_json(found)
        return
    show_challenge(found)


def _challenger(path: Path, log: Path) -> "dict[str, TemplateConfig]":
    """The templates of the challenger: the log's own with a proposal's changes, or those of a strategy file."""
    from trading_bot.analytics.proposal_files import read_proposal
    from trading_bot.analytics.proposals import with_changes
    from trading_bot.config_files import read_toml
    from trading_bot.research.challenger import documents_of
    from trading_bot.strategy_files import read_strategies

    documents = documents_of(log)
    if path.suffix == ".toml":
        return read_strategies(path, read_toml(path), instrument=documents.instrument, config=documents.config)
    proposal = read_proposal(path)
    if not proposal.changes:
        raise UsageError(f"{path} changes nothing; there is no challenger in it")
    return with_changes(documents.templates, proposal.changes)


def _told(asked: Common) -> Callable[[Path], None] | None:
    """A line for each run of the market that is over; none where JSON is wanted or nobody watches."""
    if asked.as_json or not sys.stderr.isatty():
        return None
    return lambda log: typer.echo(f"ran {log.name} again", err=True)


def _paths(asked: Common, logs: list[Path] | None) -> list[Path]:
    return [log_folder(asked, log) for log in logs] if logs else [asked.data_dir]


def _is_hypothetical(book: str | None) -> bool | None:
    if book not in {None, "real", "hypothetical"}:
        raise UsageError(f"--book {book}: expected real or hypothetical")
    return None if book is None else book == "hypothetical"


def _book_in_force(books: LearnedBooks, hypothetical: bool | None) -> bool:
    """The book that was named, or the one that has something in force.

    Raises:
        UsageError: both have.
    """
    if hypothetical is not None:
        return hypothetical
    worlds = [world for world in (False, True) if (held := books.in_force(hypothetical=world)) and held.values]
    if len(worlds) > 1:
        raise UsageError("both books have learned parameters in force; say --book real or --book hypothetical")
    return worlds[0] if worlds else not books.real


def _ask(question: str, asked: Common, *, yes: bool) -> None:
    """A person's word.

    Raises:
        UsageError: nobody is there to give it, or it was no.
    """
    if yes:
        return
    if asked.as_json or not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked: look at the evidence, then add --yes; nothing has changed")
    if not typer.confirm(question):
        raise UsageError("the answer was no; nothing has changed")


def _say_set(asked: Common, path: Path, learned: LearnedSet, *, hypothetical: bool) -> None:
    if asked.as_json:
        write_json({"file": str(path), "book": WORLD[hypothetical], "set": learned})
        return
    typer.echo(f"Set {learned.number} for {WORLD[hypothetical]} trading: {path}. {_FROM_NEXT.format(asked.data_dir)}")
