"""DE08, DE12 and specification 8.4 in the loop: lockouts, scheduled events, cool-downs, used set-ups, vetoes."""

from functools import cache

import msgspec
import pytest

from tests.core.handler_world import START_NS, World, of, only, plain_documents
from tests.core.worlds import OPEN_NS, eager_template
from tests.engines.cases import candidate
from trading_bot.core import locking, on_bar, surroundings
from trading_bot.core.machine import Facts, Machine
from trading_bot.core.player import Player
from trading_bot.domain import events
from trading_bot.domain.bars import MinuteBar, pack_bars
from trading_bot.domain.effects import Alert, CancelOrder, PlaceExit, PlaceOrder
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.scheduled import EventCalendar, EventKind, ScheduledEvent
from trading_bot.domain.templates import VetoConfig
from trading_bot.domain.trade_events import FlattenAdvanced, OrderFilled, TradeClosed
from trading_bot.domain.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MIN, NS_PER_S
from trading_bot.engines.lockouts import Lock, Lockout

EVENT_NS = OPEN_NS + 30 * NS_PER_MIN  # 10:00 ET
SHOCK_BAR = OPEN_NS + 9 * NS_PER_MIN  # the minute before START_NS


def reason(world, **changes):
    return only(world.fire(candidate(**changes)), events.DecisionMade).reason


def changes(records):
    return [(one.lockout, one.until_ns) for one in of(records, events.LockoutChanged)]


def alerts(records):
    return [one.code for one in of(records, Alert)]


def until(world, ts_ns):
    """The market goes on, a quote a second, up to and including `ts_ns`."""
    return world.quotes(world.now_ns + NS_PER_S, ts_ns - 1) + world.quote(ts_ns)


def history(sessions=5, range_ticks=8, ranges=()):
    """Bars of the minute of SHOCK_BAR in the sessions before, and 31 quiet ones of today before it."""
    days = [24, 23, 20, 19, 18][:sessions]  # of November 2026; the 25th is today, the weekend is left out
    bars = []
    for back, day in reversed(list(enumerate(days))):
        ts_ns = SHOCK_BAR - (25 - day) * NS_PER_DAY
        size = ranges[back] if ranges else range_ticks
        bars.append(MinuteBar(ts_ns, 24_000, 24_000 + size, 24_000, 24_000, 100, 2_400_000))
    return bars + [
        MinuteBar(SHOCK_BAR - back * NS_PER_MIN, 24_000, 24_008, 24_000, 24_000, 100, 2_400_000)
        for back in range(31, 0, -1)
    ]


def after_history(bars, **options):
    """A world whose kernel has taken bars; the newest one closes at START_NS."""
    world = World(ready=False, **options)
    world.apply(events.HistoryLoaded(ts_ns=START_NS, source="test", count=len(bars), bars=pack_bars(bars)))
    return world


@pytest.fixture
def world():
    return World()


def lock(world, name, minutes):
    """As a shock would: the state is locked and the timer armed."""
    until_ns = world.now_ns + minutes * NS_PER_MIN
    world.state.locks = (Lock(lockout=Lockout(name), until_ns=until_ns, reason="test"),)
    for effect in locking.resume(world.state, world.now_ns):
        world.machine.timers[(effect.name, None)] = effect.due_ns
    world.apply(events.LatencySampled(ts_ns=world.now_ns, decision_us_p99=0.0, loop_lag_us_max=0.0, modelled=True))


