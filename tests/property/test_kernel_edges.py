"""Edges a random tape seldom meets exactly: session times to the nanosecond, equality with limits, ladders."""

import random
import struct

import pytest

from tests.property.configs import (
    ALL_DAY,
    HOUR_NS,
    LONGER_THAN_A_DAY,
    T0_NS,
    kernel_config,
    random_config,
    short_sessions,
    table,
    template,
)
from tests.property.driver import call_until_done, compare, new_kernel
from tests.property.tapes import P0, Call
from tests.reference.arith import MINUTE_NS, NS_PER_MS, NS_PER_S
from trading_bot._fast.hotpath import HotPath
from trading_bot.domain.kernel import Cadence, ExitReason, Outcome, TemplateRow, TriggerRow, WeightRow
from trading_bot.domain.records import TickFlag
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME

DVS = SIGNAL_BY_NAME["dvs"].id
# Always holds on the side the book leans to, and fires at every evaluation that the re-arm time lets through.
EAGER = template(cadence=Cadence.TICK, z_enter=-9.0, z_hold=-9.0, rearm_ns=0)


def quote(ts: int, spread: int = 1) -> Call:
    return ("on_quote", (ts, P0, 9, P0 + spread, 4, 0, 0))


def edge_calls(rows: bytes, step_ns: int) -> list[Call]:
    """Around every time of the table: crossed for one instant at it, just before it and just after it."""
    times = sorted({t for row in struct.iter_unpack("<7q", rows) for t in row[1:] if t > 0})
    calls: list[Call] = [("set_entry_mask", (1,))]
    for t in times:
        for at in (t - 13 * NS_PER_S, t, t + 13 * NS_PER_S):
            calls += [quote(at - step_ns), quote(at, -1), quote(at + step_ns)]
            calls.append(("on_trade", (at + step_ns, P0, 3, 1, 0, 0)))
    return calls


@pytest.mark.parametrize("step_ns", [1, 100 * NS_PER_MS])
@pytest.mark.parametrize("seed", range(4))
def test_session_times_to_the_nanosecond(seed: int, step_ns: int) -> None:
    rows = short_sessions(random.Random(seed), 6)
    config = kernel_config(sessions=rows, anchor_rth=seed % 2 == 0, templates=(EAGER,))
    compare(config, edge_calls(rows, step_ns), label=f"edges {seed} {step_ns}")


def test_hours_of_rth_to_the_nanosecond() -> None:
    """Slippage is 1.5 times the base in the first hour of RTH, 1.3 times in the last, and the first hour wins."""
    open_ns = T0_NS
    for hours, expected in (
        (3, [(-1, 1.0), (0, 1.5), (HOUR_NS - 1, 1.5), (HOUR_NS, 1.0), (2 * HOUR_NS - 1, 1.0), (2 * HOUR_NS, 1.3),
             (3 * HOUR_NS - 1, 1.3), (3 * HOUR_NS, 1.0)]),
        (1, [(-1, 1.0), (0, 1.5), (HOUR_NS - 1, 1.5), (HOUR_NS, 1.0)]),
    ):  # fmt: skip
        rows = table((T0_NS - HOUR_NS, T0_NS + 9 * HOUR_NS, open_ns, open_ns + hours * HOUR_NS, 0, 0))
        for offset, factor in expected:
            kernel = new_kernel(kernel_config(sessions=rows, templates=(EAGER,)))
            assert kernel.on_quote(open_ns + offset, P0, 9, P0 + 1, 4) == Outcome.CANDIDATE
            (candidate,) = kernel.candidates()
            assert candidate.slippage_e6 == round(0.5 * factor * 1e6), (hours, offset)


def test_an_anchor_resets_once() -> None:
    """History that begins at the anchors themselves: 70 bars from the Globex open, 70 from the RTH open."""
    rows = table((T0_NS - 3 * HOUR_NS, T0_NS + 9 * HOUR_NS, T0_NS - HOUR_NS, T0_NS + 3 * HOUR_NS, 0, 0))
    rng = random.Random(2)
    calls: list[Call] = []
    for i in range(-181, 30):
        ts, c = T0_NS + i * MINUTE_NS, P0 + rng.randint(-9, 9)
        volume = rng.randint(0, 40)
        calls.append(("on_bar", (ts, P0, max(P0, c) + 1, min(P0, c) - 1, c, volume, volume * c)))
    calls.append(quote(T0_NS + 30 * MINUTE_NS))
    for anchor_rth in (False, True):
        for cut in range(1, len(calls), 7):
            config = kernel_config(sessions=rows, anchor_rth=anchor_rth)
            compare(config, [*calls[:cut], calls[-1]], label=f"anchors {anchor_rth} {cut}")


