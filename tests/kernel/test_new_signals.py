"""New bar signals, sessions of bars, costs, fed signals and the outcome BAR: numbers worked out by hand."""

from collections.abc import Iterable
from math import sqrt
from typing import Any

import pytest

from tests.kernel.kit import HOUR, MINUTE, MS, ONE_DAY, T0, S, config, play, quote, sessions, template, trade, trigger
from trading_bot._fast import HotPath
from trading_bot.domain.kernel import Cadence, Outcome
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME

DAY = 24 * HOUR
DAYS = sessions(
    *((T0 + d * DAY, T0 + (d + 1) * DAY, T0 + d * DAY + 10 * HOUR, T0 + d * DAY + 16 * HOUR, 0, 0) for d in range(3))
)
NO_RTH = sessions((T0, T0 + DAY, 0, 0, 0, 0))
Row = tuple[int, int, int, int, int]
FLAT: Row = (100, 102, 98, 100, 10)  # true range 4


def give(kernel: HotPath, first_ns: int, rows: Iterable[Row], notional: int | None = None) -> None:
    """Bars (open, high, low, close, volume) minute by minute; their notional is close x volume unless given."""
    for index, (opened, high, low, close, volume) in enumerate(rows):
        traded = close * volume if notional is None else notional
        assert kernel.on_bar(first_ns + index * MINUTE, opened, high, low, close, volume, traded) == 0


def after(rows: Iterable[Row], first_ns: int = T0, **changes: Any) -> dict[str, float | None]:
    kernel = HotPath(config(**changes))
    give(kernel, first_ns, rows)
    return kernel.signals()


def point(close: int, volume: int = 10) -> Row:
    return (close, close, close, close, volume)


def sigma(x: float) -> float:
    return 0.5 * (1.0 + x / sqrt(1.0 + x * x))


# 60 bars of volume 10 and 20 in turn, TR 2: their mean is 15, their deviation 5; a next volume x has vz = (x - 15) / 5.
SIXTY: list[Row] = [(100, 102, 100, 102, 10 + 10 * (i % 2)) for i in range(60)]


class TestSessions:
    # Closes 100 and 104: sqrt(2*(100^2 + 104^2) - 204^2) / 2 = 4 / 2; (100*1 + 104*3) / 4 = 103.
    FIRST = (point(100, 1), point(104, 3))

    @pytest.mark.parametrize("days", [1, 2])  # a day without bars leaves the prior session
    def test_gap_and_distance_are_in_deviations_of_the_prior_session(self, days):
        kernel = HotPath(config(sessions=DAYS))
        give(kernel, T0, self.FIRST)
        assert kernel.signals()["gap_from_prev_close_n"] is kernel.signals()["distance_from_poc_proxy"] is None
        found = []
        for minute, (opened, close) in enumerate([(105, 104), (104, 101), (101, 111)]):
            row = (opened, max(opened, close), min(opened, close), close, 1)
            give(kernel, T0 + days * DAY + minute * MINUTE, [row])
            found.append((kernel.signals()["gap_from_prev_close_n"], kernel.signals()["distance_from_poc_proxy"]))
        assert found == [(0.25, 0.5 / 3.0), (0.25, -1.0 / 3.0), (0.25, 1.0)]

    def test_a_prior_session_of_one_price_says_nothing(self):
        kernel = HotPath(config(sessions=DAYS))
        give(kernel, T0, [point(100)] * 3)
        give(kernel, T0 + DAY, [point(104)])
        assert kernel.signals()["gap_from_prev_close_n"] is kernel.signals()["distance_from_poc_proxy"] is None

    def test_with_anchors_at_rth_only_bars_of_rth_are_of_a_session(self):
        kernel = HotPath(config(sessions=DAYS, anchor_rth=True))
        give(kernel, T0 + 9 * HOUR, [point(500)])
        give(kernel, T0 + 10 * HOUR, self.FIRST)
        give(kernel, T0 + 17 * HOUR, [point(900)])
        give(kernel, T0 + DAY + 9 * HOUR, [point(104)])
        assert (kernel.signals()["gap_from_prev_close_n"], kernel.signals()["distance_from_poc_proxy"]) == (
            None,
            0.5 / 3.0,
        )
        give(kernel, T0 + DAY + 10 * HOUR, [point(102)])
        assert kernel.signals()["gap_from_prev_close_n"] == -0.5

    @pytest.mark.parametrize(
        ("minute", "phase"),
        # RTH of 360 minutes: 60, 120, 240, 330 of 390 end after 55.4, 110.8, 221.5 and 304.6 minutes
        [
            (-1, 0),
            (0, 1),
            (55, 1),
            (56, 2),
            (110, 2),
            (111, 3),
            (221, 3),
            (222, 4),
            (304, 4),
            (305, 5),
            (359, 5),
            (360, 6),
        ],
    )
    def test_phases_are_parts_of_rth(self, minute, phase):
        assert after([FLAT], T0 + 10 * HOUR + minute * MINUTE)["session_phase"] == phase

    def test_without_rth_or_row_there_is_no_phase(self):
        assert after([FLAT], sessions=NO_RTH)["session_phase"] is None
        assert after([FLAT], T0 + 2 * DAY)["session_phase"] is None

    def test_a_phase_is_a_category(self):
        with pytest.raises(ValueError, match="session_phase, which is a category"):
            HotPath(config(template("t", Cadence.BAR, {"session_phase": 1.0})))
        HotPath(config(template("t", Cadence.BAR, {"noise": 1.0}, trigger("session_phase", 1.0, 2.0))))


