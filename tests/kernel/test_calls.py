"""How the kernel is driven: outcomes between records, deadlines, the log, refused input (docs/kernel.md, 2 and 9)."""

from array import array

import pytest

from tests.kernel.kit import (
    BUY,
    HOUR,
    MS,
    SELL,
    T0,
    S,
    busy_config,
    config,
    market,
    plain,
    play,
    quote,
    template,
    trade,
    trigger,
)
from trading_bot._fast import HotPath, LogWriter, Segment
from trading_bot.domain.kernel import Cadence, ExitReason, Outcome
from trading_bot.domain.records import TICK_RECORD, FrameKind

NOON = T0 + 12 * HOUR


def test_a_grid_point_with_an_outcome_comes_before_the_record_and_leaves_it():
    kernel = HotPath(config())
    kernel.on_quote(NOON, 100, 1, 101, 1)
    kernel.set_position(1, 0, 0, NOON + 250 * MS)
    late = NOON + 5 * S
    assert kernel.on_quote(late, 200, 1, 201, 1) == Outcome.EXIT | Outcome.PENDING
    assert (kernel.now_ns, kernel.last_outcome_ts_ns, kernel.last_exit_mask) == (NOON + 300 * MS,) * 2 + (
        ExitReason.TIME,
    )
    assert kernel.book() == (100, 1, 101, 1)
    assert kernel.counters()["quotes"] == 1
    # silence of more than 2 s is judged on the way: 90 is still band 3, so the call goes on and takes the quote
    assert kernel.on_quote(late, 200, 1, 201, 1) == 0
    assert (kernel.now_ns, kernel.counters()["quotes"]) == (late, 2)


def test_a_batch_stops_before_the_record_whose_grid_point_has_an_outcome():
    kernel = HotPath(config())
    tape = quote(NOON, 100, 101) + quote(NOON + 1, 100, 101) + quote(NOON + 12 * S, 100, 101)
    kernel.run(tape[:64])
    kernel.set_position(1, 0, 0, NOON + 250 * MS)
    assert kernel.run(tape, 1) == (2, Outcome.EXIT)
    assert kernel.run(tape, 2) == (2, Outcome.QUALITY)  # silent for more than 5 s: 60, band 2
    assert kernel.run(tape, 2) == (2, Outcome.QUALITY | Outcome.EXIT)  # for more than 10 s: 0
    assert kernel.last_exit_mask == ExitReason.QUALITY
    assert kernel.run(tape, 2) == (3, Outcome.QUALITY)


def test_quality_change_and_candidate_of_one_record_come_together():
    row = template("queue", Cadence.TICK, {"queue_imbalance": 1.0}, a=2.0)
    kernel = HotPath(config(row))
    kernel.on_quote(NOON, 100, 1, 101, 1)
    kernel.set_position(1, 0, 150, 0)
    assert kernel.on_quote(NOON + 1, 101, 35, 100, 5) == Outcome.QUALITY | Outcome.CANDIDATE | Outcome.EXIT
    assert kernel.last_exit_mask == ExitReason.STOP
    assert len(kernel.candidates()) == 1
    assert kernel.on_quote(NOON + 2, 101, 35, 100, 5) == 0
    assert kernel.candidates() == ()  # those of the latest call
    assert kernel.last_exit_mask == ExitReason.STOP  # that of the latest outcome


def test_candidates_of_two_cadences_at_one_grid_point_are_listed_by_template():
    minute = template("minute", Cadence.BAR, {"queue_imbalance": 1.0}, z_enter=0.1)
    grid = template("grid", Cadence.GRID, {"queue_imbalance": 1.0}, z_enter=0.1)
    kernel = HotPath(config(minute, grid))
    kernel.set_template_on(1, False)
    play(kernel, [quote(NOON, 100, 101, 20, 10), trade(NOON + 1, 100, 1), quote(NOON + 59_950 * MS, 100, 101, 20, 10)])
    kernel.set_template_on(1, True)
    assert kernel.on_time(NOON + 60 * S) == Outcome.CANDIDATE | Outcome.BAR  # the grid template is evaluated first
    assert [row.template for row in kernel.candidates()] == [0, 1]


