"""The file of the learned parameters: whole or refused, every set kept, one writer at a time."""

import json
import os
import signal
import time

import msgspec
import pytest

from tests.learned.sets import MONDAY_NS, books, one_set, value
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.learned import LearnedBooks
from trading_bot.learned_files import FILE_NAME, PREVIOUS_NAME, only_writer, read_learned, write_learned

FIRST = one_set(1, value("template.K1.stop_ticks", 8_000_000, 9_000_000))
SECOND = one_set(2, value("template.K1.weights.vwap_z", -1_000_000, -950_000), at_ns=MONDAY_NS + 5)


def test_what_is_written_is_read(tmp_path):
    assert read_learned(tmp_path) == LearnedBooks()
    written = books(FIRST, SECOND)
    write_learned(tmp_path / "new" / "folder", written)
    found = read_learned(tmp_path / "new" / "folder")
    assert found == written
    assert (found.in_force(hypothetical=True), found.in_force(hypothetical=False)) == (SECOND, None)


def test_the_file_before_is_kept(tmp_path):
    write_learned(tmp_path, books(FIRST))
    before = (tmp_path / FILE_NAME).read_bytes()
    write_learned(tmp_path, books(FIRST, SECOND))
    assert (tmp_path / PREVIOUS_NAME).read_bytes() == before
    (tmp_path / PREVIOUS_NAME).replace(tmp_path / FILE_NAME)
    assert read_learned(tmp_path) == books(FIRST)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = write_learned(tmp_path, books(FIRST)).read_bytes()
    for size in range(0, len(whole), 5):
        (tmp_path / FILE_NAME).write_bytes(whole[:size])
        with pytest.raises(DataCorrupt, match=FILE_NAME):
            read_learned(tmp_path)


def test_what_cannot_be_read_is_refused_and_says_what_to_do(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(DataCorrupt, match=r"cannot be read \(Is a directory\).*move it away"):
        read_learned(tmp_path)


def test_a_file_with_any_byte_changed_is_refused(tmp_path):
    """Except where the change leaves the same JSON."""
    whole = write_learned(tmp_path, books(FIRST)).read_bytes()
    for at in range(0, len(whole), 3):
        spoilt = bytearray(whole)
        spoilt[at] ^= 0x04
        (tmp_path / FILE_NAME).write_bytes(spoilt)
        with pytest.raises(DataCorrupt):
            read_learned(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": 2}, "version 2, expected 1"),
        ({"version": True}, "version True"),
        ({"format": "x"}, "holds no learned"),
    ],
)
def test_another_version_or_program_is_refused(tmp_path, changed, message):
    document = json.loads(write_learned(tmp_path, books(FIRST)).read_bytes())
    (tmp_path / FILE_NAME).write_text(json.dumps(document | changed))
    with pytest.raises(DataCorrupt, match=message):
        read_learned(tmp_path)


def test_a_disk_that_takes_nothing_leaves_the_old_file(tmp_path, monkeypatch):
    write_learned(tmp_path, books(FIRST))

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_learned(tmp_path, books(FIRST, SECOND))
    monkeypatch.undo()
    assert read_learned(tmp_path) == books(FIRST)
    assert not list(tmp_path.glob(".*.tmp"))


def test_one_adoption_at_a_time(tmp_path):
    with only_writer(tmp_path), pytest.raises(UsageError, match="another process is changing"), only_writer(tmp_path):
        pass


def test_a_process_killed_while_it_writes_leaves_the_old_file_or_the_new_one(tmp_path):
    """Twenty kills, a millisecond later each time."""
    write_learned(tmp_path, books(FIRST))
    found = set()
    for wait_ms in range(20):
        child = os.fork()
        if child == 0:  # pragma: no cover (the child is killed)
            while True:
                write_learned(tmp_path, books(FIRST, SECOND))
                write_learned(tmp_path, books(FIRST))
        time.sleep(wait_ms / 1_000)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.add(len(read_learned(tmp_path).hypothetical))
        assert len(msgspec.json.decode((tmp_path / FILE_NAME).read_bytes())["books"]["hypothetical"]) in {1, 2}
    assert found <= {1, 2}


def test_a_mistyped_data_directory_is_refused_and_not_made(tmp_path):
    with pytest.raises(UsageError, match=r"dta does not exist"), only_writer(tmp_path / "dta"):
        pass
    assert not (tmp_path / "dta").exists()
