"""A look at a lock never takes it: a bot that starts in that moment must get it."""

import fcntl
import os

import pytest

from trading_bot.monitor import locks
from trading_bot.monitor.locks import held


def never():
    raise AssertionError("the lock was asked")


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "bot.lock"
    path.write_text(f"{os.getpid()}\n")
    return path


def test_a_held_lock_is_seen_in_the_kernels_list(lock):
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        listed = held(lock, None, never)
    if listed is False:
        pytest.skip("this file system numbers its files otherwise in /proc/locks")
    assert listed is True


def test_a_free_lock_of_a_dead_process_is_not_asked(lock):
    assert held(lock, 2**22 + 1, never) is False
    assert held(lock.with_name("none"), os.getpid(), never) is False


def test_a_living_owner_that_is_not_listed_is_asked(lock, monkeypatch, tmp_path):
    empty = tmp_path / "locks"
    empty.touch()
    monkeypatch.setattr(locks, "_LIST", empty)
    assert held(lock, os.getpid(), lambda: True) is True
    monkeypatch.setattr(locks, "_LIST", tmp_path / "nowhere")
    assert held(lock, None, lambda: False) is False


def test_what_cannot_be_asked_is_not_known(lock, monkeypatch, tmp_path):
    def refused():
        raise PermissionError(13, "denied")

    monkeypatch.setattr(locks, "_LIST", tmp_path / "nowhere")
    assert held(lock, None, refused) is None


def test_another_files_lock_is_none_of_ours():
    assert not locks._is_of("1: FLOCK  ADVISORY  WRITE 5 08:01:123456 0 EOF", 23456)
    assert not locks._is_of("1: POSIX  ADVISORY  WRITE 5 08:01:23456 0 EOF", 23456)
    assert not locks._is_of("1: FLOCK  ADVISORY  READ 5 08:01:23456 0 EOF", 23456)
    assert locks._is_of("1: FLOCK  ADVISORY  WRITE 5 08:01:23456 0 EOF", 23456)
