"""ES is seen and MES is traded: both are in the log under their own ids, and MES's own touch has to agree."""

import msgspec
import pytest

from tests.core import worlds
from tests.core.test_restart import cut, last_segment, record_ends
from tests.core.worlds import BUILD, OPEN_NS, ListFeed, messages, new_run, resumed_run
from trading_bot.adapters.history import run_history
from trading_bot.core.log_reader import LogReader
from trading_bot.core.log_walk import TickSpan
from trading_bot.core.replay import replay, session_logs
from trading_bot.core.summarize import summarize
from trading_bot.domain import effects, events
from trading_bot.domain.bars import unpack_bars
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.reasons import SafetyCheck
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_S

ES, MES = INSTRUMENTS["ES"].id, INSTRUMENTS["MES"].id
TAPE = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 600)  # as written for one market, of id 1


def of(record, instrument_id):
    return record[:18] + instrument_id.to_bytes(2, "little") + record[20:]


def both(apart_ticks=0, *, late_ns=0, trades=False):
    """The tape as ES's, and behind each of its quotes the same quote of MES, `apart_ticks` away."""
    found = []
    for record in TAPE:
        values = list(TICK_RECORD.unpack(record))
        found.append(of(record, ES))
        if values[3] == FrameKind.QUOTE and values[7] >= OPEN_NS + 60 * NS_PER_S + late_ns:
            values[5], values[9], values[10] = MES, values[9] + apart_ticks, values[10] + apart_ticks
            found.append(TICK_RECORD.pack(*values))
            if trades:
                values[3], values[9], values[10] = FrameKind.TRADE, 9_999, 0
                found.append(TICK_RECORD.pack(*values))
    return found


def documents(**config):
    return msgspec.structs.replace(worlds.documents(config or None), signal_instrument=INSTRUMENTS["ES"])


def finished(folder, tape, docs=None):
    runner = new_run(folder, ListFeed(tape), docs or documents())
    runner.run()
    return runner


def placed(folder):
    found = (record for _, record in messages(folder) if isinstance(record, effects.PlaceOrder))
    return [(effect.ts_ns, effect.order.side, effect.order.limit_ticks, effect.order.instrument_id) for effect in found]


def refused(folder):
    """Details of what the safety gate refused for its price."""
    return [
        record.detail
        for _, record in messages(folder)
        if isinstance(record, events.SafetyVerdict) and int(SafetyCheck.PRICE) in record.failed
    ]


def test_where_both_agree_the_same_is_entered_as_with_one_market(tmp_path):
    alone = finished(tmp_path / "alone", TAPE, worlds.documents())
    together = finished(tmp_path / "both", both())
    orders = placed(tmp_path / "both")
    # The first quotes of the seen market come before the traded one has any: nothing can be entered on those.
    assert orders[-3:] == placed(tmp_path / "alone")[-3:]
    assert len(orders) > 3
    assert {order[3] for order in orders} == {MES}
    kernels = [runner.machine.state.kernel.counters() for runner in (alone, together)]
    assert kernels[0] == kernels[1]


def test_both_are_logged_under_their_own_ids_and_replay_finds_everything_again(tmp_path):
    tape = both(trades=True)
    runner = finished(tmp_path / "run", tape)
    report = replay(tmp_path / "run", build=BUILD)
    assert report.ok, report.reason
    assert report.ticks == len(tape)
    assert (report.effects_digest, report.state_digest) == worlds.digests(runner)
    written = []
    for log in session_logs(tmp_path / "run"):
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, TickSpan):
                    written += [bytes(item.buffer[at : at + FRAME_ALIGN]) for at in range(0, 64 * item.count, 64)]
    assert [row[16:] for row in written] == [record[16:] for record in tape]
    assert {row[18] for row in written} == {ES, MES}
    summary = summarize(runner, log_path=tmp_path / "run", wall_s=1.0)
    assert summary.quotes == sum(record[16] == FrameKind.QUOTE for record in TAPE)
    assert summary.trades == sum(record[16] == FrameKind.TRADE for record in TAPE)


def test_without_a_quote_of_its_own_nothing_is_entered(tmp_path):
    finished(tmp_path / "run", [of(record, ES) for record in TAPE])
    assert placed(tmp_path / "run") == []
    assert refused(tmp_path / "run")
    assert set(refused(tmp_path / "run")) == {"the traded contract has no quote of its own yet"}


@pytest.mark.parametrize(("apart", "enters"), [(2, True), (-2, True), (7, False), (-7, False)])
def test_more_than_four_ticks_apart_nothing_is_entered(tmp_path, apart, enters):
    """The tape jumps by two ticks at most, and MES follows a quote later: 2 apart is never more than 4, 7 always is."""
    finished(tmp_path / "run", both(apart))
    assert bool(placed(tmp_path / "run")) is enters
    if not enters:
        assert all("ticks from the seen" in text or "no quote" in text for text in refused(tmp_path / "run"))
        assert any("is 7 ticks from the seen" in text for text in refused(tmp_path / "run"))
    reasons = {record.reason for _, record in messages(tmp_path / "run") if isinstance(record, events.DecisionMade)}
    assert ("SAFETY_GATE_PRICE" in reasons) is (not enters or bool(refused(tmp_path / "run")))


def test_a_quote_that_is_old_says_nothing(tmp_path):
    """MES is quoted for 20 s and then no more; ten seconds later nothing is entered."""
    until_ns = OPEN_NS + 80 * NS_PER_S
    tape = [record for record in both() if record[18] == ES or TICK_RECORD.unpack(record)[7] <= until_ns]
    finished(tmp_path / "run", tape)
    orders = placed(tmp_path / "run")
    assert orders
    assert max(order[0] for order in orders) <= until_ns + 10 * NS_PER_S
    assert any("s old, allowed 10 s" in text for text in refused(tmp_path / "run"))


def test_a_run_that_was_cut_goes_on_with_both(tmp_path):
    tape = both()
    expected = worlds.digests(finished(tmp_path / "run", tape))
    segment = last_segment(session_logs(tmp_path / "run")[-1]).read_bytes()
    ends = record_ends(segment)
    equal = 0
    for index in range(60, len(ends) - 1, 151):
        target = tmp_path / f"cut-{index}"
        cut(tmp_path / "run", target, ends[index])
        runner = resumed_run(target, ListFeed(tape), documents())
        runner.run()
        report = replay(target, build=BUILD)
        assert report.ok, (index, report.reason)
        abandoned = any(isinstance(record, events.EffectsAbandoned) for _, record in messages(target))
        equal += not abandoned
        assert abandoned or worlds.digests(runner) == expected, index
    assert equal > 3


def test_bars_of_such_a_log_are_the_seen_markets(tmp_path):
    """Trades of the traded contract stand in the log at a price of their own, and are in no bar."""
    docs = documents()
    finished(tmp_path / "run", both(trades=True))
    (loaded,) = run_history(
        tmp_path / "run", INSTRUMENTS["MES"], calendar=docs.calendar, ts_ns=OPEN_NS + 600 * NS_PER_S
    )
    bars = list(unpack_bars(loaded.bars))
    trades = [TICK_RECORD.unpack(record) for record in TAPE if record[16] == FrameKind.TRADE]
    assert sum(bar.volume for bar in bars) == sum(values[11] for values in trades)
    assert max(bar.high_ticks for bar in bars) == max(values[9] for values in trades)
