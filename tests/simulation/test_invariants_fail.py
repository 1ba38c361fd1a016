"""Each invariant can fail: the core is broken in one place, and the simulation says which law it broke."""

from types import SimpleNamespace

import msgspec
import pytest

from trading_bot.core import (
    after_fill,
    control,
    exit_watch,
    flattening,
    learning_desk,
    leaving,
    on_fill,
    on_orders,
    on_outcome,
    on_session,
    position_invariants,
    run_invariants,
)
from trading_bot.core import machine as machine_module
from trading_bot.domain.trade_events import BreakerChanged, FlattenAdvanced
from trading_bot.engines.session import SessionState
from trading_bot.research import simulate

SEED, MINUTES = 15, 100  # one lot, feed faults, over the close


def part(world):
    """Its last hundred minutes without the faults, and a kill near their end."""
    day_close = world.end_ns - world.end_ns % 60_000_000_000
    start_ns = max(world.start_ns, day_close - MINUTES * 60_000_000_000)
    part_ns = world.end_ns - start_ns
    operator = ((start_ns + part_ns * 9 // 10, "kill"),)
    return msgspec.structs.replace(world, start_ns=start_ns, duration_ns=part_ns, faults=(), operator=operator)


def replaced(owner, name, change):
    def breaks(monkeypatch):
        monkeypatch.setattr(owner, name, change(getattr(owner, name)))

    return breaks


def loosened(_):
    return lambda inputs, _: inputs.stop_ticks - inputs.sign


def longer(real):
    return lambda **fields: real(**fields | {"naked_ns": fields["naked_ns"] + 1})


def free(real):
    return lambda account, realised, _, tick: real(account, realised, 0, tick)


def one_more(real):
    return lambda position, side, qty, price, ts: real(position, side, qty + 1, price, ts)


def unchecked(breaks):
    """Without the core's own check after each fill, which ends such a run at once."""

    def both(monkeypatch):
        breaks(monkeypatch)
        monkeypatch.setattr(after_fill, "check_fill", forgetful(None))

    return both


def forgetful(_):
    return lambda *_: []


def early(real):
    return lambda self, now_ns: msgspec.structs.replace(real(self, now_ns), due_ns=1)


def one_less(real):
    def apply(self, event, seq, *leave):
        results = real(self, event, seq, *leave)
        self.timers.pop(("session", None), None)
        return results

    return apply


BROKEN = [
    ("stops_only_tighten", replaced(exit_watch, "tightened_stop", loosened)),
    ("naked_time_is_measured_and_bounded", replaced(on_orders, "StopResident", longer)),
    ("money_adds_up", replaced(on_fill, "with_fill", free)),
    ("learning_is_what_was_recorded", replaced(learning_desk, "learn", forgetful)),
    ("exits_leave_what_is_open", replaced(leaving, "PlaceExit", lambda real: lambda **f: real(**f | {"qty": 2}))),
    ("timers_fire_when_armed", replaced(machine_module.Machine, "due_timer", early)),
    ("scores_are_in_range", replaced(control.quality, "eqs_c", lambda real: lambda *a: real(*a) - 1)),
    ("order_table_is_followed", replaced(on_session, "cancel_entry", lambda _: lambda *_: [])),
    ("entries_pass_every_gate", replaced(on_outcome, "_session_now", lambda _: lambda *_: SessionState.ENTRIES)),
    ("timers_are_told", replaced(machine_module.Machine, "apply", one_less)),
    ("kill_is_final", replaced(flattening, "HALTED_EXIT_CODE", lambda _: 0)),
    ("exchange_agrees", unchecked(replaced(on_fill, "apply_fill", one_more))),
    ("position_is_the_sum_of_fills", replaced(on_fill, "apply_fill", one_more)),
]


@pytest.mark.parametrize(("invariant", "breaks"), [pytest.param(*row, id=row[0]) for row in BROKEN])
def test_a_broken_core_is_found(monkeypatch, invariant, breaks):
    breaks(monkeypatch)
    assert invariant in violated()


def violated():
    return simulate.simulate(SEED, change=part).violated


CLOSE_NS = 21 * 3600 * 10**9


def moment(**changes):
    """A quiet moment a second after the close, as far as these invariants look."""
    day = SimpleNamespace(rth_open_ns=0, rth_close_ns=CLOSE_NS)
    book = (100, 5, 101, 5)
    kernel = SimpleNamespace(book=lambda: book)
    state = SimpleNamespace(day=day, flatten=None, breakers=SimpleNamespace(trips=()), kernel=kernel)
    facts = SimpleNamespace(
        position=0, tripped=set(), flip_since_ns=None, exit_rejects_ns=[], stop_ticks=None, day_start_uusd=10_000
    )
    for name, value in changes.items():
        setattr(facts, name, value)
    facts.net_uusd = lambda _: changes.get("net_uusd", 0)
    return SimpleNamespace(
        troubled=(),
        late_ns=0,
        machine=SimpleNamespace(state=state),
        facts=facts,
        event=SimpleNamespace(ts_ns=CLOSE_NS + 10**9),
        results=changes.get("results", ()),
        before_ns=CLOSE_NS - 1,
        was_flat=False,
    )


def tripped(breaker):
    fields = {"response": "HALT", "tripped": True, "resumes_at_ns": 0, "reason": "test", "ledger": b""}
    return BreakerChanged(ts_ns=CLOSE_NS, breaker=breaker, **fields)


def step(name, before_s):
    fields = {"plan": "SESSION", "command": "", "qty": 0, "reason": "test"}
    return FlattenAdvanced(ts_ns=CLOSE_NS - before_s * 10**9, step=name, **fields)


@pytest.mark.parametrize(
    ("invariant", "right", "wrong"),
    [
        pytest.param(run_invariants.flat_at_the_close, {"position": 0}, {"position": 1}, id="flat at the close"),
        pytest.param(
            run_invariants.flatten_steps_come_in_order_and_time,
            {"results": (step("MARKET", 240), step("KILL", 60))},
            {"results": (step("MARKET", 241),)},
            id="ladder: the market order at T-4:00",
        ),
        pytest.param(
            run_invariants.a_profit_trips_no_breaker,
            {"results": (tripped("DAILY_HALT"),), "net_uusd": -300},
            {"results": (tripped("DAILY_HALT"),), "net_uusd": 300},
            id="a profit",
        ),
        pytest.param(run_invariants.breakers_are_told, {}, {"tripped": {"DAILY_HALT"}}, id="breakers"),
        pytest.param(
            position_invariants.a_flip_is_left_at_once,
            {"flip_since_ns": CLOSE_NS - 10 * 10**9, "position": 1},
            {"flip_since_ns": CLOSE_NS - 40 * 10**9, "position": 1},
            id="flip",
        ),
    ],
)
def test_one_that_few_runs_could_break(invariant, right, wrong):
    assert list(invariant(moment(**right))) == []
    assert list(invariant(moment(**wrong)))


def test_an_unbroken_one_is_not():
    assert violated() == {}