class TestVolatility:
    @pytest.mark.parametrize(("range_ticks", "trips"), [(32, True), (31, False)])
    def test_four_times_the_usual_range_of_the_minute(self, range_ticks, trips):
        """The median of five sessions is 8 ticks; 4 x 8 = 32."""
        shock = MinuteBar(SHOCK_BAR, 24_000, 24_000 + range_ticks, 24_000, 24_000, 100, 2_400_000)
        world = after_history([*history(), shock])
        results = on_bar.bar_closed(world.state, START_NS)
        until_ns = START_NS + 15 * NS_PER_MIN
        assert changes(results) == ([("VOLATILITY", until_ns)] if trips else [])
        assert world.state.bar_range.median2_ticks == 16

    @pytest.mark.parametrize(("sessions", "trips"), [(5, True), (4, False)])
    def test_a_median_pooled_over_the_day_makes_no_shock(self, sessions, trips):
        """ATR 5 times the usual: with four sessions behind it the median is pooled, and the ratio flagged."""
        days = [24, 23, 20, 19, 18][:sessions]
        bars = [
            MinuteBar(
                SHOCK_BAR - (25 - day) * NS_PER_DAY - back * NS_PER_MIN, 24_000, 24_008, 24_000, 24_000, 100, 2_400_000
            )
            for day in sorted(days)
            for back in range(25, 0, -1)
        ]
        bars += [
            MinuteBar(SHOCK_BAR - back * NS_PER_MIN, 24_000, 24_040, 24_000, 24_000, 100, 2_400_000)
            for back in range(16, -1, -1)
        ]
        world = after_history(bars)
        kernel = world.state.kernel
        assert kernel.signal_flags()["atr_14_n"] is not trips
        assert kernel.signals()["atr_14_n"] == 1.0, "five times the median, clamped at three"
        names = [name for name, _ in changes(on_bar.bar_closed(world.state, START_NS))]
        assert names == (["VOLATILITY"] if trips else [])

    def test_the_range_reaches_to_the_close_before(self):
        """A small bar, 32 ticks away from the one before."""
        away = MinuteBar(SHOCK_BAR, 24_031, 24_032, 24_031, 24_032, 100, 2_403_150)
        world = after_history([*history(), away])
        assert [name for name, _ in changes(on_bar.bar_closed(world.state, START_NS))] == ["VOLATILITY"]

    def test_the_range_of_history_reaches_over_its_parts(self):
        """History comes in events; the close before a bar may be in the one before: 10 above it, not 8."""
        bars = history()
        world = after_history(bars[:3])
        low = MinuteBar(bars[3].ts_open_ns, 23_998, 23_998, 23_990, 23_990, 100, 2_400_000)
        world.apply(events.HistoryLoaded(ts_ns=START_NS, source="test", count=1, bars=pack_bars([low])))
        assert world.state.ranges.plain().count((10).to_bytes(8, "little")) == 1

    def test_with_four_sessions_nothing_is_known(self):
        shock = MinuteBar(SHOCK_BAR, 24_000, 24_400, 24_000, 24_000, 100, 2_400_000)
        world = after_history([*history(4), shock])
        assert changes(on_bar.bar_closed(world.state, START_NS)) == []

    def test_the_kernel_brings_the_bar(self, world):
        """A minute that closes in the market reaches the core, without anybody calling it."""
        world.quotes(START_NS, START_NS + 59 * NS_PER_S)
        world.state.kernel.on_trade(START_NS + 59 * NS_PER_S, 24_000, 1, 1)
        world.quotes(START_NS + 60 * NS_PER_S, START_NS + 62 * NS_PER_S)
        assert [one.code & Outcome.BAR for one in of(world.records, events.OutcomeReached)] == [Outcome.BAR]
        assert world.state.bar_range is not None

    def test_it_stops_entries_until_its_time_is_over(self, world):
        lock(world, "VOLATILITY", 15)
        assert world.state.entry_mask == 0
        (line,) = locking.lockout_lines(world.state, START_NS)
        assert line == "VOLATILITY until 2026-11-25T14:55:00.000000000Z (test)"
        assert reason(world) == "LOCKOUT_VOLATILITY"
        end_ns = START_NS + 15 * NS_PER_MIN
        until(world, end_ns - 1)
        assert reason(world, episode=2) == "LOCKOUT_VOLATILITY"
        records = world.quote(end_ns)
        assert changes(records) == [("VOLATILITY", 0)]
        assert alerts(records) == ["LOCKOUT_ENDED"]
        assert world.state.entry_mask
        assert reason(world, episode=3) == "ENTER"


