"""Export, reload and the file: exact, whole, refused with a reason when not (specification 9; LE10)."""

import contextlib
import copy
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learning.trades import around, feed, trade
from trading_bot.core import learning_file
from trading_bot.core.learning_file import load_learning, save_learning
from trading_bot.core.learning_loop import LearningConfig, LearningLoop, LearningState, TradeOutcome
from trading_bot.domain.errors import DataCorrupt

ROOT = Path(__file__).resolve().parents[2]
PATH = f"{ROOT}:{ROOT / 'src'}"

outcomes = st.builds(
    TradeOutcome,
    template=st.sampled_from(["K1", "K2", "S1"]),
    pnl_usd=st.floats(-60, 60) | st.sampled_from([10.0, -7.5, -7.5]),
    commission_round_trip=st.floats(0, 5),
    slippage_ticks=st.floats(-3, 6),
    regime=st.sampled_from(["", "calm", "wïld"]),
    bucket=st.sampled_from(["", "0930"]),
    exit_ts_ns=st.integers(0, 2**62),
    hypothetical=st.booleans(),
    shadow=st.booleans(),
)
sequences = st.lists(st.tuples(outcomes, st.integers(1, 25)), max_size=15)


def used_loop() -> LearningLoop:
    """Every list filled, one template throttled, one in quarantine with shadow trades."""
    loop = LearningLoop(templates=("K1", "S2"))
    feed(loop, around(-2.0, 25), template="K1", regime="calm", bucket="0930")
    feed(loop, around(-6.0, 40), template="S2")
    feed(loop, around(3.0, 5), template="S2", shadow=True)
    feed(loop, around(1.0, 3), template="K1", hypothetical=True)
    return loop


def small_loop() -> LearningLoop:
    loop = LearningLoop(templates=("K1",))
    feed(loop, [1.0, -2.0])
    return loop


def reloaded(loop: LearningLoop) -> LearningLoop:
    other = LearningLoop(loop.config, loop.templates, hypothetical=loop.hypothetical)
    other.load_from_dict(json.loads(json.dumps(loop.export_to_dict())))
    return other