def test_the_twenty_fourth_hour_ends_buckets_and_minutes() -> None:
    config = kernel_config(sessions=LONGER_THAN_A_DAY, templates=(EAGER,))
    calls: list[Call] = [
        ("on_bar", (T0_NS - i * MINUTE_NS, P0, P0 + 3 + i % 3, P0 - 2, P0 + i % 2, 5 + i % 7, 0))
        for i in range(90, 0, -1)
    ]
    for i in range(3 * 60):
        ts = T0_NS + i * 2 * NS_PER_S
        calls += [quote(ts), ("on_trade", (ts, P0 + i % 5, 1 + i % 3, 1, 0, 0))]
    compare(config, calls, label="24th hour")


def fires(row: TemplateRow, call: Call) -> bool:
    kernel = new_kernel(kernel_config(templates=(row,)))
    (code,) = call_until_done(kernel, call)
    return bool(code & Outcome.CANDIDATE)


class TestEqualityWithALimit:
    @pytest.mark.parametrize(
        ("low", "high", "passes"),
        [
            (2.0, None, True),
            (None, 2.0, True),
            (2.0, 2.0, True),
            (2.0000001, None, False),
            (None, 1.9999999, False),
        ],
    )
    def test_a_trigger_passes_at_its_limits(self, low: float | None, high: float | None, passes: bool) -> None:
        trigger = TriggerRow(signal=SIGNAL_BY_NAME["spread_ticks"].id, low=low, high=high)
        row = template(z_enter=-9.0, z_hold=-9.0, triggers=(trigger,))
        assert fires(row, quote(T0_NS, 2)) is passes

    @pytest.mark.parametrize(("z_enter", "holds"), [(0.25, True), (0.2500000001, False)])
    def test_z_holds_at_its_threshold(self, z_enter: float, holds: bool) -> None:
        """The dvs is 1.0: z = 0.5 * 1.0 / 1.0 - 0.25 on both sides; the lean of the book breaks the tie."""
        lean = SIGNAL_BY_NAME["queue_imbalance"].id
        trigger = TriggerRow(signal=lean, low=0.0)
        row = template(
            a=0.5, b=-0.25, z_enter=z_enter, z_hold=z_enter, weights=(WeightRow(DVS, 1.0),), triggers=(trigger,)
        )
        assert fires(row, quote(T0_NS)) is holds

    def test_equal_sides_are_neither(self) -> None:
        row = template(z_enter=0.0, z_hold=0.0, weights=(WeightRow(DVS, 1.0),))
        assert not fires(row, quote(T0_NS))


def test_slippage_climbs_with_the_range_of_the_bars_and_with_the_spread() -> None:
    """Calm bars, then wider and wider ones: base .5, +1 above 2.1 medians, +2 above 2.55; the spread adds as much."""
    calls: list[Call] = [("set_entry_mask", (1,))]
    calls += [("on_bar", (T0_NS - i * MINUTE_NS, P0, P0 + 5, P0 - 5, P0, 10, 10 * P0)) for i in range(120, 0, -1)]
    seen = set()
    for minute in range(40):
        ts = T0_NS + minute * MINUTE_NS + NS_PER_S
        calls += [("on_trade", (ts + k, P0 + offset, 1, 1, 0, 0)) for k, offset in enumerate((0, 20, -20, 0))]
        calls += [quote(ts + (1 + spread) * NS_PER_S, spread) for spread in (1, 2, 3)]
    config = kernel_config(
        sessions=ALL_DAY,
        templates=(EAGER,),
        age_outside_rth_factor=1,
        min_euc_ticks=-1000.0,  # nothing speaks against a candidate, so that each look fires
        cost_share_max_e6=10_000_000,
        stability_max_e6=10_000_000,
    )
    compare(config, calls, label="slippage ladder")
    kernel = new_kernel(config)
    for call in calls:
        for code in call_until_done(kernel, call):
            if call[0] != "on_bar" and (code or 0) & Outcome.CANDIDATE:
                seen |= {candidate.slippage_e6 for candidate in kernel.candidates()}
    assert seen == {round(1e6 * (0.5 + by_range + by_spread)) for by_range in (0, 1, 2) for by_spread in (0, 1, 2)}