class TestExecution:
    def test_a_wide_spread_locks_and_withdraws_the_entry_that_works(self, world):
        placed = world.place()
        world.quote(START_NS + NS_PER_S, spread=3)
        results = world.fire(candidate(episode=2))
        assert changes(results) == [("EXECUTION", START_NS + NS_PER_S + 30 * NS_PER_MIN)]
        assert [one.order_id for one in of(results, CancelOrder)] == [placed.order.order_id]
        assert alerts(results) == ["LOCKOUT_TRIPPED"]
        assert only(results, events.DecisionMade).reason == "LOCKOUT_EXECUTION"

    def test_so_does_slippage_that_is_expected_to_be_dear(self, world):
        assert reason(world, slippage_e6=3_000_000) == "LOCKOUT_EXECUTION"

    def test_before_entries_are_allowed_a_wide_spread_says_nothing(self):
        world = World(start_ns=OPEN_NS - NS_PER_MIN)
        world.quote(OPEN_NS - 30 * NS_PER_S, spread=3)
        assert changes(world.fire(candidate())) == []

    def test_it_lasts_when_the_spread_is_narrow_again(self, world):
        world.quote(START_NS + NS_PER_S, spread=3)
        world.fire(candidate())
        world.quote(START_NS + 2 * NS_PER_S)
        assert reason(world, episode=2) == "LOCKOUT_EXECUTION"


class TestWhatSurvives:
    def test_a_lockout_goes_into_the_next_log_and_still_ends(self, world):
        lock(world, "VOLATILITY", 15)
        world.state.cooldowns["E1", 1] = START_NS + 60 * NS_PER_S
        carried = world.state.carried()
        after = World(carried=msgspec.msgpack.decode(msgspec.msgpack.encode(carried), type=type(carried)))
        assert reason(after) == "LOCKOUT_VOLATILITY"
        assert after.state.cooldowns == world.state.cooldowns
        end_ns = START_NS + 15 * NS_PER_MIN
        assert changes(after.quotes(end_ns - NS_PER_S, end_ns)) == [("VOLATILITY", 0)]

    def test_the_ranges_of_earlier_sessions_do_too(self):
        world = after_history(history())
        after = World(carried=world.state.carried())
        day = after.state.day
        assert after.state.ranges.median2_ticks(day, SHOCK_BAR) == 16

    def test_facts_keep_what_the_log_says(self):
        """Another build cannot rebuild the state: the records alone say what holds."""
        player = Player(build="x")
        player._note(events.LockoutChanged(ts_ns=1, lockout="VOLATILITY", until_ns=9, reason="ATR"))
        player._note(events.LockoutChanged(ts_ns=2, lockout="EVENT", until_ns=9, reason="FOMC"))
        assert [(one.lockout, one.until_ns) for one in player.facts.carried.locks] == [(Lockout.VOLATILITY, 9)]
        player._note(events.LockoutChanged(ts_ns=3, lockout="VOLATILITY", until_ns=0, reason="over"))
        assert player.facts.carried.locks == ()


class TestReentry:
    @pytest.mark.parametrize(("price", "pause_s"), [(24_004, 60), (23_993, 180), (24_003, 180)])
    def test_a_template_and_side_pause_after_an_exit(self, world, price, pause_s):
        """From 24 001; longer after a loss. Three ticks less commission are 1.25 dollars, two are nothing."""
        world.hold(1)
        world.fill(Leg.TARGET, Side.SELL, 1, price)
        world.position(0)
        assert reason(world, episode=5) == "REENTRY_COOLDOWN"
        assert reason(world, episode=5, side=-1) == "ENTER"
        world.cancelled(next(iter(world.state.entries)))
        end_ns = START_NS + pause_s * NS_PER_S
        until(world, end_ns - 1)
        assert reason(world, episode=6) == "REENTRY_COOLDOWN"
        world.quote(end_ns)
        assert reason(world, episode=7) == "ENTER"

    def test_another_template_does_not_pause(self):
        world = World(E1=eager_template(), E2=eager_template())
        world.state.cooldowns["E1", 1] = START_NS + NS_PER_MIN
        assert reason(world, template=0) == "REENTRY_COOLDOWN"
        assert reason(world, template=1) == "ENTER"

    def test_facts_pause_as_well(self, world):
        world.hold(1)
        world.fill(Leg.STOP, Side.SELL, 1, 23_992)
        outcome = only(world.records, TradeClosed).outcome
        fresh = world.machine.restarted(world.documents, Facts(outcomes=[outcome]))
        assert isinstance(fresh, Machine)
        assert fresh.state.cooldowns == {("E1", 1): START_NS + 180 * NS_PER_S}