class TestOpeningRange:
    @pytest.mark.parametrize(
        ("row", "value"),
        [((100, 103, 99, 103, 1), 0.25), ((100, 100, 96, 96, 1), -0.5), ((100, 102, 98, 102, 1), 0.0)],
    )
    def test_distance_beyond_the_first_quarter_of_an_hour(self, row, value):
        assert after([FLAT] * 15)["opening_range_break"] is None  # the last bar of the range itself
        assert after([*[FLAT] * 15, row])["opening_range_break"] == value  # ATR is 4

    @pytest.mark.parametrize(("bars", "value"), [(9, None), (10, 0.25)])
    def test_ten_bars_of_the_range_are_needed(self, bars, value):
        kernel = HotPath(config())
        give(kernel, T0 + (15 - bars) * MINUTE, [FLAT] * (bars + 13))
        give(kernel, T0 + HOUR, [(100, 103, 99, 103, 1)])
        assert kernel.signals()["opening_range_break"] == value

    def test_with_anchors_at_rth_it_is_the_first_quarter_of_rth(self):
        kernel = HotPath(config(anchor_rth=True))
        give(kernel, T0 + 10 * HOUR - 5 * MINUTE, [(100, 110, 90, 100, 1)] * 5 + [FLAT] * 29)
        give(kernel, T0 + 11 * HOUR, [(100, 103, 99, 103, 1)])
        assert kernel.signals()["opening_range_break"] == 0.25
        give(kernel, T0 + 16 * HOUR, [(103, 106, 102, 106, 1)])
        assert kernel.signals()["opening_range_break"] is None