class TestExits:
    """Long 1 at 20 000: target 20 010, stop 19 990, time stop in one second; and its mirror image."""

    def positioned(self, qty: int, target: int, stop: int, after_ns: int = 0) -> HotPath:
        kernel = new_kernel(kernel_config())
        assert kernel.on_quote(T0_NS, P0, 9, P0 + 1, 4) == 0
        kernel.set_position(qty, target, stop, T0_NS + after_ns if after_ns else 0)
        return kernel

    @pytest.mark.parametrize(
        ("qty", "target", "stop", "bid", "ask", "reason"),
        [
            (1, P0 + 10, P0 - 10, P0 + 10, P0 + 11, ExitReason.TARGET),
            (1, P0 + 10, P0 - 10, P0 + 9, P0 + 10, 0),
            (1, P0 + 10, P0 - 10, P0 - 10, P0 - 9, ExitReason.STOP),
            (1, P0 + 10, P0 - 10, P0 - 9, P0 - 8, 0),
            (-1, P0 - 10, P0 + 10, P0 - 11, P0 - 10, ExitReason.TARGET),
            (-1, P0 - 10, P0 + 10, P0 - 10, P0 - 9, 0),
            (-1, P0 - 10, P0 + 10, P0 + 9, P0 + 10, ExitReason.STOP),
            (-1, P0 - 10, P0 + 10, P0 + 8, P0 + 9, 0),
            (1, 0, 0, P0 + 50, P0 + 51, 0),
            (0, P0 + 10, P0 - 10, P0 + 10, P0 + 11, 0),
        ],
    )
    def test_a_quote_meets_the_levels_on_the_side_that_would_be_hit(
        self, qty: int, target: int, stop: int, bid: int, ask: int, reason: int
    ) -> None:
        kernel = self.positioned(qty, target, stop)
        assert kernel.on_quote(T0_NS + 1, bid, 9, ask, 4) == (Outcome.EXIT if reason else 0)
        assert kernel.exit_mask == reason
        assert kernel.on_quote(T0_NS + 2, bid, 9, ask, 4) == 0  # once per position

    @pytest.mark.parametrize(("price", "reason"), [(P0 + 10, ExitReason.TARGET), (P0 - 10, ExitReason.STOP)])
    def test_a_trade_meets_them_only_with_a_size(self, price: int, reason: int) -> None:
        kernel = self.positioned(1, P0 + 10, P0 - 10)
        assert not kernel.on_trade(T0_NS + 1, price, 0, 1) & Outcome.EXIT
        assert kernel.on_trade(T0_NS + 2, price, 1, 1) & Outcome.EXIT
        assert kernel.exit_mask == kernel.last_exit_mask == reason

    def test_the_time_stop_is_met_at_its_grid_point_once_per_position(self) -> None:
        kernel = self.positioned(1, 0, 0, after_ns=NS_PER_S)
        assert kernel.on_time(T0_NS + NS_PER_S - 1) == 0
        assert kernel.on_time(T0_NS + NS_PER_S) == Outcome.EXIT
        assert kernel.exit_mask == ExitReason.TIME
        assert kernel.on_time(T0_NS + 2 * NS_PER_S) == 0
        kernel.set_position(1, 0, 0, T0_NS + NS_PER_S)
        assert kernel.on_time(T0_NS + 2 * NS_PER_S + 100 * NS_PER_MS) == Outcome.EXIT

    def test_a_time_stop_of_zero_is_none(self) -> None:
        assert self.positioned(1, 0, 0).on_time(T0_NS + NS_PER_S) == 0

    def test_quality_below_hold_is_an_exit_at_the_next_grid_point(self) -> None:
        kernel = self.positioned(1, 0, 0)
        assert kernel.on_quote(T0_NS + 1, P0, 9, P0 + 1, 4, 0, TickFlag.DELAYED_DATA) == Outcome.QUALITY
        assert kernel.on_time(T0_NS + 100 * NS_PER_MS) == Outcome.EXIT
        assert kernel.exit_mask == ExitReason.QUALITY
        kernel.clear_position()
        assert kernel.on_time(T0_NS + NS_PER_S) == 0


def test_every_configuration_kind_is_met_by_the_seeds() -> None:
    configs = [random_config(random.Random(seed)) for seed in range(24)]
    assert {len(config.templates) for config in configs} >= {0, 1, 2, 3, 4, 6}
    assert {row.cadence for config in configs for row in config.templates} == set(Cadence)
    assert {config.anchor_rth for config in configs} == {False, True}
