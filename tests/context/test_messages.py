"""SG10 in the core: a message is a weight, a level or a lockout while it lives, and nothing afterwards."""

import msgspec
import pytest

from tests.core.handler_world import START_NS, World, of, only
from tests.engines.cases import candidate
from trading_bot.core import context_desk
from trading_bot.core.levels_desk import level_rows
from trading_bot.domain.bars import MinuteBar, pack_bars
from trading_bot.domain.config import BotConfig, canonical
from trading_bot.domain.context import ContextChanged, ContextLinesRefused, ContextReceived
from trading_bot.domain.effects import Alert, PlaceOrder
from trading_bot.domain.events import DecisionMade, HistoryLoaded, StateCarried
from trading_bot.domain.reasons import GateReason
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S

CONFIG = {
    "context": {
        "sources": ["news", "gex"],
        "slot_1": "sentiment",
        "slot_3": "vix",
        "levels": ["zero_gamma"],
        "lockouts": ["risk >= 0.5", "liquidity <= 0.1"],
    }
}


def message(name="sentiment", value=0.5, *, ts_ns=START_NS, **changes):
    fields = {
        "source": "news",
        "conviction": 1.0,
        "stamped_ns": ts_ns,
        "time_to_live_ns": 60 * NS_PER_S,
        "where": "test line 1",
    }
    return ContextReceived(ts_ns=ts_ns, name=name, value=value, **fields | changes)


def signal(world, name):
    return world.state.kernel.signal(SIGNAL_BY_NAME[name].id)


@pytest.fixture
def world():
    return World(CONFIG)


class TestWeights:
    @pytest.mark.parametrize(
        ("name", "value", "conviction", "slot", "expected"),
        [
            ("sentiment", -0.8, 0.5, "context_1", -0.4),
            ("sentiment", 3.0, 0.5, "context_1", 1.0),
            ("sentiment", -3.0, 1.0, "context_1", -1.0),
            ("vix", 0.25, 1.0, "context_3", 0.25),
            ("vix", -5.0, 1.0, "context_3", 0.0),  # an even signal has no negative side
        ],
    )
    def test_a_slot_is_value_times_conviction_within_its_range(self, world, name, value, conviction, slot, expected):
        world.apply(message(name, value, conviction=conviction))
        assert signal(world, slot) == expected
        assert signal(world, "context_2") is None

    def test_a_slot_is_empty_from_the_end_of_its_message_on(self, world):
        world.apply(message(time_to_live_ns=60 * NS_PER_S))
        world.advance(START_NS + 60 * NS_PER_S - 1)
        assert signal(world, "context_1") == 0.5
        world.advance(START_NS + 60 * NS_PER_S)
        assert signal(world, "context_1") is None
        assert [change.change for change in of(world.records, ContextChanged)] == ["TAKEN", "EXPIRED"]

    def test_a_newer_message_replaces_the_one_before_and_its_end(self, world):
        world.apply(message(value=0.5))
        world.apply(message(value=-0.5, ts_ns=START_NS + NS_PER_S, time_to_live_ns=5 * NS_PER_S, source="gex"))
        assert signal(world, "context_1") == -0.5
        world.advance(START_NS + 6 * NS_PER_S)
        assert signal(world, "context_1") is None, "the older one does not come back"

    def test_a_stamp_ahead_of_the_market_buys_no_longer_life(self, world):
        world.apply(message(stamped_ns=START_NS + NS_PER_S, time_to_live_ns=10 * NS_PER_S))
        world.advance(START_NS + 10 * NS_PER_S)
        assert signal(world, "context_1") is None


class TestLevels:
    def test_a_price_is_a_level_with_the_conviction_as_weight(self):
        """The close is 23 975; 5 989.1 points are nearest to 23 956 ticks, within a point of the round 5 990."""
        world = World(CONFIG, ready=False)
        bars = [MinuteBar(START_NS - 10 * NS_PER_MIN, 23_975, 23_975, 23_975, 23_975, 1, 23_975)]
        world.apply(HistoryLoaded(ts_ns=START_NS, source="test", count=1, bars=pack_bars(bars)))
        above = 0.6 * (1 - 25 / 40)
        before = signal(world, "level_bias")
        assert before == pytest.approx((0.6 * (1 - 15 / 40) - above) / 2.4, abs=2e-6)
        world.apply(message("zero_gamma", 5_989.1, conviction=0.9, source="gex"))
        row = level_rows(world.state)[0]
        assert (row["name"], row["price_points"], row["weight"]) == ("CTX:zero_gamma+R5990", 5_989.0, 0.9)
        assert signal(world, "level_bias") == pytest.approx((0.9 * (1 - 19 / 40) - above) / 2.4, abs=2e-6)
        world.advance(START_NS + 60 * NS_PER_S)
        assert [row["name"] for row in level_rows(world.state)] == ["R5990", "R6000"]
        assert signal(world, "level_bias") == before

    @pytest.mark.parametrize("price", [0.0, -5_000.0, 2e6])
    def test_a_level_is_a_price(self, world, price):
        refused = only(world.apply(message("zero_gamma", price)), ContextChanged)
        assert refused.change == "REFUSED"


