"""The door (specification, section 2): what passes, what is refused and why, when the price band moves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.files.records import decode
from trading_bot._fast.door import Door
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import Aggressor, FrameKind, RejectReason, TickFlag

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
UNDEFINED = (1 << 63) - 1


def door(symbol="MES", **options):
    instrument = INSTRUMENTS[symbol]
    return Door(instrument.id, instrument.tick_size_e9, **options)


def trade(gate, price, *, ts_ns=T0, qty=1, aggressor=Aggressor.BUY):
    return gate.trade_points(ts_ns, ts_ns, price, qty, aggressor)


class TestAccepted:
    def test_a_quote_leaves_as_one_record_in_ticks(self):
        gate = door()
        assert gate.quote_points(T0 + 5, T0, 4800.25, 3, 4800.5, 7, TickFlag.DELAYED_DATA) == 0
        (record,) = decode(gate.take(), instrument=1)
        assert record == (FrameKind.QUOTE, TickFlag.DELAYED_DATA, T0 + 5, T0, 19201, 19202, 3, 7, 0)

    def test_a_trade_carries_its_given_aggressor_and_no_inferred_flag(self):
        gate = door()
        assert gate.trade_e9(T0, T0 - 9, 4800_250_000_000, 4, Aggressor.SELL) == 0
        (record,) = decode(gate.take())
        assert record == (FrameKind.TRADE, 0, T0, T0 - 9, 19201, 0, 4, 0, Aggressor.SELL)

    @pytest.mark.parametrize(("bid", "ask"), [(4800.25, 4800.25), (4801.0, 4800.25)], ids=["locked", "crossed"])
    def test_locked_and_crossed_quotes_pass(self, bid, ask):
        gate = door()
        assert gate.quote_points(T0, T0, bid, 1, ask, 1) == 0
        assert gate.quotes == 1

    def test_zero_size_is_no_negative_size(self):
        assert door().quote_points(T0, T0, 4800.0, 0, 4800.25, 0) == 0

    @pytest.mark.parametrize("symbol", sorted(INSTRUMENTS))
    @given(ticks=st.integers(1, 3_000_000))
    def test_every_price_on_the_grid_passes_as_float_and_as_integer(self, symbol, ticks):
        # The nearest float to the decimal text is what a file or a broker message turns into.
        size_e9 = INSTRUMENTS[symbol].tick_size_e9
        whole, rest = divmod(ticks * size_e9, 1_000_000_000)
        gate = door(symbol)
        assert trade(gate, float(f"{whole}.{rest:09d}")) == 0
        assert gate.trade_e9(T0, T0, ticks * size_e9, 1, Aggressor.BUY) == 0
        assert [record.a_ticks for record in decode(gate.take())] == [ticks, ticks]


class TestRefused:
    @pytest.mark.parametrize(
        ("price", "reason"),
        [
            (math.nan, RejectReason.NON_FINITE_PRICE),
            (math.inf, RejectReason.NON_FINITE_PRICE),
            (-math.inf, RejectReason.NON_FINITE_PRICE),
            (0.0, RejectReason.NON_POSITIVE_PRICE),
            (-4800.25, RejectReason.NON_POSITIVE_PRICE),
            (4800.1, RejectReason.OFF_GRID),
            (math.nextafter(4800.25, math.inf), RejectReason.OFF_GRID),
            (math.nextafter(4800.25, 0), RejectReason.OFF_GRID),
            (0.1, RejectReason.OFF_GRID),
            (2147483648 * 0.25, RejectReason.OUT_OF_RANGE),
            (1e300, RejectReason.OUT_OF_RANGE),
        ],
    )
    def test_a_bad_price_is_refused_by_name_and_kept_raw(self, price, reason):
        gate = door()
        trade(gate, 4800.0)
        gate.take()
        assert trade(gate, price, qty=6) == reason
        assert gate.refused(reason) == 1
        assert gate.trades == 1
        (record,) = decode(gate.take(), instrument=1)
        assert (record.kind, record.reason, record.original_kind) == (FrameKind.REJECTED, reason, FrameKind.TRADE)
        assert record.raw_a == price or math.isnan(price)
        assert (record.raw_b, record.raw_qty, record.ts_ns) == (0.0, 6, T0)

    @pytest.mark.parametrize(
        ("e9", "reason"),
        [
            (UNDEFINED, RejectReason.NON_FINITE_PRICE),
            (0, RejectReason.NON_POSITIVE_PRICE),
            (-250_000_000, RejectReason.NON_POSITIVE_PRICE),
            (4800_250_000_001, RejectReason.OFF_GRID),
            (2_147_483_648 * 250_000_000, RejectReason.OUT_OF_RANGE),
        ],
    )
    def test_a_bad_scaled_price_is_refused(self, e9, reason):
        gate = door()
        assert gate.quote_e9(T0, T0, 4800_000_000_000, 2, e9, 1) == reason
        (record,) = decode(gate.take())
        assert (record.raw_a, record.raw_b, record.raw_qty) == (4800.0, e9 / 1e9, 1)

    @pytest.mark.parametrize(
        ("bid_qty", "ask_qty", "reason", "kept"),
        [
            (-1, 5, RejectReason.NEGATIVE_SIZE, -1),
            (5, -7, RejectReason.NEGATIVE_SIZE, -7),
            (1 << 31, 5, RejectReason.OUT_OF_RANGE, 5),
            (1 << 40, 1 << 40, RejectReason.OUT_OF_RANGE, (1 << 31) - 1),
            (-(1 << 40), 1, RejectReason.NEGATIVE_SIZE, -(1 << 31)),
        ],
    )
    def test_a_bad_size_is_refused_and_kept_saturated(self, bid_qty, ask_qty, reason, kept):
        gate = door()
        assert gate.quote_points(T0, T0, 4800.0, bid_qty, 4800.25, ask_qty) == reason
        assert decode(gate.take())[0].raw_qty == kept

    @pytest.mark.parametrize("bad", [0, -5, UNDEFINED, 10**18 // 2, 42 * 10**17])
    @pytest.mark.parametrize("which", ["receive", "event"])
    def test_a_stamp_outside_1990_to_2100_is_refused(self, bad, which):
        gate = door()
        trade(gate, 4800.0)
        gate.take()
        stamps = (bad, T0) if which == "receive" else (T0, bad)
        assert gate.trade_points(*stamps, 4800.0, 1, 1) == RejectReason.BAD_TIMESTAMP
        (record,) = decode(gate.take())
        assert record.ts_ns == T0

    def test_a_bad_stamp_before_any_good_one_is_counted_without_a_record(self):
        gate = door()
        assert trade(gate, 4800.0, ts_ns=0) == RejectReason.BAD_TIMESTAMP
        assert gate.refused(RejectReason.BAD_TIMESTAMP) == 1
        assert len(gate.take()) == 0

    def test_a_refused_value_is_never_applied(self):
        gate = door()
        gate.quote_points(T0, T0, 4800.0, 1, 4801.0, 1)
        gate.quote_points(T0, T0, 4700.1, 1, 4700.25, 1)
        gate.trade_points(T0, T0, 4800.25, 1)
        assert decode(gate.take())[-1].aggressor == Aggressor.SELL  # still against the first quote
        assert gate.anchor_ticks == 19201


class TestBand:
    def test_ten_per_cent_passes_and_one_tick_more_does_not(self):
        for price, expected in ((4400.0, 0), (3600.0, 0), (4400.25, 4), (3599.75, 4)):
            gate = door()
            trade(gate, 4000.0)
            assert trade(gate, price) == expected

    def test_the_band_follows_the_last_accepted_price(self):
        gate = door()
        for price in (4000.0, 4400.0, 4840.0, 5324.0):
            assert trade(gate, price) == 0

    def run(self, prices, step_ns):
        gate = door()
        trade(gate, 4000.0)
        gate.take()
        reasons = [trade(gate, price, ts_ns=T0 + k * step_ns) for k, price in enumerate(prices)]
        return gate, reasons, decode(gate.take())

    def test_the_twentieth_steady_price_over_a_second_moves_it_and_leaves_a_gap_record(self):
        gate, reasons, records = self.run([5000.0] * 21, SECOND // 19 + 1)
        assert reasons == [4] * 19 + [0, 0]
        assert [record.kind for record in records] == [3] * 19 + [FrameKind.PRICE_GAP, FrameKind.TRADE, FrameKind.TRADE]
        gap = records[19]
        assert (gap.a_ticks, gap.b_ticks, gap.ts_ns) == (16000, 20000, records[20].ts_ns)
        assert gate.price_gaps == 1

    def test_twenty_prices_in_less_than_a_second_wait_for_the_second(self):
        _, reasons, _ = self.run([5000.0] * 30, SECOND // 25)
        assert reasons == [4] * 25 + [0] * 5

    def test_prices_more_than_one_per_cent_apart_start_the_run_again(self):
        # 5050 is 1 % above 5000 and belongs to the run; 5050.25 does not.
        _, steady, _ = self.run([5000.0, 5050.0] * 10 + [5000.0], SECOND)
        assert steady[19] == 0
        _, unsteady, _ = self.run([5000.0, 5050.25] * 15, SECOND)
        assert set(unsteady) == {4}

    def test_an_accepted_price_ends_the_run(self):
        _, reasons, _ = self.run(([5000.0] * 19 + [4000.0]) * 3, SECOND)
        assert reasons == ([4] * 19 + [0]) * 3

    def test_a_quote_too_wide_to_say_where_the_price_is_neither_moves_the_band_nor_counts(self):
        gate = door()
        trade(gate, 4000.0)
        for k in range(40):
            assert gate.quote_points(T0 + k * SECOND, T0, 3999.75, 1, 9000.0, 1) == RejectReason.PRICE_BAND
        assert trade(gate, 4000.25, ts_ns=T0 + 60 * SECOND) == 0

    def test_a_new_session_takes_the_next_price_as_it_comes(self):
        gate = door()
        trade(gate, 4000.0)
        gate.new_session()
        assert trade(gate, 5000.0) == 0
        assert trade(gate, 4000.0) == RejectReason.PRICE_BAND
        assert [r.kind for r in decode(gate.take())] == [
            FrameKind.TRADE,
            FrameKind.PRICE_GAP,
            FrameKind.TRADE,
            FrameKind.REJECTED,
        ]

    def test_a_new_session_within_the_band_is_no_gap(self):
        gate = door()
        trade(gate, 4000.0)
        gate.new_session()
        trade(gate, 4100.0)
        assert gate.price_gaps == 0

    def test_a_long_silence_is_a_new_session_where_the_feed_asked_for_it(self):
        silent = door(session_gap_ns=1800 * SECOND)
        plain = door()
        for gate in (silent, plain):
            trade(gate, 4000.0)
        later = T0 + 1800 * SECOND
        assert trade(silent, 5000.0, ts_ns=later) == 0
        assert trade(plain, 5000.0, ts_ns=later) == RejectReason.PRICE_BAND

    def test_the_prior_close_moves_it(self):
        gate = door()
        trade(gate, 4000.0)
        gate.set_anchor(20000)
        assert trade(gate, 4000.0) == RejectReason.PRICE_BAND
        assert trade(gate, 5000.25) == 0
        gap = decode(gate.take())[-2]
        assert (gap.kind, gap.a_ticks, gap.b_ticks) == (FrameKind.PRICE_GAP, 16000, 20001)

    def test_the_prior_close_before_any_price_is_where_the_band_begins(self):
        gate = door()
        gate.set_anchor(20000)
        assert trade(gate, 4000.0) == RejectReason.PRICE_BAND
        assert trade(gate, 5000.0) == 0
        assert gate.price_gaps == 0


class TestTime:
    def test_receive_time_never_goes_back_and_event_stamps_keep_theirs(self):
        gate = door()
        for offset in (0, 500, 200, 600):
            gate.trade_points(T0 + offset, T0 + offset, 4800.0, 1, 1)
        records = decode(gate.take())
        assert [record.ts_ns - T0 for record in records] == [0, 500, 500, 600]
        assert [record.ts_event_ns - T0 for record in records] == [0, 500, 200, 600]

    @given(
        st.lists(st.tuples(st.integers(-(10**12), 10**12), st.sampled_from([4000.0, 9000.0, 0.3, -1.0])), max_size=80)
    )
    def test_records_of_any_kind_are_in_time_order(self, values):
        gate = door(capacity=500)
        for offset, price in values:
            trade(gate, price, ts_ns=T0 + offset)
        stamps = [record.ts_ns for record in decode(gate.take())]
        assert stamps == sorted(stamps)


class TestAggressor:
    def inferred(self, *prices, quote=None):
        gate = door()
        if quote:
            gate.quote_points(T0, T0, quote[0], 1, quote[1], 1)
        for price in prices:
            gate.trade_points(T0, T0, price, 1)
        last = decode(gate.take())[-1]
        assert bool(last.flags & TickFlag.AGGRESSOR_INFERRED) == (last.aggressor != Aggressor.UNKNOWN)
        return last.aggressor

    def test_quote_rule(self):
        assert self.inferred(4801.0, quote=(4800.0, 4801.0)) == Aggressor.BUY
        assert self.inferred(4800.75, quote=(4800.0, 4801.0)) == Aggressor.BUY
        assert self.inferred(4800.25, quote=(4800.0, 4801.0)) == Aggressor.SELL

    def test_tick_rule_at_the_middle_without_a_quote_and_when_crossed(self):
        assert self.inferred(4800.0, 4800.5, quote=(4800.0, 4801.0)) == Aggressor.BUY
        assert self.inferred(4801.0, 4800.5, quote=(4800.0, 4801.0)) == Aggressor.SELL
        assert self.inferred(4800.0, 4799.75) == Aggressor.SELL
        assert self.inferred(4800.0, 4799.75, 4799.75) == Aggressor.SELL
        assert self.inferred(4799.0, 4800.75, quote=(4801.0, 4800.0)) == Aggressor.BUY

    def test_the_first_trade_without_a_quote_stays_unknown(self):
        assert self.inferred(4800.0) == Aggressor.UNKNOWN


class TestBatch:
    def test_a_full_batch_must_be_taken_first(self):
        gate = door(capacity=2)
        trade(gate, 4800.0)
        trade(gate, 4800.0)
        assert gate.full
        with pytest.raises(BufferError, match="take"):
            trade(gate, 4800.0)
        assert len(gate.take()) == 128
        assert trade(gate, 4800.0) == 0

    def test_a_gap_and_its_price_fit_behind_the_last_free_slot(self):
        gate = door(capacity=1)
        trade(gate, 4000.0)
        gate.take()
        gate.new_session()
        trade(gate, 5000.0)
        assert len(decode(gate.take())) == 2

    @pytest.mark.parametrize(
        "arguments", [(0, 250_000_000), (70_000, 250_000_000), (1, 0), (1, 333_333_333_333), (1, 250_000_000, 0)]
    )
    def test_impossible_settings_are_refused(self, arguments):
        with pytest.raises(ValueError):
            Door(*arguments)
