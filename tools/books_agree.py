"""Whether everything that names money names the same: `make agree`, after `make demo`.

    .venv/bin/python tools/books_agree.py [--data-dir DIR]... [--no-postgres] [--json]

For each data directory (default: those of demo/out) it asks, by the commands a user has: the runs' own summaries,
`report`, `eod`, `digest`, `stats`, `learning show`, `journal rebuild` on SQLite and on PostgreSQL, and a bundle of
each run, unpacked elsewhere, replayed and asked again. Trades, net and fees of both kinds of money must be equal to the
micro-dollar. Exit code 1 names the two numbers that differ.
"""

import argparse
import contextlib
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
KINDS: Final = ("real", "hypothetical")


class Money(NamedTuple):
    """What one source says of one kind of money; None where it does not say."""

    trades: int | None
    net_uusd: int | None
    fees_uusd: int | None


Said = dict[str, Money]  # kind -> money


class Difference(NamedTuple):
    """Two sources that do not agree."""

    data_dir: str
    kind: str
    what: str
    first: str
    first_says: object
    second: str
    second_says: object

    def __str__(self) -> str:
        """As a person reads it."""
        where = f"{self.data_dir}: {self.kind} {self.what}"
        return f"{where}: {self.first} says {self.first_says}, {self.second} says {self.second_says}"


class Failed(Exception):
    """A command that did not end with the exit code it should have."""


def main() -> int:
    """0 when all agree, 1 when two do not, or a command fails."""
    asked = _parser().parse_args()
    folders = asked.data_dir or sorted(path.parent for path in (ROOT / "demo" / "out").glob("**/runs"))
    if not folders:
        print("books_agree: demo/out holds no run; `make demo` first, or name --data-dir", file=sys.stderr)
        return 1
    found: dict[str, dict[str, Said]] = {}
    differences: list[Difference] = []
    try:
        with _postgres(wanted=not asked.no_postgres) as server:
            for number, folder in enumerate(folders):
                url = None if server is None else server.url(f"agree_{number}")
                said, other = books(folder, postgres_url=url)
                found[str(folder)] = said
                differences += [*compare(str(folder), said), *other]
    except Failed as error:
        print(f"books_agree: {error}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps({"ok": not differences, "books": found, "differences": [str(one) for one in differences]}))
    else:
        _print(found)
    for one in differences:
        print(f"books_agree: {one}", file=sys.stderr)
    return 1 if differences else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Everything that names money names the same")
    parser.add_argument("--data-dir", type=Path, action="append", help="repeatable; default: those below demo/out")
    parser.add_argument("--no-postgres", action="store_true", help="leave PostgreSQL out")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


@contextlib.contextmanager
def _postgres(*, wanted: bool) -> Iterator[Any]:
    """A server of its own; None where none was wanted, or is there, which is said."""
    from tools.postgres_server import NoPostgres, postgres

    with contextlib.ExitStack() as stack:
        server = None
        if wanted:
            try:
                server = stack.enter_context(postgres())
            except NoPostgres as reason:
                print(f"books_agree: without PostgreSQL: {reason}", file=sys.stderr)
        yield server


def command(*arguments: object, codes: Sequence[int] = (0,)) -> dict[str, Any]:
    """The JSON document of a command, run in this process.

    Raises:
        Failed: another exit code than one of `codes`.
    """
    from trading_bot.cli import main as cli

    given = [*map(str, arguments), "--json"]
    out = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out):
        code = cli(given)
    out.flush()
    text = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
    if code not in codes:
        raise Failed(f"trading-bot {' '.join(given)} ended with {code}: {text[:500]}")
    document: dict[str, Any] = json.loads(text)
    return document


def books(data_dir: Path, *, postgres_url: str | None) -> tuple[dict[str, Said], list[Difference]]:
    """What each source says of a data directory, and differences that are not about these sums.

    Raises:
        Failed: a command fails.
    """
    at = ("--data-dir", data_dir)
    runs = sorted(path for path in (data_dir / "runs").iterdir() if path.is_dir())
    dates = _dates(data_dir)
    days = [command("eod", "--date", date, *at, codes=(0, 5)) for date in dates]
    weeks = {command("digest", "--to", date, *at)["week"]: date for date in dates}
    said: dict[str, Said] = {
        "summaries": _summaries(runs),
        "eod": _summed(days),
        "digest": _summed([command("digest", "--to", date, *at) for date in weeks.values()]),
        "report": _summed([command("report", *paths, "--quick", *at) for paths in _by_instrument(days)]),
        "stats": _counted(command("stats", "--quick", *at)),
        "learning": _learned(command("learning", "show", *at)),
    }
    with tempfile.TemporaryDirectory(prefix="books-agree-") as folder:
        sqlite = command("journal", "rebuild", "--db", f"sqlite:///{folder}/journal.db", *at)
        said["journal on SQLite"] = _summed([sqlite])
        other = []
        if postgres_url is not None:
            there = command("journal", "rebuild", "--db", postgres_url, *at)
            said["journal on PostgreSQL"] = _summed([there])
            if there["rows_digest"] != sqlite["rows_digest"]:
                names = ("journal on SQLite", sqlite["rows_digest"], "journal on PostgreSQL", there["rows_digest"])
                other.append(Difference(str(data_dir), "journal", "rows_digest", *names))
        said["bundles"], replayed = _bundles(runs, Path(folder), data_dir)
    return said, [*other, *replayed]


