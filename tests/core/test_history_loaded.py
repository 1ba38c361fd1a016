"""Bars from before the start enter as events of their own: in the log, in the replay, and once after a restart."""

import shutil

import pytest

from tests.core import worlds
from tests.core.test_restart import cut, last_segment, record_ends
from tests.core.worlds import BUILD, OPEN_NS, ListFeed, documents, messages, new_run, resumed_run
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.history import history_events, history_from_paths
from trading_bot.core.event_log import LogReader
from trading_bot.core.log_walk import TickSpan
from trading_bot.core.replay import replay, session_logs
from trading_bot.domain.bars import MinuteBar, pack_bars
from trading_bot.domain.effects import Alert
from trading_bot.domain.events import HistoryLoaded
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.units import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
TAPE = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 600)  # two and a half minutes
DAY_BEFORE_NS = OPEN_NS - 24 * 3600 * NS_PER_S
# With enough bars of a day before these are there from the first bar on; two bars alone leave them out.
NEED_BARS = ("atr_14_n", "range_compression", "real_body_impulse_n")


def bars(start_ns, count):
    return [
        MinuteBar(start_ns + k * MINUTE_NS, 24_000 + k % 5, 24_006, 23_998, 24_001 + k % 3, 10 + k, 24_000 * (10 + k))
        for k in range(count)
    ]


def event(rows, source="yesterday"):
    return HistoryLoaded(ts_ns=0, source=source, count=len(rows), bars=pack_bars(rows))


HISTORY = [event(bars(DAY_BEFORE_NS, 60)), event(bars(OPEN_NS - 40 * MINUTE_NS, 40), "this morning")]


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warm") / "run"
    runner = new_run(folder, ListFeed(TAPE), documents(), history=HISTORY)
    runner.run()
    return folder, runner


def test_a_run_with_history_has_signals_that_one_without_has_not(warm, tmp_path):
    _, runner = warm
    cold = new_run(tmp_path / "run", ListFeed(TAPE), documents())
    cold.run()
    known = runner.machine.state.kernel.signals()
    unknown = cold.machine.state.kernel.signals()
    assert [name for name in NEED_BARS if known[name] is None] == []
    assert [name for name in NEED_BARS if unknown[name] is not None] == []
    own = [bar for bar in runner.machine.state.kernel.bars(60) if bar[0] >= OPEN_NS]
    assert own == cold.machine.state.kernel.bars(60)


def test_it_is_in_the_log_before_the_first_record_and_replay_uses_it(warm):
    folder, runner = warm
    first_tick = None
    with LogReader(session_logs(folder)[0]) as reader:
        first_tick = next(item.first_seq for item in reader.spans() if isinstance(item, TickSpan))
    loaded = [(seq, record) for seq, record in messages(folder) if isinstance(record, HistoryLoaded)]
    assert [(record.source, record.count) for _, record in loaded] == [("yesterday", 60), ("this morning", 40)]
    assert all(seq < first_tick for seq, _ in loaded)
    report = replay(folder, build=BUILD)
    assert report.ok, report.reason
    assert report.state_digest == worlds.digests(runner)[1]


def test_bars_the_kernel_refuses_are_told(tmp_path):
    """The second event begins within the first: five of its bars are not after the bar before."""
    overlapping = [event(bars(DAY_BEFORE_NS, 10)), event(bars(DAY_BEFORE_NS + 5 * MINUTE_NS, 10), "overlap")]
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents(), history=overlapping)
    runner.run()
    alerts = [r for _, r in messages(tmp_path / "run") if isinstance(r, Alert) and r.code == "HISTORY_REFUSED"]
    assert [(alert.level, alert.text.split(";")[0]) for alert in alerts] == [
        ("warning", "overlap: 5 of 10 bars are out of order or no bars")
    ]
    assert len([bar for bar in runner.machine.state.kernel.bars(60) if bar[0] < OPEN_NS]) == 15


def test_an_event_that_holds_no_bars_is_refused_and_the_run_goes_on(tmp_path):
    broken = HistoryLoaded(ts_ns=0, source="broken", count=3, bars=pack_bars(bars(DAY_BEFORE_NS, 3))[:-4])
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents(), history=[broken])
    runner.run()
    alerts = [r for _, r in messages(tmp_path / "run") if isinstance(r, Alert) and r.code == "HISTORY_REFUSED"]
    assert [(alert.level, alert.text.startswith("broken: packed bars")) for alert in alerts] == [("error", True)]
    assert replay(tmp_path / "run", build=BUILD).ok


def test_a_restart_loads_each_event_once(warm, tmp_path):
    """Cut after each of the opening records, between the two events too, and among the market records."""
    folder, runner = warm
    ends = record_ends(last_segment(session_logs(folder)[-1]).read_bytes())
    last_loaded = max(seq for seq, record in messages(folder) if isinstance(record, HistoryLoaded))
    for index in [*range(1, last_loaded + 3), last_loaded + 40]:
        target = tmp_path / f"cut-{index}"
        cut(folder, target, ends[index])
        resumed = resumed_run(target, ListFeed(TAPE), documents(), history=HISTORY)
        resumed.run()
        sources = [record.source for _, record in messages(target) if isinstance(record, HistoryLoaded)]
        assert sources == ["yesterday", "this morning"], index
        assert resumed.machine.state.kernel.bars(60) == runner.machine.state.kernel.bars(60), index
        assert replay(target, build=BUILD).ok
        shutil.rmtree(target)


def test_the_log_of_one_run_warms_the_next_one_up(warm, tmp_path):
    """A run on the same day, a quarter of an hour later, whose history is the log of the one before."""
    folder, runner = warm
    begin_ns = OPEN_NS + 16 * MINUTE_NS
    sessions = history_from_paths(
        [folder],
        INSTRUMENTS["MES"],
        calendar=load_calendar("us_index.csv", worlds.ROOT / "data"),
        before_ns=begin_ns,
    )
    traded = [bar[:7] for bar in runner.machine.state.kernel.bars(60) if bar[0] >= OPEN_NS]
    held = [tuple(bar) for bar in sessions[0].bars]
    assert len(traded) >= 2
    assert held[: len(traded)] == traded  # the log's last minute ended with its trades, not with the clock
    assert len(held) - len(traded) <= 1
    later = new_run(
        tmp_path / "run",
        ListFeed(worlds.wavy_tape(begin_ns, 300)),
        documents(),
        history=history_events(sessions, begin_ns),
    )
    later.run()
    seen = [bar[:7] for bar in later.machine.state.kernel.bars(60)]
    assert seen[: len(held)] == held
    assert len(seen) > len(held)
