"""Each invariant can fail: the core is broken in one place, and the simulation says which law it broke."""

import msgspec
import pytest

from trading_bot.core import breaking, control, exit_watch, flattening, learning_desk, leaving, on_fill, on_orders
from trading_bot.core import machine as machine_module
from trading_bot.core import on_outcome, on_session, stopping
from trading_bot.domain.effects import ArmTimer, EndRun, PlaceExit
from trading_bot.domain.orders import Side
from trading_bot.engines import budgets, session
from trading_bot.engines.position import Position
from trading_bot.research import simulate

SEED, MINUTES = 15, 100  # one lot, feed faults, over the close


def part(world):
    """From 80 minutes before the close on, without the faults."""
    day_close = world.end_ns - world.end_ns % 60_000_000_000
    start_ns = max(world.start_ns, day_close - MINUTES * 60_000_000_000)
    return msgspec.structs.replace(world, start_ns=start_ns, duration_ns=world.end_ns - start_ns, faults=())


def replaced(owner, name, change):
    def breaks(monkeypatch):
        monkeypatch.setattr(owner, name, change(getattr(owner, name)))

    return breaks


def loosened(real):
    return lambda inputs, rules: inputs.stop_ticks - inputs.sign


def longer(real):
    return lambda **fields: real(**fields | {"naked_ns": fields["naked_ns"] + 1})


def free(real):
    return lambda account, realised, fee, tick: real(account, realised, 0, tick)


def forgetful(real):
    return lambda state, outcome: []


def doubled(real):
    def place(*arguments, **options):
        return [
            msgspec.structs.replace(record, qty=record.qty + 1) if isinstance(record, PlaceExit) else record
            for record in real(*arguments, **options)
        ]

    return place


def early(real):
    return lambda self, now_ns: msgspec.structs.replace(real(self, now_ns), due_ns=1)


def unlimited(real):
    return lambda state, limits, ts_ns: ()


BROKEN = [
    ("stops_only_tighten", replaced(exit_watch, "tightened_stop", loosened)),
    ("naked_time_is_measured_and_bounded", replaced(on_orders, "StopResident", longer)),
    ("money_adds_up", replaced(on_fill, "with_fill", free)),
    ("learning_is_what_was_recorded", replaced(learning_desk, "learn", forgetful)),
    ("exits_leave_what_is_open", replaced(leaving, "PlaceExit", lambda real: lambda **f: real(**f | {"qty": 2}))),
    ("timers_fire_when_armed", replaced(machine_module.Machine, "due_timer", early)),
    ("scores_are_in_range", replaced(control.quality, "eqs_c", lambda real: lambda *a: real(*a) - 1)),
    ("order_table_is_followed", replaced(on_session, "cancel_entry", lambda real: lambda *a: [])),
    (
        "position_is_the_sum_of_fills",
        replaced(on_fill, "apply_fill", lambda real: lambda p, side, qty, price, ts: real(p, side, qty + 1, price, ts)),
    ),
]


@pytest.mark.parametrize(("invariant", "breaks"), [pytest.param(*row, id=row[0]) for row in BROKEN])
def test_a_broken_core_is_found(monkeypatch, invariant, breaks):
    breaks(monkeypatch)
    assert invariant in violated()


def violated():
    return simulate.simulate(SEED, change=part).violated


def test_an_unbroken_one_is_not():
    assert violated() == {}