def compare(data_dir: str, said: dict[str, Said]) -> list[Difference]:
    """Each source beside the first that says anything of the number."""
    found = []
    for kind in KINDS:
        for place, what in enumerate(Money._fields):
            told = [(name, money[kind][place]) for name, money in said.items() if money[kind][place] is not None]
            found += [
                Difference(data_dir, kind, what, told[0][0], told[0][1], name, value)
                for name, value in told[1:]
                if value != told[0][1]
            ]
    return found


def _dates(data_dir: Path) -> list[int]:
    from trading_bot.reports.day_end import begun_logs

    return sorted({started.trade_date for _, started in begun_logs(data_dir)})


def _by_instrument(days: Iterable[dict[str, Any]]) -> list[list[str]]:
    """The logs of each day and instrument: a report is of one of each."""
    groups: dict[tuple[int, str], list[str]] = {}
    for day in days:
        for book in day["books"]:
            logs = [log for run in book["runs"] for log in run["logs"]]
            groups.setdefault((day["trade_date"], book["instrument"]), []).extend(logs)
    return list(groups.values())


def _summaries(runs: Iterable[Path]) -> Said:
    """What the runs said when they ended; nothing where one never did."""
    net = dict.fromkeys(KINDS, 0)
    trades = 0
    for run in runs:
        written = run / "summary.json"
        if not written.is_file():
            return {kind: Money(None, None, None) for kind in KINDS}
        document = json.loads(written.read_bytes())
        net["real"] += round(document["pnl_net_usd"] * 1_000_000)
        net["hypothetical"] += round(document["pnl_hypothetical"] * 1_000_000)
        trades += document["trades_closed"]
    # A summary counts the trades of both kinds together: they are told where there is one kind.
    only = [kind for kind in KINDS if net[kind]]
    return {kind: Money(trades if only == [kind] else None, net[kind], None) for kind in KINDS}


def _summed(documents: Iterable[dict[str, Any]]) -> Said:
    """Documents that have `real` and `hypothetical` with trades, net_uusd and fees_uusd."""
    rows = list(documents)
    return {kind: Money(*(sum(row[kind][name] for row in rows) for name in Money._fields)) for kind in KINDS}


def _counted(document: dict[str, Any]) -> Said:
    """A book for each kind of money; fees of executions that are part of no trade are in no sum here."""
    found = dict.fromkeys(KINDS, Money(0, 0, 0))
    for book in document["books"]:
        fees = book["fees"]
        kind = "hypothetical" if book["hypothetical"] else "real"
        fees_uusd = fees["of_trades_uusd"] + fees["later_uusd"]
        found[kind] = Money(book["metrics"]["trades"], book["net_uusd"], fees_uusd)
    return found


def _learned(document: dict[str, Any]) -> Said:
    """What the templates have learned from, over their lives."""
    rows = document["templates"]
    found = {}
    for kind in KINDS:
        mine = [row for row in rows if row["book"] == kind]
        net = sum(round(row["lifetime_net_usd"] * 1_000_000) for row in mine)
        found[kind] = Money(sum(row["lifetime_trades"] for row in mine), net, None)
    return found


def _bundles(runs: Iterable[Path], folder: Path, data_dir: Path) -> tuple[Said, list[Difference]]:
    """Each run packed, unpacked elsewhere, replayed, and asked again."""
    days, differences = [], []
    for run in runs:
        packed = folder / f"{run.name}.tar.gz"
        told = command("bundle", run, "--out", packed, "--data-dir", data_dir)
        elsewhere = folder / f"elsewhere-{run.name}"
        with tarfile.open(packed) as archive:
            archive.extractall(elsewhere, filter="data")
        (unpacked,) = elsewhere.glob("*/run")
        replayed = command("replay", unpacked, "--data-dir", elsewhere)
        wanted = told["bundle"]["bundled"]["effects_digest"]
        if replayed["effects_digest"] != wanted:
            digests = ("bundle", wanted, "its replay", replayed["effects_digest"])
            differences.append(Difference(str(run), "bundle", "effects_digest", *digests))
        dates = _dates(unpacked)
        days += [command("eod", unpacked, "--date", date, "--data-dir", elsewhere, codes=(0, 5)) for date in dates]
    return _summed(days), differences


def _print(found: dict[str, dict[str, Said]]) -> None:
    from trading_bot.cli_output import write_table

    for data_dir, said in found.items():
        rows = [
            (name, kind, *(("-" if value is None else _shown(what, value)) for what, value in _named(money[kind])))
            for name, money in said.items()
            for kind in KINDS
            if any(money[kind])
        ]
        write_table(data_dir, ("source", "money", "trades", "net USD", "fees USD"), rows)


def _named(money: Money) -> Iterable[tuple[str, int | None]]:
    return zip(Money._fields, money, strict=True)


def _shown(what: str, value: int) -> str:
    return str(value) if what == "trades" else f"{value / 1_000_000:,.6f}"


if __name__ == "__main__":
    raise SystemExit(main())