class TestVolume:
    @pytest.mark.parametrize("sign", [1, -1])
    def test_slope_of_volume(self, sign):
        rows = [point(100, 100 + j) for j in range(20)][::sign]
        assert after(rows[:19])["vol_slope_20"] is None
        # sum (2j - 19)(100 + j) = 1330, so one contract a bar; the mean is 109.5
        assert after(rows)["vol_slope_20"] == sign * 20.0 / 109.5
        assert after([point(100, 0)] * 20)["vol_slope_20"] == 0.0

    def test_effort_against_result(self):
        rows: list[Row] = [(100, 102, 100, 102, 10)] * 100
        assert after(rows)["effort_vs_result"] is None
        # 30 of 10 contracts, 2 of 2 ticks: s(3 - 1)
        assert after([*rows, (102, 102, 100, 100, 30)])["effort_vs_result"] == 2.0 / sqrt(5.0)
        assert after([FLAT] * 101)["effort_vs_result"] is None  # the median body is 0

    def test_run_of_high_volume(self):
        kernel = HotPath(config())
        give(kernel, T0, SIXTY)
        assert kernel.signals()["consecutive_high_vol_bars"] is None
        found = []
        for index, volume in enumerate([30, 40, 10, 50, 20]):
            give(kernel, T0 + (60 + index) * MINUTE, [(102, 102, 100, 102, volume)])
            found.append(kernel.signals()["consecutive_high_vol_bars"])
        assert found == [0.2, 0.4, 0.0, 0.2, 0.0]
        assert after([*SIXTY, (102, 102, 100, 102, 20)])["consecutive_high_vol_bars"] == 0.0  # exactly 1 is not above

    @pytest.mark.parametrize(
        ("height", "volume", "climax", "quiet"),
        # S14 = 26 + TR: 7*5 > 31, 7*4 < 30; 28*0 < 26, 28*1 > 27. Volume 25, 10: vz exactly 2, -1
        [
            (5, 26, 1.0, 0.0), (4, 26, 0.0, 0.0), (5, 25, 0.0, 0.0),
            (0, 5, 0.0, 1.0), (1, 5, 0.0, 0.0), (0, 10, 0.0, 0.0),
        ],
    )  # fmt: skip
    def test_climax_and_quiet_bars(self, height, volume, climax, quiet):
        found = after([*SIXTY, (102, 102 + height, 102, 102, volume)])
        assert (found["climax_bar_flag"], found["quiet_bar_flag"]) == (climax, quiet)
        assert after(SIXTY)["climax_bar_flag"] is after(SIXTY)["quiet_bar_flag"] is None

    @pytest.mark.parametrize(
        ("height", "volume", "value"), [(2, 30, 0.5), (8, 30, 1.0), (2, 5, 0.0), (0, 30, 0.0)]
    )  # r = 1 and vz = 3: 1 * 3 / 6; r = 8 / 2.2 counts as 2
    def test_range_on_volume(self, height, volume, value):
        assert after([*SIXTY, (102, 102 + height, 102, 102, volume)])["range_expansion_on_volume"] == value
        assert after(SIXTY)["range_expansion_on_volume"] is None

    def test_participation(self):
        rows = [*SIXTY, *SIXTY[:40]]
        assert after([*rows[:99], (102, 102, 100, 100, 30)])["participation_expansion_index"] is None
        # vz = 3, r = 1, effort s(2*30/30 - 2*2/4) = s(1)
        found = after([*rows, (102, 102, 100, 100, 30)])
        assert found["effort_vs_result"] == 1.0 / sqrt(2.0)
        assert found["participation_expansion_index"] == sigma(3.0 + 1.0 - 1.0 - 1.0 / sqrt(2.0))

    @pytest.mark.parametrize(("ends", "value"), [(10 * HOUR + 30 * MINUTE, 0.0), (12 * HOUR, 1.0)])
    def test_a_quiet_bar_at_lunch(self, ends, value):
        rows = [*SIXTY, point(102, 5)]
        assert after(rows, T0 + ends - 60 * MINUTE)["lunch_void_gate"] == value
        assert after(SIXTY, T0 + ends - 60 * MINUTE)["lunch_void_gate"] is None
        assert after(rows, sessions=NO_RTH)["lunch_void_gate"] is None  # no phase

    @pytest.mark.parametrize(
        # The close stands 1 above the average price, all closes before stood on it: vwap_z is 1.
        ("volume", "first", "value"),
        [
            (30, 15 * HOUR, 0.5),  # sigma(-3 + 3)
            (5, 15 * HOUR, sigma(-5.0)),  # vz = -2
            (30, 14 * HOUR + 59 * MINUTE, 0.0),
            (30, 16 * HOUR, 0.0),
        ],
    )
    def test_pull_of_the_average_price_in_the_last_hour(self, volume, first, value):
        kernel = HotPath(config())
        give(kernel, T0 + first - 60 * MINUTE, [point(100, 10 + 10 * (i % 2)) for i in range(60)])
        give(kernel, T0 + first, [(100, 101, 100, 101, volume)], notional=100 * volume)
        assert kernel.signals()["vwap_z"] == 1.0
        assert kernel.signals()["close_magnet_index"] == value

    def test_without_a_history_there_is_no_pull_in_the_last_hour_and_none_outside(self):
        assert after([FLAT], T0 + 15 * HOUR)["close_magnet_index"] is None
        assert after([FLAT], T0 + 14 * HOUR)["close_magnet_index"] == 0.0