class TestReload:
    @given(sequences, sequences, st.booleans())
    def test_reload_is_the_state_before_and_goes_on_alike(self, before, after, hypothetical):
        loop = LearningLoop(templates=("K1", "K2"), hypothetical=hypothetical)
        for outcome, repeat in before:
            for _ in range(repeat):
                loop.record(outcome)
        other = reloaded(loop)
        assert other.export_to_dict() == loop.export_to_dict()
        assert other.canonical() == loop.canonical()
        for outcome, repeat in after:
            for _ in range(repeat):
                assert other.record(outcome) == loop.record(outcome)
        assert other.canonical() == loop.canonical()
        for template in ("K1", "K2", "S1"):
            assert other.sigma_p(template) == loop.sigma_p(template)
            assert other.throttle(template) == loop.throttle(template)

    def test_a_throttled_strategy_stays_throttled_after_a_restart(self):
        other = reloaded(used_loop())
        assert (other.throttle("K1"), other.state("S2")) == (1.2, LearningState.QUARANTINED)
        assert other.last_update("K1") == used_loop().last_update("K1")

    def test_an_export_is_a_copy(self):
        loop = used_loop()
        exported = loop.export_to_dict()
        kept = copy.deepcopy(exported)
        feed(loop, [1.0] * 30)
        assert exported == kept

    def test_it_holds_no_float(self):
        def floats(value):
            if isinstance(value, dict):
                return [found for part in value.values() for found in floats(part)]
            if isinstance(value, list):
                return [found for part in value for found in floats(part)]
            return [value] if isinstance(value, float) else []

        assert floats(used_loop().export_to_dict()) == []

    def test_templates_that_are_new_or_gone_keep_their_rows(self):
        other = LearningLoop(templates=("K9",))
        other.load_from_dict(used_loop().export_to_dict())
        assert other.templates == ("K1", "K9", "S2")
        assert other.state("S2") is LearningState.QUARANTINED

    def test_a_smaller_window_keeps_the_newest(self):
        loop = LearningLoop()
        feed(loop, [float(index) for index in range(150)])
        other = LearningLoop(LearningConfig(window_trades=120))
        other.load_from_dict(loop.export_to_dict())
        assert other.evidence("K1").n == 120
        assert other.evidence("K1").mean_uusd == round(sum(range(30, 150)) * 1e6 / 140)

    def test_two_processes_agree(self):
        code = (
            "from tests.learning.test_persistence import used_loop\n"
            "from trading_bot.domain.config import canonical\n"
            "import hashlib\nprint(hashlib.sha256(canonical(used_loop().canonical())).hexdigest())"
        )
        seen = {
            subprocess.run(
                [sys.executable, "-c", code],
                env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": PATH},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert len(seen) == 1


def row(exported: dict, template: str = "S2") -> dict:
    return next(row for row in exported["rows"] if row["template"] == template)


SPOILED = {
    "no schema": lambda d: d.pop("schema"),
    "another schema": lambda d: d.update(schema=3),
    "rows missing": lambda d: d.pop("rows"),
    "an unknown field": lambda d: d.update(extra=1),
    "an unknown state": lambda d: row(d).update(state="SLEEPING"),
    "a state without its reason": lambda d: row(d).update(last_update=None),
    "a state its last change did not lead to": lambda d: row(d).update(state="ACTIVE"),
    "money as text": lambda d: row(d)["real"][0].__setitem__(1, "5"),
    "money as a fraction": lambda d: row(d)["real"][0].__setitem__(1, 0.5),
    "half a result": lambda d: row(d)["real"][0].pop(),
    "more results than trades": lambda d: row(d)["real"].extend(row(d)["real"] * 9),
    "more wins than trades": lambda d: row(d)["lifetime"].update(wins=10**6),
    "a total that does not add up": lambda d: row(d)["lifetime"].update(net_uusd=5),
    "a negative count": lambda d: row(d).update(since_look=-1),
    "the same row twice": lambda d: d["rows"].append(row(d)),
}


class TestRefusedDict:
    @pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
    def test_it_says_why_and_changes_nothing(self, spoil):
        exported = used_loop().export_to_dict()
        spoil(exported)
        loop = LearningLoop(templates=("K1",))
        feed(loop, [1.0] * 3)
        before = loop.canonical()
        with pytest.raises(DataCorrupt, match="learning state"):
            loop.load_from_dict(exported)
        assert loop.canonical() == before

    @pytest.mark.parametrize("thing", [{}, [], None, 7, "schema"])
    def test_what_is_no_export_is_refused(self, thing):
        with pytest.raises(DataCorrupt, match="schema None found, expected 2 or 1"):
            LearningLoop().load_from_dict(thing)


class TestFile:
    def test_what_was_saved_is_what_is_loaded(self, tmp_path):
        path = tmp_path / "data" / "learning_state.json"
        loop = used_loop()
        save_learning(path, loop.export_to_dict(), log="runs/a/20261125", seq=4711)
        document = load_learning(path)
        assert (document.log, document.seq) == ("runs/a/20261125", 4711)
        assert document.state == loop.export_to_dict()
        assert [child.name for child in path.parent.iterdir()] == ["learning_state.json"]
        json.loads(path.read_text())

    def test_no_file_is_a_first_start_and_no_error(self, tmp_path):
        assert load_learning(tmp_path / "learning_state.json") is None

    def test_what_cannot_be_read_is_refused_like_a_damaged_one(self, tmp_path):
        path = tmp_path / "learning_state.json"
        path.mkdir()
        with pytest.raises(DataCorrupt, match=r"cannot be read \(Is a directory\).*rebuilt from the log"):
            load_learning(path)

    def test_cut_anywhere_it_is_refused(self, tmp_path):
        path = tmp_path / "learning_state.json"
        save_learning(path, small_loop().export_to_dict())
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(DataCorrupt, match=rf"learning_state.json: {length} bytes .* rebuilt from the log"):
                load_learning(path)

    def test_any_changed_byte_is_refused(self, tmp_path):
        path = tmp_path / "learning_state.json"
        save_learning(path, small_loop().export_to_dict())
        whole = path.read_bytes()
        for index in range(len(whole)):
            for flip in (0x01, 0x20):  # another digit, another case
                path.write_bytes(whole[:index] + bytes([whole[index] ^ flip]) + whole[index + 1 :])
                with pytest.raises(DataCorrupt):
                    load_learning(path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param(b"", "0 bytes", id="empty"),
            pytest.param(b"\x00" * 4096, "no complete JSON", id="a hole where the file was"),
            pytest.param(b"\xff\xfe{}", "no complete JSON", id="no text"),
            pytest.param(b"[" * 100_000, "no complete JSON", id="nested without end"),
            pytest.param(b"[1, 2]", "no learning state", id="a list"),
            pytest.param(b'{"weights": {}}', "no learning state", id="another program's file"),
            pytest.param(
                b'{"format": "trading_bot learning state", "version": 3}', "version 3, expected 2 or 1", id="newer"
            ),
            pytest.param(b'{"format": "trading_bot learning state", "version": 2}', "missing", id="fields missing"),
        ],
    )
    def test_what_is_no_learning_state_is_named(self, tmp_path, content, reason):
        path = tmp_path / "learning_state.json"
        path.write_bytes(content)
        with pytest.raises(DataCorrupt, match=reason):
            load_learning(path)

    def test_a_failed_save_is_an_error_and_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "learning_state.json"
        save_learning(path, used_loop().export_to_dict(), seq=1)
        before = path.read_bytes()

        def no_space(_descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(learning_file.os, "fsync", no_space)
        with pytest.raises(OSError, match="No space left"):
            save_learning(path, used_loop().export_to_dict(), seq=2)
        assert path.read_bytes() == before
        assert [child.name for child in tmp_path.iterdir()] == ["learning_state.json"]


# Saves one state after another; argv: path, and the call at which the process kills itself ("" for none).
SAVER = """
import os, pathlib, signal, sys
from trading_bot.core import learning_file
from tests.learning.test_persistence import used_loop

path, fatal = pathlib.Path(sys.argv[1]), sys.argv[2]
state = used_loop().export_to_dict()
learning_file.save_learning(path, state, log="old", seq=1)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def armed(real, count):
    calls = iter(range(count))
    return lambda *args: real(*args) if next(calls, None) is not None else die()

if fatal == "half":
    real_open = pathlib.Path.open
    class Half:
        def __init__(self, file): self.file = file
        def __enter__(self): return self
        def __exit__(self, *_): return False
        def write(self, content):
            self.file.write(content[: len(content) // 2]); self.file.flush(); os.fsync(self.file.fileno()); die()
    pathlib.Path.open = lambda self, mode: Half(real_open(self, mode))
elif fatal == "before fsync":
    os.fsync = armed(os.fsync, 0)
elif fatal == "before rename":
    pathlib.Path.replace = armed(pathlib.Path.replace, 0)
elif fatal == "before the folder's fsync":
    os.fsync = armed(os.fsync, 1)

print("ready", flush=True)
seq = 1
while True:
    seq += 1
    learning_file.save_learning(path, state, log="old" if seq % 2 else "new", seq=seq)
"""


@contextlib.contextmanager
def saver_of(path: Path, fatal: str):
    with subprocess.Popen(
        [sys.executable, "-c", SAVER, str(path), fatal],
        env=os.environ | {"PYTHONPATH": PATH},
        stdout=subprocess.PIPE,
        text=True,
    ) as saver:
        try:
            yield saver
        finally:
            saver.kill()


class TestKilled:
    @pytest.mark.parametrize(
        ("fatal", "log"),
        [
            ("half", "old"),
            ("before fsync", "old"),
            ("before rename", "old"),
            ("before the folder's fsync", "new"),
        ],
    )
    def test_at_each_step_of_a_save(self, tmp_path, fatal, log):
        path = tmp_path / "learning_state.json"
        with saver_of(path, fatal) as saver:
            assert saver.wait(60) == -signal.SIGKILL
        document = load_learning(path)
        assert (document.log, document.state) == (log, used_loop().export_to_dict())
        save_learning(path, document.state, seq=9)
        assert load_learning(path).seq == 9, "what the killed process left does not stand in the way"

    def test_at_any_moment(self, tmp_path):
        rng = random.Random(20261125)
        path = tmp_path / "learning_state.json"
        for _ in range(5):
            with saver_of(path, "") as saver:
                assert saver.stdout.readline() == "ready\n"
                time.sleep(rng.uniform(0.0, 0.02))
                saver.kill()
            document = load_learning(path)
            assert document.state == used_loop().export_to_dict()
            assert document.log == ("old" if document.seq % 2 else "new")


def test_the_loop_refuses_what_the_file_would_have_let_through(tmp_path):
    """The file's checksum proves it was written whole; what it says is checked by the loop."""
    path = tmp_path / "learning_state.json"
    save_learning(path, {"schema": 1, "rows": "none"})
    with pytest.raises(DataCorrupt, match="learning state"):
        LearningLoop().load_from_dict(load_learning(path).state)


def test_a_loop_rebuilt_from_its_outcomes_is_the_loop_that_was_saved():
    loop, rebuilt = used_loop(), LearningLoop(templates=("K1", "S2"))
    feed(rebuilt, around(-2.0, 25), template="K1", regime="calm", bucket="0930")
    feed(rebuilt, around(-6.0, 40), template="S2")
    other = reloaded(rebuilt)
    feed(other, around(3.0, 5), template="S2", shadow=True)
    feed(other, around(1.0, 3), template="K1", hypothetical=True)
    assert other.canonical() == loop.canonical()
    assert other.record(trade(1.0)) == loop.record(trade(1.0))
