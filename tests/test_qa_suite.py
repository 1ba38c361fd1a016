"""The checks the user names; each stands here under its fixed name."""

import random

from tests.property.configs import T0_NS
from tests.property.driver import call_until_done, new_kernel
from tests.property.shipped import shipped_config
from trading_bot.domain.signal_registry import SIGNALS

START_NS = T0_NS + 24 * 3_600 * 10**9  # Tuesday 2024-01-16, 14:30 UTC: the RTH open
MINUTES = 110  # every bar signal is warm after 101, and after a session before this one


class TestSignalEngine:
    def test_signal_bounds(self) -> None:
        """Every signal of the shipped configuration stays inside its declared bounds, and every one gets a value."""
        rng = random.Random(7)
        kernel = new_kernel(shipped_config(20_240_102, name="default.toml"))
        for minute in range(300):  # of the session before: Friday, as New York is shut on the Monday
            price = 20_000 + minute % 7
            opened_ns = T0_NS - 3 * 24 * 3_600 * 10**9 + minute * 60 * 10**9
            assert kernel.on_bar(opened_ns, price, price + 3, price - 2, price + 1, 50 + minute % 11, 20_000 * 50) == 0
        for spec in SIGNALS:
            if spec.cadence == "fed":
                kernel.set_fed(spec.id, 0.5)
        ts, bid, seen = START_NS, 20_000, set()
        while ts < START_NS + MINUTES * 60 * 10**9:
            ts += int(rng.expovariate(1.0) * 400_000_000)
            bid += rng.choice([-1, 0, 0, 0, 1]) + (rng.choice([-20, 20]) if rng.random() < 0.001 else 0)
            ask = bid + rng.choice([1, 1, 1, 2])
            side = rng.choice([0, 1, 2])
            calls = [
                ("on_quote", (ts, bid, rng.randint(0, 80), ask, rng.randint(1, 80), ts - 1_000_000, 0)),
                ("on_trade", (ts, ask if side == 1 else bid, rng.randint(1, 40), side, ts - 1_000_000, 0)),
            ]
            for call in calls:
                for _ in call_until_done(kernel, call):
                    pass
            values = kernel.signals()
            for spec in SIGNALS:
                value = values[spec.name]
                if value is None:
                    continue
                seen.add(spec.name)
                assert spec.low is None or spec.low <= value, f"{spec.name} = {value} at {ts}"
                assert spec.high is None or value <= spec.high, f"{spec.name} = {value} at {ts}"
        assert seen == {spec.name for spec in SIGNALS}
