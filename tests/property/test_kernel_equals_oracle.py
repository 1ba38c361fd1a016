"""The compiled kernel equals the plain-Python oracle after every call, bit for bit, on hostile tapes."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.configs import random_config
from tests.property.driver import compare
from tests.property.tapes import hostile_tape
from trading_bot.domain.kernel import TEMPLATES_MAX

SEEDS = range(24)
CALLS_PER_SEED = 2_500


def compare_seed(seed: int, count: int) -> None:
    config = random_config(random.Random(seed))
    compare(config, hostile_tape(seed, count, templates=len(config.templates)), label=f"seed {seed} × {count}")


@pytest.mark.parametrize("seed", SEEDS)
def test_kernel_equals_oracle_on_a_long_hostile_tape(seed: int) -> None:
    compare_seed(seed, CALLS_PER_SEED)


def test_kernel_equals_oracle_with_every_template_slot_used() -> None:
    config = random_config(random.Random(77), templates=TEMPLATES_MAX)
    compare(config, hostile_tape(77, 600, templates=TEMPLATES_MAX), label="seed 77 with all slots")


@given(seed=st.integers(min_value=1_000, max_value=2**32), count=st.integers(min_value=1, max_value=300))
@settings(print_blob=False)  # the failing seed and count are printed, and they are enough
def test_kernel_equals_oracle_on_short_hostile_tapes(seed: int, count: int) -> None:
    compare_seed(seed, count)