class TestSetups:
    def test_one_entry_for_each_episode(self, world):
        self.filled(world, episode=4)
        world.state.cooldowns.clear()
        assert reason(world, episode=4) == "SETUP_USED"
        assert reason(world, episode=5) == "ENTER"

    def test_an_entry_that_never_filled_may_be_tried_again(self, world):
        placed = only(world.fire(candidate(episode=4)), PlaceOrder)
        world.cancelled(placed.order.order_id)
        world.quote(START_NS + 2 * NS_PER_S)
        assert reason(world, episode=4) == "ENTER"

    def test_after_a_price_gap_the_numbers_begin_anew(self, world):
        self.filled(world, episode=4)
        world.state.cooldowns.clear()
        world.fire(code=Outcome.GAP)
        assert reason(world, episode=4) == "ENTER"

    @staticmethod
    def filled(world, episode):
        order = only(world.fire(candidate(episode=episode)), PlaceOrder).order
        for leg, side, price in ((Leg.ENTRY, Side.BUY, order.limit_ticks), (Leg.TARGET, Side.SELL, 24_012)):
            world.apply(
                OrderFilled(
                    ts_ns=world.now_ns,
                    order_id=order.order_id,
                    leg=leg,
                    side=side,
                    qty=1,
                    price_ticks=price,
                    remaining=0,
                    final=True,
                    commission_uusd=1_250_000,
                    exec_id=leg.value,
                    hypothetical=True,
                )
            )
        world.quote(world.now_ns + 2 * NS_PER_S)


class TestVeto:
    @staticmethod
    def world(**limits):
        veto = VetoConfig(title="v", signal="spread_ticks", blocks=("E1",), **limits)
        return World(docs=msgspec.structs.replace(plain_documents(), vetoes={"V1": veto}))

    @pytest.mark.parametrize(
        ("limits", "answer"),
        [({"max": 1.0}, "ENTER"), ({"max": 0.5}, "VETO"), ({"min": 1.0}, "ENTER"), ({"min": 1.5}, "VETO")],
    )
    def test_it_is_met_within_its_limits(self, limits, answer):
        """The spread is one tick."""
        assert reason(self.world(**limits)) == answer

    def test_a_signal_without_a_value_does_not_meet_it(self):
        world = World(docs=self.world(max=9.0).documents, ready=False)
        assert surroundings.vetoes(world.state) == (("E1", "V1"),)


@cache
def with_event(kind="release", tier=2, **changes):
    calendar = EventCalendar(
        source="test",
        checked=20_261_121,
        covers_from=20_260_101,
        covers_to=20_261_231,
        events=(ScheduledEvent(name="PMI", kind=EventKind(kind), ts_ns=EVENT_NS, tier=tier),),
    )
    return msgspec.structs.replace(plain_documents(), events=msgspec.structs.replace(calendar, **changes))


