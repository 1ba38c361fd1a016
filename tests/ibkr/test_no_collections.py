"""Feature OP06: no garbage is collected while a session at a broker is open, and what was there is set aside."""

import gc
import json

import pytest

from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.cli import main
from trading_bot.core.session_book import SessionBook

OPEN_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z, the regular open
SPEED = 60.0


class Watch:
    """Generations collected while a session is open, and what was frozen then."""

    def __init__(self):
        self.inside, self.seen, self.frozen, self.sessions = False, [], 0, 0

    def __call__(self, phase, info):
        if self.inside and phase == "start":
            self.seen.append(info["generation"])


@pytest.fixture
def watch(monkeypatch):
    """From the moment a session's log is open until its end, behind flattening."""
    watch, begin, end = Watch(), SessionBook.open, SessionBook.end

    def opened(book, *arguments):
        begin(book, *arguments)
        watch.inside, watch.frozen, watch.sessions = True, gc.get_freeze_count(), watch.sessions + 1

    def ended(book, reason):
        watch.inside = False
        end(book, reason)

    monkeypatch.setattr(SessionBook, "open", opened)
    monkeypatch.setattr(SessionBook, "end", ended)
    gc.callbacks.append(watch)
    yield watch
    gc.callbacks.remove(watch)


def test_a_session_at_a_broker_collects_nothing(watch, capfd, monkeypatch, tmp_path):
    """Orders leave, ticks come by the thousand, and the client library makes objects of its own all the while."""
    monkeypatch.chdir(tmp_path)
    with running_gateway(seed=7, speed=SPEED, start_ns=OPEN_NS) as gateway:
        where = ("--port", str(gateway.port), "--account", "DUSIM1", "--clock", "feed", "--speed", str(SPEED))
        code = main(["--mode", "PAPER", *where, "--duration", "8", "--json"])
    summary = json.loads(capfd.readouterr().out)
    assert code == 0, summary
    assert summary["quotes"] > 1_000
    assert watch.sessions == 1
    assert watch.seen == []
    assert watch.frozen > 10_000
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