class TestCosts:
    @pytest.mark.parametrize(
        ("opens", "slippage"),  # base 0.5, times 1.5 and 1.3 by the bar's end
        [(9 * HOUR, 0.5), (10 * HOUR - MINUTE, 0.75), (15 * HOUR - MINUTE, 0.5 * 1.3), (16 * HOUR - MINUTE, 0.5)],
    )
    def test_expected_slippage_at_the_end_of_the_bar(self, opens, slippage):
        found = after([FLAT] * 14, T0 + opens - 13 * MINUTE)
        assert found["slippage_risk"] == slippage / 6.0
        assert found["friction_regime_index"] == (2.0 + slippage) / 4.0

    def test_bounds(self):
        assert after([FLAT], slippage_base_ticks=9.0)["slippage_risk"] == 1.0
        assert after([FLAT] * 14, slippage_base_ticks=9.0)["friction_regime_index"] == 1.0
        assert after([FLAT], slippage_base_ticks=9.0, slippage_cap_ticks=3.0)["slippage_risk"] == 0.5
        assert after([FLAT] * 13)["friction_regime_index"] is None
        assert after([point(100)] * 14)["friction_regime_index"] == 1.0

    def test_commission_and_spread_of_the_moment(self):
        kernel = HotPath(config())
        give(kernel, T0, [FLAT] * 13)
        kernel.set_costs(1.0, 0.5)
        start = T0 + HOUR
        play(
            kernel,
            [quote(start, 99, 102), trade(start + 1, 102, 1), trade(start + 2, 98, 1), quote(start + MINUTE, 99, 102)],
        )
        found = kernel.signals()
        assert found["slippage_risk"] == 2.5 / 6.0  # 0.5 and 2.0 for three ticks
        assert found["friction_regime_index"] == (1.0 + 2.5) / 4.0


class TestPaths:
    @pytest.mark.parametrize(
        ("steps", "value"),
        [([1] * 20, 0.0), ([1, -1] * 10, 1.0), ([0] * 20, 1.0), ([1] * 15 + [-1] * 5, 0.5), ([-1] * 20, 0.0)],
    )
    def test_noise(self, steps, value):
        closes = [100]
        for step in steps:
            closes.append(closes[-1] + step)
        assert after([point(close) for close in closes[:20]])["noise"] is None
        assert after([point(close) for close in closes])["noise"] == value

    @pytest.mark.parametrize(
        ("name", "window", "back", "depth"), [("failed_break", 60, 3, 4), ("sweep_reversal", 20, 2, 6)]
    )
    @pytest.mark.parametrize("side", [1, -1])
    def test_a_break_that_came_back(self, name, window, back, depth, side):
        def row(low: int, close: int) -> Row:
            """A bar that reaches down to `low`, or as far up."""
            if side > 0:
                return (100, 102, low, close, 10)
            return (100, 200 - low, 98, 200 - close, 10)

        calm = [FLAT] * (window + back)
        assert after(calm)[name] is None
        assert after([*calm, FLAT])[name] == 0.0
        broken = row(98 - depth, 99)
        assert after([*calm, broken])[name] == side * depth / 16.0
        assert after([*calm, row(98 - depth + 1, 99)])[name] == 0.0  # not deep enough
        assert after([*calm, row(98 - depth, 98)])[name] == 0.0  # not back yet
        assert after([*calm, row(98 - depth, 98), FLAT])[name] == side * depth / 16.0  # back one bar later
        assert after([*calm, broken, *[FLAT] * back])[name] == side * depth / 16.0
        assert after([*calm, broken, *[FLAT] * (back + 1)])[name] == 0.0  # too long ago
        assert after([*calm, row(70, 99)])[name] == side  # 28 ticks count as 16
        # a deeper one first: the newest counts, measured from the low of the other
        assert after([*calm, row(98 - 2 * depth, 99), row(98 - 3 * depth, 99)])[name] == side * depth / 16.0
        assert after([*calm, (100, 102 + depth, 98 - depth, 100, 10)])[name] == 0.0  # both sides
        # a bar that went further hides the break while it is one of those before it
        wide = (100, 130, 70, 100, 10)
        assert after([*calm, wide, *[FLAT] * window, broken])[name] == side * depth / 16.0
        assert after([*calm, wide, *[FLAT] * (window - 1), broken])[name] == 0.0


