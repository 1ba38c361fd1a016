"""SF11: what only a person ends is ended by a person, with a reason: from the file that is left to the trip."""

import json

import msgspec
import pytest

from tests.core.handler_world import World, of, only
from tests.engines.cases import candidate
from trading_bot.core import breaking
from trading_bot.core.breaker_requests import CLEAR_FILE, ask_to_clear, take_clear
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, LatchKillSwitch, PlaceOrder
from trading_bot.domain.trade_events import BreakerChanged, BreakerClearRequested

USD = 1_000_000


def standing(world):
    return {trip.breaker.value for trip in world.state.breakers.trips}


def drawn_down():
    """15 % below a peak of 12 000: at 10 000 of equity it is 16.7 %."""
    world = World()
    world.state.account = msgspec.structs.replace(world.state.account, peak_uusd=12_000 * USD)
    breaking.mark(world.state, world.now_ns)
    assert "DRAWDOWN_HALT" in standing(world)
    return world


def cleared(world, breaker, reason="new plan"):
    return world.apply(BreakerClearRequested(ts_ns=world.now_ns, breaker=breaker, reason=reason, source="cli"))


def test_a_person_accepts_the_drawdown_and_trading_goes_on():
    world = drawn_down()
    assert not of(world.fire(candidate()), PlaceOrder)
    results = cleared(world, "DRAWDOWN_HALT")
    changed = next(row for row in of(results, BreakerChanged) if row.breaker == "DRAWDOWN_HALT")
    assert (changed.tripped, changed.reason) == (False, "new plan (cli)")
    assert world.state.account.peak_uusd == 10_000 * USD
    assert "DRAWDOWN_HALT" not in standing(world)
    # What a process that begins cold would know of it.
    ledger = msgspec.msgpack.decode(changed.ledger)
    assert ledger["account"]["peak_uusd"] == 10_000 * USD
    assert of(world.fire(candidate(episode=2)), PlaceOrder)


@pytest.mark.parametrize(
    ("breaker", "reason", "said"),
    [
        ("DRAWDOWN_HALT", " ", "needs a reason"),
        ("DAILY_OUTER", "x", "DAILY_OUTER is not tripped; tripped are: DRAWDOWN_ALERT, DRAWDOWN_HALT"),
        ("DRAWDOWN_ALERT", "x", "not by a person"),
        ("NONSENSE", "x", "there is no breaker NONSENSE"),
    ],
)
def test_what_cannot_be_cleared_is_said_and_stays(breaker, reason, said):
    world = drawn_down()
    before = (standing(world), world.state.account)
    alert = only(cleared(world, breaker, reason), Alert)
    assert (alert.level, alert.code) == ("warning", "BREAKER_NOT_CLEARED")
    assert said in alert.text
    assert (standing(world), world.state.account) == before


def test_the_switch_and_the_breaker_that_pulled_it_are_cleared_together():
    """DAILY_OUTER outlives its day; the person who clears the switch has seen it."""
    world = World()
    world.state.account = msgspec.structs.replace(world.state.account, gross_uusd=-500 * USD)
    assert only(breaking.mark(world.state, world.now_ns), LatchKillSwitch)
    clearing = events.KillCleared(ts_ns=world.now_ns, reason="seen", source="cli")
    # While the loss of the day lasts it pulls the switch again.
    assert only(world.apply(clearing), LatchKillSwitch).source == "breaker"
    assert {"DAILY_OUTER", "DAILY_HALT"} <= standing(world)
    world.state.account = msgspec.structs.replace(world.state.account, gross_uusd=0)
    assert not of(world.apply(clearing), LatchKillSwitch)
    assert "DAILY_OUTER" not in standing(world)
    assert world.state.kill_reason is None


class TestTheFile:
    def test_what_another_process_left_is_taken_once(self, tmp_path):
        ask_to_clear(tmp_path, "DRAWDOWN_HALT", "new plan", "cli")
        desk = OperatorDesk(tmp_path)
        asked = desk.poll(7)
        assert asked == BreakerClearRequested(ts_ns=7, breaker="DRAWDOWN_HALT", reason="new plan", source="cli")
        desk.look_soon()
        assert desk.poll(8) is None
        assert not (tmp_path / CLEAR_FILE).exists()
        told = [json.loads(line)["event"] for line in (tmp_path / "logs" / "operator.jsonl").read_text().splitlines()]
        assert told == ["clear_breaker_asked", "clear_breaker_taken"]

    def test_before_the_run_has_begun_it_waits(self, tmp_path):
        ask_to_clear(tmp_path, "DRAWDOWN_HALT", "x", "cli")
        assert OperatorDesk(tmp_path).poll(0) is None
        assert (tmp_path / CLEAR_FILE).exists()

    @pytest.mark.parametrize("content", [b"", b"DRAWDOWN_HALT", b"[]", b'{"breaker": 5}', b"\xff\xfe", b"{" * 100_000])
    def test_a_file_that_is_no_request_clears_nothing(self, tmp_path, content):
        (tmp_path / CLEAR_FILE).write_bytes(content)
        assert take_clear(tmp_path, 1) == (None, None)
        assert not (tmp_path / CLEAR_FILE).exists()

    def test_what_cannot_be_read_or_removed_is_not_taken(self, tmp_path):
        (tmp_path / CLEAR_FILE).mkdir()
        asked, failure = take_clear(tmp_path, 1)
        assert asked is None
        assert "nothing is cleared" in failure
