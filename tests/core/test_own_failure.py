"""SF04: an exception that nobody expected, wherever in the loop, is a kill: latched, told, and nothing stays open."""

import ast
import tomllib

import msgspec
import pytest

from tests.core.handler_world import HELD, World
from tests.core.worlds import BUILD, OPEN_NS, ROOT, ListFeed, documents, messages, new_run, wavy_tape
from trading_bot.core import apply as apply_module
from trading_bot.core import emergency, on_outcome
from trading_bot.core.carrier import emergency_stop
from trading_bot.core.operator_desk import NoDesk
from trading_bot.core.replay import replay
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.domain import events
from trading_bot.domain.effects import CancelOrder, PlaceExit
from trading_bot.domain.errors import CoreBug, DataCorrupt
from trading_bot.domain.orders import BrokerOrder, Leg, Side
from trading_bot.domain.units import NS_PER_S

TAPE = wavy_tape(OPEN_NS + 60 * NS_PER_S, 400)


class Latched(NoDesk):
    def __init__(self):
        self.pulled = []

    def latch(self, reason, source):
        self.pulled.append((reason, source))


class BrokenBroker(ShadowBroker):
    def dispatch(self, effect):
        raise AttributeError(f"a bug of the adapter at {type(effect).__name__}")


def raising(error):
    def broken(*_arguments, **_named):
        raise error

    return broken


def in_a_handler(monkeypatch):
    monkeypatch.setitem(apply_module._HANDLERS, events.OrderSuppressed, raising(RuntimeError("boom")))


def in_a_signal(monkeypatch):
    """What a decision is computed from."""
    monkeypatch.setattr(on_outcome, "decision_inputs", raising(ZeroDivisionError("boom")))


def in_the_order_table(monkeypatch):
    """What the core raises on purpose when it has met what must not be."""
    monkeypatch.setitem(apply_module._HANDLERS, events.OrderSuppressed, raising(CoreBug("boom")))


@pytest.mark.parametrize("where", [in_a_handler, in_a_signal, in_the_order_table])
def test_a_raise_in_the_core_is_a_kill(where, tmp_path, monkeypatch):
    where(monkeypatch)
    desk = Latched()
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents(), desk=desk)
    with pytest.raises(CoreBug, match="boom"):
        runner.run()
    assert (runner.ended, runner.exit_reason, runner.exit_code) == (True, "CORE_FAILED", 1)
    assert isinstance(messages(tmp_path / "run")[-1][1], events.CoreFailed)
    assert [source for _, source in desk.pulled] == ["core"]
    assert "boom" in desk.pulled[0][0]
    monkeypatch.undo()
    assert replay(tmp_path / "run", build=BUILD).ok


def test_a_raise_of_an_adapter_is_a_kill(tmp_path):
    """The broker's side raises while it is told what to do, even once the core has failed."""
    desk = Latched()
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents(), desk=desk, broker=BrokenBroker())
    with pytest.raises(CoreBug, match="CancelOrder did not leave"):
        runner.run()
    assert [source for _, source in desk.pulled] == ["core"]
    assert "a bug of the adapter" in desk.pulled[0][0]


def test_a_feed_that_raises_what_it_should_not_is_a_kill(tmp_path):
    desk = Latched()
    runner = new_run(tmp_path / "run", ListFeed(TAPE, error=KeyError("column")), documents(), desk=desk)
    with pytest.raises(CoreBug, match="column"):
        runner.run()
    assert desk.pulled


def test_a_source_that_ends_badly_is_no_bug_of_ours(tmp_path):
    desk = Latched()
    runner = new_run(tmp_path / "run", ListFeed(TAPE, error=DataCorrupt("cut")), documents(), desk=desk)
    runner.run()
    assert (runner.exit_code, desk.pulled) == (6, [])


def test_without_room_in_the_log_the_position_is_left_all_the_same(tmp_path, monkeypatch):
    desk, sent = Latched(), []
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents(), desk=desk)
    monkeypatch.setattr(on_outcome, "decision_inputs", raising(ValueError("boom")))
    append = runner.book.append

    def full(cls, record, cause_seq):
        if isinstance(record, events.CoreFailed):
            raise DataCorrupt("no space left on device")
        return append(cls, record, cause_seq)

    monkeypatch.setattr(runner.book, "append", full)

    def asked(*_):
        sent.append("asked")
        return []

    monkeypatch.setattr("trading_bot.core.carrier.emergency_stop", asked)
    with pytest.raises(CoreBug):
        runner.run()
    assert sent == ["asked"]
    assert "no space left" in desk.pulled[0][0]


