"""Backups of 30 days, and the way back: dropped, restored, the same rows (PR07)."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.journal.test_migrations import old_rows
from tests.journal.test_rebuild import ask, change, database
from trading_bot.core.learning_file import load_learning, save_learning
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.journal import backup as module
from trading_bot.journal.backup import back_up
from trading_bot.journal.rebuild import rebuild
from trading_bot.journal.restore import restore
from trading_bot.wiring import _only_bot

NOW_NS = 1_795_644_300_000_000_000  # 2026-11-25T22:05:00Z
DAY_NS = 86_400_000_000_000
STATE = {"templates": {}}


def made(url, data, *, days=0, **options):
    return back_up(database(url), data, data / "backups", now_ns=NOW_NS + round(days * DAY_NS), **options)


def drop_all(url):
    tables = "trades orders fills decisions quality_minutes breakers learning corrections refusals parameters sources"
    for table in [*tables.split(), "sessions", "runs", "journal_schema"]:
        change(url, f"DROP TABLE {table}")


def rewrite(path, target, **members):
    """A backup with some of its files replaced."""
    with tarfile.open(path) as source, tarfile.open(target, "w:gz") as changed:
        for entry in source.getmembers():
            content = source.extractfile(entry).read()
            content = members.get(entry.name.replace(".", "_"), lambda same: same)(content)
            entry.size = len(content)
            changed.addfile(entry, io.BytesIO(content))
    return target


@pytest.mark.parametrize(("first", "second"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_dropped_and_restored_the_rows_are_the_same_and_in_the_other_database_too(data, urls, first, second):
    url, other = urls(first), urls(second)
    before = rebuild(database(url), [data])
    found = made(url, data)
    assert found.rows_digest == before.rows_digest
    assert found.file.endswith("backups/journal-20261125T220500Z.tar.gz")
    drop_all(url)
    for target in (url, other):
        back = restore(database(target), module.newest(data / "backups"), data)
        assert (back.rows_digest, back.rows, back.replaced) == (before.rows_digest, before.rows, 0)
        assert ask(target, "SELECT sum(net_uusd) FROM trades") == [(-11_250_000,)]
    assert rebuild(database(other), [data]).rows_digest == before.rows_digest


def test_a_backup_is_its_owners_alone_and_its_lines_have_the_digest(data, urls):
    url = urls("sqlite")
    digest = rebuild(database(url), [data]).rows_digest
    path = data / "backups" / made(url, data).file.rsplit("/", 1)[-1]
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        lines = archive.extractfile("rows.jsonl").read()
        manifest = json.load(archive.extractfile("MANIFEST.json"))
    assert hashlib.sha256(lines).hexdigest() == digest == manifest["rows_sha256"]
    assert len(lines.splitlines()) == sum(manifest["rows"].values())
    assert [path.name for path in (data / "backups").iterdir()] == [path.name]  # nothing half done beside it


def test_thirty_days_are_kept_and_what_goes_is_said(data, urls):
    url = urls("sqlite")
    rebuild(database(url), [data])
    folder = data / "backups"
    folder.mkdir()
    begun = datetime(2026, 11, 25, 22, 5, tzinfo=UTC)
    for day in range(39):  # as many evenings; only their names count
        (folder / f"journal-{begun + timedelta(days=day):%Y%m%dT%H%M%SZ}.tar.gz").touch()
        if day == 30:
            assert module.prune(folder, begun + timedelta(days=30), module.KEEP_DAYS) == []
    found = made(url, data, days=39)
    # Now is day 39: 30 days before is day 9, which is not older than 30 days.
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"journal-{begun + timedelta(days=day):%Y%m%dT%H%M%SZ}.tar.gz" for day in range(9, 40)]
    gone = [f"journal-{begun + timedelta(days=day):%Y%m%dT%H%M%SZ}.tar.gz" for day in range(9)]
    assert found.deleted == [str(folder / name) for name in gone]


def test_the_newest_is_never_deleted_nor_a_file_that_is_not_ours(data, urls):
    url = urls("sqlite")
    rebuild(database(url), [data])
    folder = data / "backups"
    made(url, data)
    for name in ("journal-copy.tar.gz", "notes.txt", "journal-99999999T999999Z.tar.gz"):
        (folder / name).touch()
    later = datetime.fromtimestamp(NOW_NS // 10**9, tz=UTC) + timedelta(days=400)
    (folder / "journal-99999999T999999Z.tar.gz").unlink()
    assert module.prune(folder, later, 30) == []
    assert {path.name for path in folder.iterdir()} == {
        "journal-20261125T220500Z.tar.gz", "journal-copy.tar.gz", "notes.txt",
    }  # fmt: skip


def test_daily_keeps_the_newest_of_each_day(data, urls):
    """At 22:05: made. Half an hour later, and where nothing has changed: not. Changed at 23:35: in its place."""
    url, hour = urls("sqlite"), 1 / 24
    rebuild(database(url), [data])
    found = [made(url, data, days=days, daily=True) for days in (0, 0.5 * hour, 1.4 * hour)]
    assert [row.made for row in found] == [True, False, False]
    assert {row.file for row in found} == {found[0].file}
    change(url, "UPDATE trades SET net_uusd = 5 WHERE closed_seq = 3")
    assert not made(url, data, days=0.9 * hour, daily=True).made
    later = made(url, data, days=1.5 * hour, daily=True)
    assert (later.made, later.deleted, later.kept) == (True, [found[0].file], 1)
    assert later.rows_digest != found[0].rows_digest
    next_day = made(url, data, days=1, daily=True)
    assert (next_day.made, next_day.deleted, next_day.kept) == (True, [], 2)


def test_a_damaged_backup_of_today_counts_as_none(data, urls):
    url = urls("sqlite")
    rebuild(database(url), [data])
    path = Path(made(url, data).file)
    path.write_bytes(path.read_bytes()[:100])
    again = made(url, data, days=0.01, daily=True)
    assert (again.made, again.deleted) == (True, [str(path)])


def test_rows_in_the_way_are_replaced_only_by_force(data, db):
    rebuild(database(db), [data])
    path = module.newest(data / "backups") if made(db, data) else None
    change(db, "UPDATE trades SET net_uusd = 5 WHERE closed_seq = 3")
    with pytest.raises(UsageError, match=r"holds a journal of 5 rows; --force"):
        restore(database(db), path, data)
    assert ask(db, "SELECT net_uusd FROM trades WHERE closed_seq = 3") == [(5,)]
    assert restore(database(db), path, data, force=True).replaced == 5
    assert ask(db, "SELECT net_uusd FROM trades WHERE closed_seq = 3") == [(10_000_000,)]


class TestDamage:
    @pytest.fixture
    def path(self, data, urls):
        url = urls("sqlite")
        rebuild(database(url), [data])
        made(url, data)
        return module.newest(data / "backups")

    @pytest.mark.parametrize("cut", [0, 1, 40, 300])
    def test_a_cut_backup_changes_nothing(self, data, path, urls, cut):
        db = urls("sqlite")
        rebuild(database(db), [data])
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(DataCorrupt, match="damaged, or no backup"):
            restore(database(db), path, data, force=True)
        assert ask(db, "SELECT count(*) FROM trades") == [(3,)]

    def test_changed_rows_are_noticed(self, data, path, db, tmp_path):
        changed = rewrite(path, tmp_path / "b.tar.gz", rows_jsonl=lambda rows: rows.replace(b"10000000", b"99000000"))
        with pytest.raises(DataCorrupt, match=r"rows\.jsonl is not what the manifest says"):
            restore(database(db), changed, data)

    def test_rows_that_come_back_as_others_are_noticed_and_not_kept(self, data, path, db, tmp_path):
        """The manifest fits the lines, but no database would give such lines: `1` where a truth value belongs."""
        lines = {}

        def spoilt(rows):
            lines["sha"] = hashlib.sha256(bad := rows.replace(b",true]", b",1]")).hexdigest()
            return bad

        rewrite(path, tmp_path / "a.tar.gz", rows_jsonl=spoilt)
        with tarfile.open(path) as archive:
            old = json.load(archive.extractfile("MANIFEST.json"))["rows_sha256"]
        changed = rewrite(
            path, tmp_path / "b.tar.gz", rows_jsonl=spoilt,
            MANIFEST_json=lambda text: text.replace(old.encode(), lines["sha"].encode()),
        )  # fmt: skip
        with pytest.raises((DataCorrupt, UsageError)):
            restore(database(db), changed, data)
        rebuild(database(db), [data])
        assert ask(db, "SELECT count(*) FROM trades") == [(3,)]

    @pytest.mark.parametrize(
        ("text", "said"),
        [("{}", "no backup of the journal"), ("[]", "no backup"), ("{", "damaged"), ('{"format": 1}', "no backup")],
    )
    def test_a_manifest_that_is_none(self, data, path, tmp_path, urls, text, said):
        changed = rewrite(path, tmp_path / "b.tar.gz", MANIFEST_json=lambda _: text.encode())
        with pytest.raises(DataCorrupt, match=said):
            restore(database(urls("sqlite")), changed, data)

    def test_other_files(self, data, tmp_path, urls):
        url = urls("sqlite")
        for content in (b"", b"hello", gzip.compress(b"hello")):
            (tmp_path / "x.tar.gz").write_bytes(content)
            with pytest.raises(DataCorrupt):
                restore(database(url), tmp_path / "x.tar.gz", data)
        with pytest.raises(UsageError, match="is no file"):
            restore(database(url), tmp_path / "none.tar.gz", data)

    def test_a_newer_one_is_refused(self, data, path, tmp_path, urls):
        changed = rewrite(path, tmp_path / "b.tar.gz", MANIFEST_json=lambda text: text.replace(b'"0002"', b'"0003"'))
        with pytest.raises(UsageError, match="revision 0003, this version knows up to 0002"):
            restore(database(urls("sqlite")), changed, data)


def test_an_older_revision_is_backed_up_restored_and_upgraded(data, urls):
    url, other = urls("sqlite"), urls("postgresql")
    old_rows(url)
    assert made(url, data).rows == {
        "runs": 1, "sessions": 1, "trades": 1, "orders": 0, "fills": 0, "decisions": 0, "quality_minutes": 0,
        "breakers": 0, "learning": 0,
    }  # fmt: skip
    back = restore(database(other), module.newest(data / "backups"), data)
    assert (back.revision_of_backup, back.revision, back.rows["trades"], back.rows["parameters"]) == (
        "0001",
        "0002",
        1,
        0,
    )
    assert ask(other, "SELECT log, told FROM trades") == [("old/20260102", True)]


class TestFiles:
    @pytest.fixture
    def url(self, data, urls):
        save_learning(data / "learning_state.json", STATE, log="run-1/20261125", seq=7)
        (data / "learned_params.json").write_text('{"adopted": 1}')
        (data / "KILLSWITCH").write_text("{}")
        (data / "control.key").write_text("secret")
        url = urls("sqlite")
        rebuild(database(url), [data])
        assert made(url, data).files == ["learned_params.json", "learning_state.json"]
        return url

    @pytest.mark.usefixtures("url")
    def test_a_lost_data_directory_gets_its_files_back(self, data, tmp_path, urls):
        other = tmp_path / "new"
        back = restore(database(urls("sqlite")), module.newest(data / "backups"), other, files=True)
        assert back.files_written == ["learned_params.json", "learning_state.json"]
        assert load_learning(other / "learning_state.json").seq == 7
        assert not (other / "KILLSWITCH").exists()

    def test_without_being_asked_none_is_touched(self, data, url):
        (data / "learned_params.json").write_text('{"adopted": 2}')
        back = restore(database(url), module.newest(data / "backups"), data, force=True)
        assert (back.files_left, back.files_same) == (["learned_params.json"], ["learning_state.json"])
        assert (data / "learned_params.json").read_text() == '{"adopted": 2}'

    @pytest.mark.usefixtures("url")
    def test_others_are_replaced_only_by_force_and_with_nothing_half_done(self, data, urls):
        (data / "learned_params.json").write_text('{"adopted": 2}')
        target = urls("sqlite")
        with pytest.raises(UsageError, match=r"other versions of learned_params.json; --force"):
            restore(database(target), module.newest(data / "backups"), data, files=True)
        with pytest.raises(UsageError, match="there is no journal"):
            ask(target, "SELECT 1")
        restore(database(target), module.newest(data / "backups"), data, files=True, force=True)
        assert (data / "learned_params.json").read_text() == '{"adopted": 1}'

    @pytest.mark.usefixtures("url")
    def test_not_while_a_bot_runs(self, data, urls):
        (data / "learned_params.json").unlink()
        with _only_bot(data), pytest.raises(UsageError, match="a bot runs in"):
            restore(database(urls("sqlite")), module.newest(data / "backups"), data, files=True)

    @pytest.mark.usefixtures("url")
    @pytest.mark.parametrize("form", ["../x.json", "{}/x.json", "logs/../../x.json"])
    def test_a_name_that_leads_out_is_refused(self, data, tmp_path, urls, form):
        name = form.format(tmp_path)
        newest, spoilt = module.newest(data / "backups"), tmp_path / "b.tar.gz"
        with tarfile.open(newest) as archive, tarfile.open(spoilt, "w:gz") as changed:
            for entry in archive.getmembers():
                content = archive.extractfile(entry).read()
                if entry.name == "MANIFEST.json":
                    content = content.replace(b'"learned_params.json"', json.dumps(name).encode())
                entry.name = entry.name.replace("learned_params.json", name)
                entry.size = len(content)
                changed.addfile(entry, io.BytesIO(content))
        with pytest.raises(DataCorrupt, match="outside the data directory"):
            restore(database(urls("sqlite")), spoilt, data, files=True, force=True)
        assert not (tmp_path / "x.json").exists()


def test_where_there_is_no_journal_there_is_no_backup(data, urls):
    with pytest.raises(UsageError, match="no journal"):
        made(urls("sqlite"), data)
    with pytest.raises(UsageError, match="holds no journal"):
        made(urls("postgresql"), data)
    with pytest.raises(UsageError, match="holds no backup"):
        module.newest(data / "backups")
    shutil.rmtree(data)