class TestLockouts:
    @pytest.mark.parametrize(
        ("name", "value", "locks"),
        [("risk", 0.5, True), ("risk", 0.49, False), ("liquidity", 0.1, True), ("liquidity", 0.2, False)],
    )
    def test_entries_stop_while_the_value_is_beyond_its_threshold(self, world, name, value, locks):
        world.apply(message(name, value, conviction=0.1))
        results = world.fire(candidate())
        assert (only(results, DecisionMade).reason == GateReason.LOCKOUT_CONTEXT.name) is locks
        assert bool(of(results, PlaceOrder)) is not locks

    def test_it_ends_with_the_message_and_both_are_told(self, world):
        told = of(world.apply(message("risk", 1.0)), Alert)
        assert [(alert.level, alert.code) for alert in told] == [("warning", "CONTEXT_LOCKOUT")]
        assert "risk >= 0.5" in told[0].text
        told = [alert for alert in of(world.advance(START_NS + 60 * NS_PER_S), Alert) if "CONTEXT" in alert.code]
        assert [(alert.level, alert.code) for alert in told] == [("info", "CONTEXT_LOCKOUT")]
        assert context_desk.lockouts_now(world.state) == ()

    def test_it_ends_with_a_newer_message_that_does_not_lock(self, world):
        world.apply(message("risk", 1.0))
        world.apply(message("risk", 0.0, ts_ns=START_NS + NS_PER_S))
        assert context_desk.lockouts_now(world.state) == ()


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"source": "stranger"}, "context.sources: news, gex"),
            ({"name": "mood"}, "slot_1"),
            ({"value": float("inf")}, "a number"),
            ({"value": float("nan")}, "a number"),
            ({"conviction": 1.5}, "0 to 1"),
            ({"conviction": -0.1}, "0 to 1"),
            ({"time_to_live_ns": 0}, "at most 345600"),
            ({"time_to_live_ns": 345_601 * NS_PER_S}, "at most 345600"),
            ({"stamped_ns": START_NS + 2_001_000_000}, "at most 2000 ms after"),
            ({"stamped_ns": START_NS - 60 * NS_PER_S}, "before it came"),
            ({"stamped_ns": 0}, "before it came"),
        ],
    )
    def test_a_message_that_cannot_be_meant_is_refused_with_its_reason(self, world, changes, said):
        results = world.apply(msgspec.structs.replace(message(), **changes))
        refused = only(results, ContextChanged)
        assert refused.change == "REFUSED"
        assert said in refused.text
        assert "test line 1" in only(results, Alert).text
        assert signal(world, "context_1") is None

    def test_one_that_is_older_than_the_newest_is_refused(self, world):
        world.apply(message(value=0.5))
        refused = only(world.apply(message(value=0.9, stamped_ns=START_NS - 1)), ContextChanged)
        assert (refused.change, signal(world, "context_1")) == ("REFUSED", 0.5)
        world.advance(START_NS + 60 * NS_PER_S)
        late = message(
            value=0.9, ts_ns=START_NS + 61 * NS_PER_S, stamped_ns=START_NS - 1, time_to_live_ns=100 * NS_PER_S
        )
        assert only(world.apply(late), ContextChanged).change == "REFUSED", "also once the newest has ended"

    def test_a_flood_of_refusals_is_one_alert_a_minute_that_counts_them(self, world):
        alerts = []
        for k in range(90):
            ts_ns = START_NS + k * NS_PER_S
            refused = ContextLinesRefused(ts_ns=ts_ns, where=f"line {k}", found="x", expected="y", count=2)
            alerts += of(world.apply(refused), Alert)
        assert len(alerts) == 2
        assert "120 refused" in alerts[1].text


class TestTime:
    def test_what_lives_is_carried_into_the_next_log_and_ends_there(self, world):
        world.apply(message("risk", 1.0))
        world.apply(message(value=0.5))
        carried = world.state.carried()
        later_ns = START_NS + 30 * NS_PER_S
        other = World(CONFIG, start_ns=later_ns, ready=False)
        other.apply(StateCarried(ts_ns=later_ns, state=canonical(carried)))
        assert context_desk.lockouts_now(other.state) == ("risk >= 0.5",)
        assert signal(other, "context_1") == 0.5
        other.advance(START_NS + 60 * NS_PER_S)
        assert context_desk.lockouts_now(other.state) == ()
        assert signal(other, "context_1") is None

    def test_what_ended_between_two_logs_is_over_at_once(self, world):
        world.apply(message("risk", 1.0))
        carried = world.state.carried()
        later_ns = START_NS + NS_PER_MIN
        other = World(CONFIG, start_ns=later_ns, ready=False)
        other.apply(StateCarried(ts_ns=later_ns, state=canonical(carried)))
        assert context_desk.lockouts_now(other.state) == ()

    def test_the_facts_hold_messages_and_levels(self, world):
        before = world.state.digest()
        world.apply(message())
        assert world.state.facts()["context"]["held"][0]["name"] == "sentiment"
        assert world.state.digest() != before


class TestConfiguration:
    @pytest.mark.parametrize(
        ("context", "said"),
        [
            ({"lockouts": ["risk > 0.5"]}, "NAME >= NUMBER"),
            ({"lockouts": ["risk >= high"]}, "NAME >= NUMBER"),
            ({"lockouts": ["risk >= nan"]}, "NAME >= NUMBER"),
            ({"socket": True}, "context.sources"),
            ({"slot_1": "x", "slot_2": "x"}, "one slot only"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, context, said):
        with pytest.raises(msgspec.ValidationError, match=said):
            msgspec.convert({"context": context}, BotConfig)
