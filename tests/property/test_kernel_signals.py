"""Signals against their registry rows: same names and ids, inside their range."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.configs import kernel_config
from tests.property.driver import call_until_done, new_kernel
from tests.property.tapes import hostile_tape
from trading_bot.domain.signal_registry import SIGNAL_SLOTS, SIGNALS


def test_the_kernel_has_the_signals_of_the_registry() -> None:
    kernel = new_kernel(kernel_config())
    assert list(kernel.signals()) == [spec.name for spec in SIGNALS]
    known = {spec.id: spec.name for spec in SIGNALS}
    for call in hostile_tape(4, 300):
        for _ in call_until_done(kernel, call):
            pass
    by_name = kernel.signals()
    for signal_id in range(-1, SIGNAL_SLOTS + 1):
        if signal_id in known:
            assert kernel.signal(signal_id) == by_name[known[signal_id]]
        else:
            with pytest.raises(ValueError, match="signal"):
                kernel.signal(signal_id)


@given(seed=st.integers(0, 2**32))
@settings(print_blob=False)
def test_signals_stay_inside_their_registered_range(seed: int) -> None:
    kernel = new_kernel(kernel_config())
    for index, call in enumerate(hostile_tape(seed, 300)):
        for _ in call_until_done(kernel, call):
            values = kernel.signals()
            for spec in SIGNALS:
                value = values[spec.name]
                if value is None:
                    continue
                where = f"seed {seed}, call {index} {call}: {spec.name} = {value}"
                assert spec.low is None or value >= spec.low, where
                assert spec.high is None or value <= spec.high, where