def test_a_deadline_runs_the_grid_points_before_it_and_takes_no_record_from_it_on():
    kernel = HotPath(config())
    tape = quote(NOON, 100, 101) + quote(NOON + 1 * S, 100, 101) + quote(NOON + 2 * S, 100, 101)
    assert kernel.run(tape, 0, NOON + 1 * S) == (1, 0)
    assert kernel.now_ns == NOON + 900 * MS
    assert kernel.run(tape, 1, NOON + 1 * S) == (1, 0)
    assert kernel.run(tape, 1, NOON + 1 * S + 1) == (2, 0)
    assert kernel.run(tape, 2) == (3, 0)
    assert kernel.run(tape, 3) == (3, 0)
    assert kernel.run(tape, 3, 0) == (3, 0)


def test_time_passes_once():
    kernel = HotPath(config())
    assert kernel.on_time(NOON) == 0
    assert kernel.now_ns == 0  # not started
    kernel.on_quote(NOON + 50 * MS, 100, 1, 101, 1)
    kernel.on_time(NOON + 250 * MS)
    assert kernel.now_ns == NOON + 200 * MS
    before = kernel.snapshot()
    kernel.on_time(NOON + 250 * MS)
    kernel.on_time(NOON)
    assert kernel.snapshot() == before
    kernel.on_quote(NOON, 101, 1, 102, 1)  # earlier than now: taken at now
    assert kernel.now_ns == NOON + 200 * MS


@pytest.mark.parametrize("keep", [bytes, bytearray, memoryview, lambda b: array("q", b)])
def test_a_batch_is_any_contiguous_buffer(keep):
    kernel = HotPath(config())
    assert kernel.run(keep(quote(NOON, 100, 101) + trade(NOON + 1, 100, 1, BUY))) == (2, 0)
    assert kernel.counters() == {"quotes": 1, "trades": 1, "rejected": 0}


def test_a_bad_buffer_is_named_and_what_stood_before_it_was_taken():
    kernel = HotPath(config())
    with pytest.raises(ValueError, match="63 bytes"):
        kernel.run(quote(NOON, 100, 101)[:63])
    other = bytearray(quote(NOON + 1, 100, 101))
    other[18] = 2  # instrument
    with pytest.raises(ValueError, match=r"record 1 .* instrument 2: expected .* instrument 1"):
        kernel.run(quote(NOON, 100, 101) + bytes(other))
    assert kernel.counters()["quotes"] == 1
    with pytest.raises(ValueError, match="record 0 has kind 16"):
        kernel.run(plain(FrameKind.MESSAGE, NOON + 1))
    with pytest.raises(ValueError, match="start is 2"):
        kernel.run(quote(NOON, 100, 101), 2)
    with pytest.raises(BufferError):
        kernel.run(memoryview(quote(NOON, 100, 101) * 2)[::2])


def test_records_reach_the_log_before_they_are_stepped_and_a_full_log_keeps_them_out():
    buffer = bytearray(64 * 1024)
    kernel = HotPath(config(), LogWriter())
    kernel.set_position(1, 0, 0, NOON + 100 * MS)
    assert kernel.on_quote(NOON + 50 * MS, 100, 1, 101, 1) == Outcome.LOG_FULL  # no segment at all
    assert kernel.counters()["quotes"] == 0
    writer = LogWriter()
    writer.offer(Segment(buffer, 0))
    writer.begin()
    kernel.set_writer(writer)
    assert kernel.on_quote(NOON + 50 * MS, 100, 1, 101, 1) == 0
    assert kernel.on_trade(NOON + 200 * MS, 101, 1, BUY) == Outcome.EXIT | Outcome.PENDING
    assert writer.seq == 1  # the trade is not in the log: its grid points come first
    assert kernel.on_trade(NOON + 200 * MS, 101, 1, BUY) == 0
    assert writer.seq == 2
    stop, code = kernel.run(b"".join(quote(NOON + 1 * S + i, 100, 101) for i in range(2000)))
    assert code == Outcome.LOG_FULL
    assert kernel.counters()["quotes"] == 1 + stop
    assert writer.seq == 2 + stop
    at = buffer.find(TICK_RECORD.pack(0, 0, 0, 1, 1, 1, 0, NOON + 50 * MS, 0, 100, 101, 1, 1, 0, 0, 0, 0)[16:])
    assert TICK_RECORD.unpack_from(buffer, at - 16)[1:3] == (64, 1)  # length and seq