class TestEvents:
    def test_its_window_stops_entries_and_withdraws_those_that_work(self):
        world = World(docs=with_event())
        start_ns, end_ns = EVENT_NS - 2 * NS_PER_MIN, EVENT_NS + 5 * NS_PER_MIN
        until(world, start_ns - NS_PER_S)
        placed = world.place()
        records = world.quote(start_ns)
        assert changes(records) == [("EVENT", end_ns)]
        assert [one.order_id for one in of(records, CancelOrder)] == [placed.order.order_id]
        world.cancelled(placed.order.order_id)
        assert world.state.entry_mask == 0
        assert locking.lockout_lines(world.state, start_ns) == ("EVENT until 2026-11-25T15:05:00.000000000Z (PMI)",)
        assert reason(world, episode=2) == "EVENT_BLACKOUT"
        until(world, end_ns - 1)
        assert reason(world, episode=3) == "EVENT_BLACKOUT"
        assert changes(world.quote(end_ns)) == [("EVENT", 0)]
        assert world.state.entry_mask
        decision = only(world.fire(candidate(episode=4)), events.DecisionMade)
        assert (decision.reason, decision.modifiers) == ("ENTER", ("EVENT +0.50",))

    def test_a_late_timer_still_tells_what_it_missed(self):
        """A live clock fires late: by a moment, or by more than the window."""
        world = World(docs=with_event())
        start_ns, end_ns = EVENT_NS - 2 * NS_PER_MIN, EVENT_NS + 5 * NS_PER_MIN
        late = events.TimerFired(ts_ns=start_ns + 3_000_000, name="event", due_ns=start_ns)
        assert changes(world.apply(late)) == [("EVENT", end_ns)]
        world = World(docs=with_event())
        late = events.TimerFired(ts_ns=end_ns + 1, name="event", due_ns=start_ns)
        assert changes(world.apply(late)) == [("EVENT", end_ns), ("EVENT", 0)]

    def test_a_position_stays_for_tier_two(self):
        world = World(docs=with_event())
        world.hold(1)
        assert not of(until(world, EVENT_NS), PlaceExit)

    def test_before_tier_one_it_goes_by_a_timer_and_not_by_a_tick(self):
        world = World(docs=with_event(tier=1))
        begin_ns = EVENT_NS - 150 * NS_PER_S
        world.hold(1)
        until(world, begin_ns - NS_PER_S)
        records = world.advance(begin_ns)
        assert "EVENT_FLATTEN" in alerts(records)
        # The target is withdrawn first; its answer brings the exit, long before the two minutes.
        records += world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=(9_000, 0), leg=Leg.TARGET))
        assert only(records, PlaceExit).side is Side.SELL

    def test_a_late_fill_before_tier_one_goes_as_well(self):
        world = World(docs=with_event(tier=1))
        until(world, EVENT_NS - 140 * NS_PER_S)
        assert {one.plan for one in of(world.hold(1, protected=False), FlattenAdvanced)} == {"STOP"}

    @pytest.mark.parametrize(("required", "answer"), [("always", "EVENT_CALENDAR_STALE"), ("live", "ENTER")])
    def test_a_stale_calendar_stops_entries_where_it_is_required(self, required, answer):
        docs = with_event(checked=20_261_117)  # eight days before
        config = msgspec.convert(
            msgspec.to_builtins(docs.config) | {"events": {"required": required}}, type(docs.config)
        )
        world = World(docs=msgspec.structs.replace(docs, config=config))
        assert reason(world) == answer
        assert ("EVENT_CALENDAR_STALE" in alerts(world.records)) is (answer != "ENTER")
        assert bool(world.state.entry_mask) is False

    def test_seven_days_are_current(self):
        docs = with_event(checked=20_261_118)
        config = msgspec.convert(
            msgspec.to_builtins(docs.config) | {"events": {"required": "always"}}, type(docs.config)
        )
        assert reason(World(docs=msgspec.structs.replace(docs, config=config))) == "ENTER"


class TestModifiers:
    @pytest.mark.parametrize(
        ("at_ns", "names"),
        [
            (START_NS, ()),
            (OPEN_NS + 2 * NS_PER_HOUR, ("LUNCH +0.25",)),  # 11:30 to 13:30
            (OPEN_NS + 4 * NS_PER_HOUR - NS_PER_S, ("LUNCH +0.25",)),
            (OPEN_NS + 4 * NS_PER_HOUR, ()),
            (OPEN_NS + 6 * NS_PER_HOUR, ("LATE +0.25",)),  # entries end at 15:45
            (OPEN_NS + 6 * NS_PER_HOUR - NS_PER_S, ()),
        ],
    )
    def test_the_time_of_the_session(self, at_ns, names):
        world = World(start_ns=at_ns)
        decision = only(world.fire(candidate()), events.DecisionMade)
        assert (decision.reason, decision.modifiers) == ("ENTER", names)

    def test_what_other_templates_hold(self):
        world = World(E1=eager_template(), E2=eager_template(), E3=eager_template(on=False))
        world.quotes(START_NS + NS_PER_S, START_NS + 3 * NS_PER_S)
        world.quote(START_NS + 4 * NS_PER_S, bid_qty=40, ask_qty=5)
        assert surroundings.holds(world.state) == (1, 1, 0)
        world.quote(START_NS + 60 * NS_PER_S, bid_qty=5, ask_qty=40)
        assert surroundings.holds(world.state) == (-1, -1, 0)
