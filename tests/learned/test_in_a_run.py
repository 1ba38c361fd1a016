"""Adopted parameters in a run: told with their evidence where a session begins, and never changed inside one (LE06)."""

import itertools
import json
import os
import shutil

import msgspec
import pytest

from tests.core.handler_world import World as Core
from tests.core.worlds import messages
from tests.learned.sets import MONDAY_NS, PROPOSAL, books, one_set, value
from trading_bot import cli, log_setup
from trading_bot.core.carried import Carried
from trading_bot.core.documents import RunDocuments
from trading_bot.core.learning_file import load_learning
from trading_bot.domain.config import canonical
from trading_bot.domain.events import EffectsAbandoned, ProcessStarted, RunStarted, StateCarried
from trading_bot.domain.learned import SetKind
from trading_bot.domain.trade_events import ParamsAdopted
from trading_bot.learned_files import FILE_NAME, newest_session, write_learned

STRATEGY = """schema = 1
[template.E1]
on = true
title = "in and out with the queue, for tests"
cadence = "grid"
entry = "marketable"
target_ticks = 30
stop_ticks = 3
hold_s = 20
gain = 8.0
belief_enter = 0.6
belief_hold = 0.55
weights = { queue_imbalance = 1.0 }
triggers = [{ signal = "queue_imbalance", min = 0.2 }]
"""
CONFIG = """schema = 1
[decision]
equity_assumed_usd = 1000000.0
[costs]
cost_share_max = 1.0
[simulator]
history_sessions = 0
"""
WEIGHT, STOP = "template.E1.weights.queue_imbalance", "template.E1.stop_ticks"
ADOPTED = one_set(1, value(STOP, 3_000_000, 4_000_000), value(WEIGHT, 1_000_000, 1_050_000))
LATER = one_set(2, value(STOP, 3_000_000, 2_000_000), at_ns=MONDAY_NS + 9)
DAYS = ("2026-11-23T15:00:00Z", "2026-11-24T15:00:00Z", "2026-11-25T15:00:00Z")


class World:
    """A data directory with an eager strategy on the simulated market."""

    def __init__(self, folder, capsysbinary):
        self.data, self._base, self._out = folder / "data", folder, capsysbinary
        (folder / "eager.toml").write_text(STRATEGY)
        (folder / "open.toml").write_text(CONFIG)

    def run(self, start, code=0, seconds=60):
        """The records of one run."""
        self._out.readouterr()
        arguments = (
            f"--mode OBSERVE --adapter sim --seed 5 --data-dir {self.data} --config {self._base}/open.toml "
            f"--strategies {self._base}/eager.toml --start {start} --duration {seconds} --json"
        )
        assert cli.main(arguments.split()) == code
        self.said = json.loads(self._out.readouterr().out)
        return [record for _, record in messages(self.log)] if code == 0 else []

    @property
    def log(self):
        return self.data / "runs" / self.said["run_id"]


@pytest.fixture
def world(tmp_path, capsysbinary, monkeypatch):
    """Runs are named in the order they are made: several within a second would not be."""
    numbers = itertools.count()
    monkeypatch.setattr(log_setup, "new_run_id", lambda: f"20261121T000000Z-{next(numbers):04x}")
    return World(tmp_path, capsysbinary)


def adoptions(records):
    return [one for one in records if isinstance(one, ParamsAdopted) and one.set_number]


def documents(records):
    return RunDocuments.unpack(next(one for one in records if isinstance(one, RunStarted)).documents, where="here")


def test_a_set_is_told_with_its_evidence_and_replay_is_identical(world):
    plain = world.run(DAYS[0])
    assert adoptions(plain) == []
    assert documents(plain).learned is None
    write_learned(world.data, books(ADOPTED))
    records = world.run(DAYS[1])
    told = {one.parameter: one for one in adoptions(records)}
    assert {name: (one.old, one.new) for name, one in told.items()} == {
        STOP: (3_000_000, 4_000_000),
        WEIGHT: (1_000_000, 1_050_000),
    }
    for one in told.values():
        assert (one.set_number, one.fills, one.shadow_trades) == (1, 12, 25)
        assert (one.actual, one.expected, one.evidence) == (-4_500_000, 2_250_000, "beliefs below .66 lost")
        assert (one.proposal, one.hypothetical) == (PROPOSAL, True)
    held = documents(records)
    assert (held.templates["E1"].stop_ticks, held.templates["E1"].weights) == (4, {"queue_imbalance": 1.05})
    assert held.learned == ADOPTED
    assert cli.main(["replay", str(world.log), "--json"]) == 0
    # Nothing new at the next session: nothing to tell. A rollback is told like an adoption, and leads to the file.
    assert adoptions(world.run(DAYS[2])) == []
    back = one_set(2, kind=SetKind.ROLLED_BACK, at_ns=MONDAY_NS + 9)
    write_learned(world.data, books(ADOPTED, back))
    undone = world.run("2026-11-30T15:00:00Z")
    assert {one.parameter: (one.old, one.new, one.set_number) for one in adoptions(undone)} == {
        STOP: (4_000_000, 3_000_000, 2),
        WEIGHT: (1_050_000, 1_000_000, 2),
    }
    assert all("rolled back" in one.evidence for one in adoptions(undone))
    assert documents(undone).templates == documents(plain).templates
    assert cli.main(["replay", str(world.log), "--json"]) == 0