def test_a_full_log_ran_the_grid_points_of_the_record_it_refused():
    kernel = HotPath(config(), None)
    kernel.on_quote(NOON, 100, 1, 101, 1)
    kernel.set_writer(LogWriter())
    assert kernel.on_quote(NOON + 1 * S, 100, 1, 101, 1) == Outcome.LOG_FULL
    assert kernel.now_ns == NOON + 1 * S
    kernel.set_writer(None)
    assert kernel.on_quote(NOON + 1 * S, 100, 1, 101, 1) == 0


def test_reading_changes_nothing():
    kernel = HotPath(busy_config())
    play(kernel, market(1, 500))
    before = kernel.snapshot()
    kernel.signals(), kernel.beliefs(), kernel.penalties(), kernel.bars(60), kernel.candidates(), kernel.signal_flags()
    assert kernel.snapshot() == before


def test_a_snapshot_of_another_configuration_is_refused():
    kernel = HotPath(busy_config())
    with pytest.raises(ValueError, match="another kernel configuration"):
        HotPath(config()).restore(kernel.snapshot())
    with pytest.raises(ValueError, match="another build"):
        kernel.restore(b"x" + kernel.snapshot()[1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vpin_bucket_qty": 0}, "vpin_bucket_qty"),
        ({"dvs_hold_c": 90}, "dvs_entry_c"),
        ({"sessions": b"x"}, "rows of 56"),
        ({"slippage_cap_ticks": float("nan")}, "slippage_cap_ticks"),
        ({"templates": (template("w", Cadence.TICK, {"queue_imbalance": 0.0}),)}, "weight"),
        ({"templates": (template("t", Cadence.TICK, {"queue_imbalance": 1.0}, target_ticks=0),)}, "target_ticks"),
        (
            {"templates": (template("d", Cadence.TICK, {"queue_imbalance": 1.0}, trigger("ofi_1s", 0.0, delta=True)),)},
            "only bar signals",
        ),
    ],
)
def test_a_configuration_the_kernel_cannot_hold_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        HotPath(config(**changes))


def test_a_weekend_without_records_is_cheap_and_exact():
    kernel, stepwise = HotPath(busy_config()), HotPath(busy_config())
    tape = market(2, 300)
    play(kernel, tape)
    play(stepwise, tape)
    start = kernel.now_ns
    for step in range(1, 601):
        while stepwise.on_time(start + step * S):
            pass
    while kernel.on_time(start + 600 * S):
        pass
    assert kernel.snapshot() == stepwise.snapshot()


def test_mirrored_prices_swap_the_sides():
    tape = market(3, 4000)
    mirrored = []
    for record in tape:
        fields = list(TICK_RECORD.unpack(record))
        if fields[3] == FrameKind.QUOTE:
            fields[9], fields[10], fields[11], fields[12] = (
                40_000 - fields[10],
                40_000 - fields[9],
                fields[12],
                fields[11],
            )
        elif fields[3] == FrameKind.TRADE:
            fields[9] = 40_000 - fields[9]
            fields[13] = {BUY: SELL, SELL: BUY}.get(fields[13], fields[13])
        mirrored.append(TICK_RECORD.pack(*fields))
    one, other = HotPath(busy_config()), HotPath(busy_config())
    one.set_entry_mask(15)
    other.set_entry_mask(15)
    left, right = b"".join(tape), b"".join(mirrored)
    fired, at = 0, 0
    while at < len(tape):
        stop, code = one.run(left, at)
        assert other.run(right, at) == (stop, code)
        fired += len(one.candidates())
        assert [(c.template, -c.side, c.z_e6, c.euc_e6) for c in one.candidates()] == [
            (c.template, c.side, c.z_e6, c.euc_e6) for c in other.candidates()
        ]
        at = stop
    assert fired > 20
