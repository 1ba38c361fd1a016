"""`trading-bot journal`: what it prints, where it looks, and what it answers to mistakes."""

import json
import sys
import threading

import pytest

from tests.journal.conftest import add_run
from tests.reports import day_log as day
from trading_bot import cli_monitor
from trading_bot.domain.errors import SourceUnreachable
from trading_bot.journal import keeping
from trading_bot.journal.database import URL_VARIABLE, Database, database_url


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    add_run(tmp_path / "data", "run-1", [day.started(), day.carried(), *day.three_trades()])
    return tmp_path / "data"


def test_one_json_document_with_the_figures(run_main, data):
    code, out, err = run_main("journal", "rebuild", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["trades"], found["net_usd"], found["fees_usd"]) == (3, -11.25, 10.0)
    assert (found["net_uusd"], found["fees_uusd"]) == (-11_250_000, 10_000_000)
    assert found["db"] == f"sqlite:///{data}/journal.db"
    code, out, _ = run_main("journal", "rebuild", "--db", f"sqlite:///{data}/second.db", "--json")
    assert json.loads(out)["rows_digest"] == found["rows_digest"]
    code, out, _ = run_main("journal", "show", "--json")
    assert json.loads(out)["rows_digest"] == found["rows_digest"]


@pytest.mark.parametrize("log", ["data", "data/runs", "data/runs/run-1", "run-1", "run-1/20261125", "runs/run-1"])
def test_a_log_is_found_however_it_is_named(run_main, data, log):
    assert data.is_dir()
    code, out, _ = run_main("journal", "rebuild", log, "--json")
    assert (code, json.loads(out)["trades"]) == (0, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rebuild", "nowhere"), "does not exist"),
        (("rebuild", "--data-dir", "nowhere"), "--data-dir nowhere does not exist"),
        (("rebuild", "data/runs/run-1/run.json"), "is a file"),
        (("rebuild", "--db", "journal.db"), "is no URL"),
        (("show",), "there is no journal"),
        (("backup",), "there is no journal"),
        (("restore",), "holds no backup"),
        (("restore", "data/runs/run-1/run.json"), None),
        (("keep", "--every", "0"), "0.0 is not in the range"),
        (("rebild",), "No such command 'rebild'"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(run_main, data, words, said):
    code, out, err = run_main("journal", *words)
    assert (code, out) == (6 if said is None else 2, "")
    assert (said or "no backup of the journal") in err.replace("\n", " ")
    assert not list(data.glob("journal.db*"))


def test_a_data_directory_without_a_run(run_main, tmp_path):
    (tmp_path / "data" / "runs").mkdir(parents=True)
    code, out, _ = run_main("journal", "rebuild", "--json")
    found = json.loads(out)
    assert (code, found["trades"], found["runs"], found["net_usd"]) == (0, 0, 0, 0.0)


def test_simulated_money_is_said_to_be_hypothetical(run_main, data):
    assert data.is_dir()
    for command in ("rebuild", "show"):
        code, out, _ = run_main("journal", command)
        assert code == 0
        assert "-11.25 USD HYPOTHETICAL" in out


def test_a_damaged_log_is_exit_code_six(run_main, data):
    segment = data / "runs" / "run-1" / "20261125" / "seg-000001.tbl"
    content = bytearray(segment.read_bytes())
    content[-200] ^= 1
    segment.write_bytes(content)
    code, out, _ = run_main("journal", "rebuild", "--json")
    assert (code, list(json.loads(out)["refused"])) == (6, [str(data / "runs" / "run-1")])
    code, _, err = run_main("journal", "rebuild")
    assert (code, "damaged" in err) == (6, True)


def test_backed_up_dropped_and_restored(run_main, data):
    _, out, _ = run_main("journal", "rebuild", "--json")
    digest = json.loads(out)["rows_digest"]
    code, out, _ = run_main("journal", "backup", "--json")
    assert (code, json.loads(out)["rows_digest"]) == (0, digest)
    (data / "journal.db").unlink()
    code, out, _ = run_main("journal", "restore", "--json")
    assert (code, json.loads(out)["rows_digest"]) == (0, digest)
    assert run_main("journal", "restore")[0] == 2
    assert run_main("journal", "restore", "--force")[0] == 0


def test_kept_once_for_a_timer(run_main, data):
    first, second = (json.loads(run_main("journal", "keep", "--once", "--json")[1]) for _ in range(2))
    assert (first["rebuilt"]["runs_read"], first["backup"]["made"]) == (1, True)
    assert (second["rebuilt"]["runs_read"], second["backup"]["made"]) == (0, False)
    assert len(list((data / "backups").iterdir())) == 1
    assert run_main("journal", "keep", "--once")[1] == ""  # nothing happened, nothing is said
    code, out, _ = run_main("journal", "keep", "--json")
    assert (code, "use it with --once" in json.loads(out)["error"]["message"]) == (2, True)


def test_kept_on_through_a_server_that_is_away(data, tmp_path, monkeypatch):
    stop, heard, made = threading.Event(), [], keeping.one_round

    def once_away(*arguments, **options):
        if not heard:
            raise SourceUnreachable("away")
        return made(*arguments, **options)

    def told(found):
        heard.append(found)
        if len(heard) == 2:
            stop.set()

    monkeypatch.setattr(keeping, "one_round", once_away)
    database = Database(database_url(None, data))
    keeping.keep(database, data, tmp_path / "b", every_s=0.01, keep_days=30, stop=stop, told=told)
    assert isinstance(heard[0], SourceUnreachable)
    assert heard[1].rebuilt.trades == 3


@pytest.mark.parametrize(("url", "package", "extra"), [("sqlite:///a.db", "sqlalchemy", "journal"), ("postgresql://h/d", "psycopg", "postgresql")])  # fmt: skip # noqa: E501
def test_what_is_not_installed_is_named(run_main, data, monkeypatch, url, package, extra):
    assert data.is_dir()
    for name in [
        name for name in sys.modules if name.split(".")[0] == package or name.startswith("trading_bot.journal")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = run_main("journal", "rebuild", "--db", url)
    assert (code, f"needs {package}; install trading-bot[{extra}]" in err) == (2, True)


class TestAtTheClose:
    """What `monitor` does five minutes after the close."""

    def test_rebuilt_and_backed_up(self, data, capsys):
        cli_monitor._keep_journal(data)
        cli_monitor._keep_journal(data)
        said = capsys.readouterr().err.splitlines()
        assert all("3 trades; backup" in line for line in said)
        assert len(list((data / "backups").iterdir())) == 1
        assert Database(database_url(None, data)).file.is_file()

    def test_what_goes_wrong_is_said_and_ends_nothing(self, data, capsys, monkeypatch):
        (data / "journal.db").write_bytes(b"x" * 4096)
        cli_monitor._keep_journal(data)
        assert "the journal was not kept" in capsys.readouterr().err
        monkeypatch.delitem(sys.modules, "trading_bot.journal.database")
        monkeypatch.setitem(sys.modules, "sqlalchemy", None)
        cli_monitor._keep_journal(data)
        assert "sqlalchemy is missing; install trading-bot[journal]" in capsys.readouterr().err