def test_a_session_that_was_cut_goes_on_with_its_own_parameters(world):
    """The same command after a kill: the hash of the configuration is the one the session began with."""
    write_learned(world.data, books(ADOPTED))
    world.run(DAYS[1])
    log = next(entry for entry in world.log.iterdir() if entry.is_dir())
    segment = max(log.glob("seg-*"))
    os.truncate(segment, segment.stat().st_size // 2)
    (world.log / "summary.json").unlink()
    write_learned(world.data, books(ADOPTED, LATER))
    records = world.run(DAYS[1])
    begun = [one.config_hash for one in records if isinstance(one, RunStarted | ProcessStarted)]
    assert len(begun) == 2
    assert len(set(begun)) == 1
    assert [one.recovery for one in records if isinstance(one, ProcessStarted)] == ["full"]
    assert {one.set_number for one in adoptions(records)} == {1}
    assert cli.main(["replay", str(world.log), "--json"]) == 0
    # The next run begins another session.
    assert {one.parameter: one.new for one in adoptions(world.run(DAYS[2]))}[STOP] == 2_000_000


def test_a_process_that_dies_before_it_has_told_an_adoption_is_followed_by_one_that_does(world):
    write_learned(world.data, books(ADOPTED))
    world.run(DAYS[1])
    log = next(entry for entry in world.log.iterdir() if entry.is_dir())
    segment = min(log.glob("seg-*"))
    os.truncate(segment, segment.read_bytes().index(b"PARAMS_ADOPTED"))
    records = world.run(DAYS[1])
    assert sorted(one.parameter for one in adoptions(records)) == [STOP, WEIGHT]
    assert cli.main(["replay", str(world.log), "--json"]) == 0


def test_at_a_broker_an_adoption_that_a_dead_process_had_not_told_is_told_after_its_restart():
    """There nothing of a dead process is carried out late, so the record would be lost with the effects."""
    core = Core()
    [name] = list(core.state.documents.templates)[:1]
    parameter = f"template.{name}.stop_ticks"
    state = canonical(Carried(params=((parameter, 1_000_000),)))
    results = core.apply(StateCarried(ts_ns=core.now_ns, state=state))
    [told] = [one for one in results if isinstance(one, ParamsAdopted)]
    assert (told.parameter, told.old) == (parameter, 1_000_000)
    kept = results.index(told)
    core.machine.abandoned(tuple(results), kept)
    again = core.apply(EffectsAbandoned(ts_ns=core.now_ns, cause_seq=core.seq, kept=kept))
    assert [one for one in again if isinstance(one, ParamsAdopted)] == [told]


def test_the_newest_session_of_a_run_says_what_it_trades_with(world):
    write_learned(world.data, books(ADOPTED))
    world.run(DAYS[1])
    session = newest_session(world.log)
    assert (session.going_on, session.trade_date, session.learned) == (False, 20261124, ADOPTED)


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (lambda world: (world.data / FILE_NAME).write_text("{"), 6, "no complete JSON"),
        (lambda world: write_learned(world.data, books(one_set(1, value(STOP, 5_000_000, 6_000_000)))), 2, "rollback"),
        (lambda world: write_learned(world.data, books(one_set(1, value(STOP, 3_000_000, 12_000_000)))), 0, ""),
        (lambda world: write_learned(world.data, books(one_set(1, value(STOP, 3_000_000, 13_000_000)))), 2, "rollback"),
    ],
    ids=["damaged", "other strategy file", "allowed", "no template"],
)
def test_what_does_not_fit_is_refused_at_the_start(world, spoil, code, message):
    world.data.mkdir()
    spoil(world)
    world.run(DAYS[0], code, seconds=20)
    assert message in world.said.get("error", {}).get("message", "")


def test_real_fills_have_a_book_of_their_own(world):
    """OBSERVE is hypothetical: what stands in the other book is not its business."""
    world.data.mkdir()
    write_learned(world.data, books().with_set(ADOPTED, hypothetical=False))
    assert documents(world.run(DAYS[0], seconds=20)).learned is None
    shutil.rmtree(world.data)


def test_a_learning_file_older_than_the_logs_is_set_aside_and_replaced_at_the_start(world):
    """A backup put back: the run goes on from the newest log, and the file people read says the same."""
    path = world.data / "learning_state.json"
    world.run(DAYS[0])
    older = path.read_bytes()
    world.run(DAYS[1])
    newest = load_learning(path).state
    path.write_bytes(older)
    assert load_learning(path).state != newest
    world.run("2026-11-25T08:00:00Z", seconds=1)  # at night nothing is traded, and so nothing saved
    assert load_learning(path).state == newest
    aside = load_learning(world.data / "learning_state.previous.json")
    assert aside.state == msgspec.json.decode(older)["state"]
