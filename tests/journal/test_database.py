"""Which database, and that no password is ever in a text."""

import json
from pathlib import Path

import pytest

from trading_bot.cli import main
from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError
from trading_bot.journal.backup import back_up
from trading_bot.journal.database import URL_VARIABLE, Database, database_url
from trading_bot.journal.migrate import upgrade

WORD = "geheim@:/%!"
SPELT = "geheim%40%3A%2F%25%21"


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)


class TestWhich:
    def test_a_file_in_the_data_directory_unless_another_is_named(self, tmp_path, monkeypatch):
        assert Database(database_url(None, tmp_path)).file == tmp_path / "journal.db"
        monkeypatch.setenv(URL_VARIABLE, f"sqlite:///{tmp_path}/other.db")
        assert Database(database_url(None, tmp_path)).file == tmp_path / "other.db"
        assert Database(database_url(f"sqlite:///{tmp_path}/third.db", tmp_path)).file == tmp_path / "third.db"

    @pytest.mark.parametrize(
        "text", ["postgresql://u@h/d", "postgres://u@h/d", "postgresql+psycopg://u@h/d", "postgresql+psycopg2://u@h/d"]
    )
    def test_every_spelling_of_postgresql(self, tmp_path, text):
        assert database_url(text, tmp_path).drivername == "postgresql+psycopg"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("journal.db", "is no URL"),
            (f"postgresql://u:{SPELT}@h:port/d", "is no URL"),
            ("://", "is no URL"),
            ("", "--db is no URL"),  # of a shell's variable that is not set
            (f"mysql://u:{SPELT}@h/d", "kind 'mysql'; expected sqlite or postgresql"),
            ("sqlite://", "in memory"),
            ("sqlite:///:memory:", "in memory"),
            (f"postgresql://u:{SPELT}@h", "names no database"),
        ],
    )
    def test_what_is_none_is_refused_without_repeating_it(self, tmp_path, text, said):
        with pytest.raises(UsageError, match=said) as refused:
            database_url(text, tmp_path)
        assert "geheim" not in str(refused.value)


class TestSecrets:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (f"postgresql://me:{SPELT}@db.example:5433/j", "postgresql://me:***@db.example:5433/j"),
            ("postgresql://db/j?host=/run/pg&password=geheim", "postgresql://db/j?host=%2Frun%2Fpg"),
            ("postgresql://db/j?sslmode=require&sslpassword=geheim", "postgresql://db/j?sslmode=require"),
        ],
    )
    def test_the_name_has_no_password(self, tmp_path, text, shown):
        assert Database(database_url(text, tmp_path)).name == shown

    def test_a_driver_that_repeats_it_is_not_repeated(self, tmp_path):
        database = Database(database_url(f"postgresql://me:{SPELT}@h/j?sslpassword=other", tmp_path))
        said = database.without_secrets(f"no {WORD}, no {SPELT}, no other")
        assert said == "no ***, no ***, no ***"

    def test_a_wrong_password_at_a_real_server(self, server, tmp_path, capfdbinary, monkeypatch):
        """Nothing of it on stdout, on stderr, or in the diagnostic logs."""
        monkeypatch.chdir(tmp_path)
        server.psql("CREATE DATABASE secrets")
        url = server.url_of("secrets", password=WORD)
        assert SPELT.removesuffix("%21") in url
        for command in ("show", "rebuild", "backup"):
            (tmp_path / "data" / "runs").mkdir(parents=True, exist_ok=True)
            code = main(["journal", command, "--db", url, "--data-dir", "data", "--json"])
            out, err = (text.decode() for text in capfdbinary.readouterr())
            assert code == 2
            assert "authentication failed" in json.loads(out)["error"]["message"] or command == "rebuild"
            assert "geheim" not in out + err
        assert not any("geheim" in path.read_text() for path in Path("data").rglob("*.jsonl"))

    def test_the_password_may_come_from_the_environment(self, server, tmp_path, monkeypatch):
        server.psql("CREATE DATABASE by_variable")
        url = f"postgresql://journal_test@/by_variable?host={server.folder}"
        monkeypatch.setenv("PGPASSWORD", server.password)
        with Database(database_url(url, tmp_path)).reading():
            pass


def test_a_server_that_is_not_there(tmp_path):
    database = Database(database_url(f"postgresql://me:{SPELT}@/j?host={tmp_path}", tmp_path))
    with (
        pytest.raises(SourceUnreachable, match=r"nothing was changed; is the server up") as refused,
        database.reading(),
    ):
        pass
    assert "geheim" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_looking_makes_no_file(tmp_path):
    database = Database(database_url(None, tmp_path))
    with pytest.raises(UsageError, match="there is no journal; `trading-bot journal rebuild`"), database.reading():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").write_text("x")
    database = Database(database_url(f"sqlite:///{tmp_path}/file/journal.db", tmp_path))
    with pytest.raises(UsageError, match="no folder that can be written"), database.writing():
        pass
    whole = Database(database_url(None, tmp_path))
    with whole.writing() as connection:
        upgrade(connection)
    for folder in (tmp_path / "file", Path("/proc/backups")):
        with pytest.raises(UsageError, match=f"{folder}: no folder that can be written"):
            back_up(whole, tmp_path, folder, now_ns=0)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"x" * 4096)
    database = Database(database_url(None, tmp_path))
    with pytest.raises(DataCorrupt, match="not a database; restore a backup"), database.reading():
        pass