class TestFed:
    BIAS = SIGNAL_BY_NAME["level_bias"].id

    def test_a_value_is_read_until_it_is_taken_back(self):
        kernel = HotPath(config())
        names = [spec.name for spec in SIGNAL_BY_NAME.values() if spec.cadence == "fed"]
        assert len(names) == 5
        for index, name in enumerate(names):
            assert kernel.signals()[name] is None
            kernel.set_fed(SIGNAL_BY_NAME[name].id, 0.125 * (index + 1))
        kernel.on_quote(T0, 100, 1, 101, 1)
        assert kernel.on_gap(T0 + S, 100, 200) & Outcome.GAP
        assert [kernel.signals()[name] for name in names] == [0.125, 0.25, 0.375, 0.5, 0.625]
        other = HotPath(config())
        other.restore(kernel.snapshot())
        assert other.signals() == kernel.signals()
        kernel.set_fed(self.BIAS, None)
        assert kernel.signals()["level_bias"] is None

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("noise", 0.0, "not fed"),
            ("level_bias", 1.5, "level_bias is 1.5"),
            ("level_bias", float("nan"), "level_bias is nan"),
            ("context_3", -0.1, "context_3 is -0.1"),  # even: from 0
        ],
    )
    def test_what_is_not_fed_or_out_of_range_is_refused(self, name, value, message):
        with pytest.raises(ValueError, match=message):
            HotPath(config()).set_fed(SIGNAL_BY_NAME[name].id, value)

    def test_it_weighs_as_it_is_and_triggers_like_any_other(self):
        row = template("level", Cadence.GRID, {"level_bias": 2.0}, trigger("context_1", 0.25), z_enter=0.5)
        kernel = HotPath(config(row))
        kernel.on_quote(T0, 100, 1, 101, 1)
        kernel.set_fed(self.BIAS, -0.75)
        kernel.set_fed(SIGNAL_BY_NAME["context_1"].id, 0.5)
        assert kernel.on_time(T0 + 100 * MS) == 0  # for the short side an odd trigger is turned
        kernel.set_fed(SIGNAL_BY_NAME["context_1"].id, -0.25)
        assert kernel.on_time(T0 + 200 * MS) == Outcome.CANDIDATE
        assert [(c.side, c.z_e6, c.missing) for c in kernel.candidates()] == [(-1, 750_000, False)]


class TestBarOutcome:
    def test_it_comes_at_the_minute_that_closed_a_bar_and_only_there(self):
        kernel = HotPath(config())
        tape = [
            quote(T0, 100, 101),
            trade(T0 + 1, 100, 1),
            quote(T0 + 119 * S, 100, 101),
            quote(T0 + 120 * S, 100, 101),
        ]
        found = [(at, code) for at, code in play(kernel, tape) if code & Outcome.BAR]
        assert found == [(2, Outcome.BAR)]
        assert kernel.last_outcome_ts_ns != T0 + 120 * S  # the second minute had no trade

    def test_it_comes_with_the_candidates_of_the_minute(self):
        kernel = HotPath(config(template("minute", Cadence.BAR, {"queue_imbalance": 1.0}, z_enter=0.1)))
        play(kernel, [quote(T0, 100, 101, 20, 10), trade(T0 + 1, 100, 1), quote(T0 + 59_950 * MS, 100, 101, 20, 10)])
        assert kernel.on_time(T0 + MINUTE) == Outcome.BAR | Outcome.CANDIDATE
        assert (kernel.last_outcome_ts_ns, kernel.last_outcome_at_grid) == (T0 + MINUTE, True)

    def test_bars_of_history_close_without_it(self):
        kernel = HotPath(config(sessions=ONE_DAY))
        assert kernel.on_bar(T0, 100, 102, 98, 100, 10, 1000) == 0