@pytest.mark.parametrize(("qty", "side"), [(1, Side.SELL), (-1, Side.BUY)])
def test_what_is_open_is_left_at_the_market(qty, side):
    """Entries and the target withdrawn, the exit joins the stop's group: the stop goes when the exit has filled."""
    world = World()
    world.hold(qty)
    cancel, left = emergency_stop(world.state, world.now_ns)
    assert isinstance(cancel, CancelOrder)
    assert (cancel.order_id, cancel.leg) == (HELD, Leg.TARGET)
    assert isinstance(left, PlaceExit)
    assert (left.order_id, left.side, left.qty, left.limit_ticks, left.cause) == (HELD, side, 1, None, "KILL")


def test_a_working_entry_is_withdrawn():
    world = World()
    placed = world.place()
    (cancel,) = emergency_stop(world.state, world.now_ns)
    assert (cancel.order_id, cancel.leg) == (placed.order.order_id, Leg.ENTRY)


class TestNoSilentExcept:
    """SF05: the linter refuses a blind except and one that passes in silence, everywhere in the product."""

    def test_the_rules_are_on(self):
        lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
        assert lint["select"] == ["ALL"]
        off = set(lint["ignore"])
        for pattern, rules in lint["per-file-ignores"].items():
            off |= set() if pattern.startswith(("tests/", "tools/")) else set(rules)
        assert not off & {"S", "S1", "S110", "S112", "BLE", "BLE001", "E722", "TRY", "SIM105"}

    def test_no_handler_passes_in_silence(self):
        """Also where a comment would switch the rule off: an except that catches everything does something."""
        found = [
            f"{path.name}:{handler.lineno}"
            for path in sorted((ROOT / "src" / "trading_bot").rglob("*.py"))
            for handler in ast.walk(ast.parse(path.read_text()))
            if isinstance(handler, ast.ExceptHandler) and _catches_all(handler) and _only_passes(handler)
        ]
        assert not found

    @pytest.mark.parametrize("text", ["except: pass", "except Exception: ...", "except BaseException as e: pass"])
    def test_one_would_be_found(self, text):
        (handler,) = ast.parse(f"try: f()\n{text}").body[0].handlers
        assert _catches_all(handler)
        assert _only_passes(handler)


def _catches_all(handler):
    return handler.type is None or getattr(handler.type, "id", "") in {"Exception", "BaseException"}


def _only_passes(handler):
    return all(
        isinstance(line, ast.Pass | ast.Continue)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in handler.body
    )


class TestTheBrokersWordAlone:
    """What leaves while the broker has not confirmed zero (specification 8.3: a flip is flattened at once)."""

    STOP = BrokerOrder(
        order_id=(7, 0), leg=Leg.STOP, side=Side.SELL, remaining=1, price_ticks=1, perm_ids=(3,), order_ref="x"
    )

    def sent(self, qty, *orders, exits=0):
        answer = events.Reconciled(ts_ns=9, ok=True, position_qty=qty, working_orders=len(orders), orders=orders)
        return emergency._anew(World().state, 9, answer, exits)

    def test_an_exit_joins_the_group_of_what_protects(self):
        (placed,) = self.sent(1, self.STOP)
        assert (placed.order_id, placed.side, placed.qty, placed.limit_ticks) == ((7, 0), Side.SELL, 1, None)

    def test_a_flip_is_left_under_another_name_each_time(self):
        """An exit that has filled must not be taken for this one: it would never leave."""
        (first,), (second,) = self.sent(1), self.sent(-1, exits=1)
        assert (first.side, second.side) == (Side.SELL, Side.BUY)
        assert first.order_id != second.order_id

    def test_nothing_opens_beside_an_exit_that_works(self):
        exit_ = msgspec.structs.replace(self.STOP, leg=Leg.EXIT)
        assert self.sent(1, self.STOP, exit_) == []

    def test_what_protected_is_withdrawn_when_nothing_is_left(self):
        (gone,) = self.sent(0, self.STOP)
        assert isinstance(gone, CancelOrder)
        assert (gone.order_id, gone.leg) == ((7, 0), Leg.STOP)
