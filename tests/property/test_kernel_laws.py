"""Laws of the kernel alone: one batch equals single calls, any chunking and any restart from a snapshot; a mirrored
tape gives the mirrored answers; nothing that follows changes what was.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.configs import T0_NS, kernel_config, random_config, random_template
from tests.property.driver import (
    ANSWERS,
    NEVER_NS,
    Trace,
    call_until_done,
    exact,
    new_kernel,
    outputs,
    play_chunks,
    play_run,
    play_single,
    records,
)
from tests.property.tapes import INPUTS, Call, TapeMaker, history, hostile_tape, mirror
from trading_bot._fast.hotpath import HotPath
from trading_bot.domain.kernel import KernelConfig
from trading_bot.domain.signal_registry import SIGNALS

NS_PER_HOUR = 3_600 * 10**9
seeds = st.integers(min_value=0, max_value=2**32)


def scenario(seed: int, count: int, *, controls: bool = True) -> tuple[KernelConfig, list[Call]]:
    config = random_config(random.Random(seed))
    calls = hostile_tape(seed, count, templates=len(config.templates))
    return config, calls if controls else [call for call in calls if call[0] in INPUTS]


class TestBatching:
    @given(seed=seeds, data=st.data())
    @settings(print_blob=False)
    def test_one_batch_equals_single_calls_and_any_chunking(self, seed: int, data: st.DataObject) -> None:
        config, calls = scenario(seed, 250)
        cuts = data.draw(st.lists(st.integers(0, len(calls)), max_size=20), label="cuts")
        single, batch, chunks = new_kernel(config), new_kernel(config), new_kernel(config)
        expected = play_single(single, calls)
        assert play_chunks(batch, calls, []) == expected
        assert play_chunks(chunks, calls, cuts) == expected
        assert single.snapshot() == batch.snapshot() == chunks.snapshot()

    @given(seed=seeds, data=st.data())
    @settings(print_blob=False)
    def test_deadlines_only_run_grid_points_early(self, seed: int, data: st.DataObject) -> None:
        """Stopping at deadlines runs grid points the next record would have run: the outcomes are the same."""
        config, calls = scenario(seed, 250, controls=False)
        times = sorted(
            data.draw(st.lists(st.sampled_from([c[1][0] for c in calls]), min_size=1, max_size=5), label="deadlines")
        )
        plain, stopped = new_kernel(config), new_kernel(config)
        buffer, at = records(calls), 0
        trace: Trace = []
        for deadline_ns in [*times, NEVER_NS]:
            while True:
                at, code = stopped.run(buffer, at, deadline_ns)
                if not code:
                    break
                trace.append((code, stopped.now_ns, stopped.candidates()))
            assert at == len(calls) or calls[at][1][0] >= deadline_ns
        expected = [(row[1], row[2], row[5]) for row in play_run(plain, calls)]
        assert trace == expected
        assert stopped.snapshot() == plain.snapshot()

    def test_run_stops_before_the_deadline_and_runs_the_grid_up_to_it(self) -> None:
        config, t = kernel_config(), T0_NS
        calls: list[Call] = [
            ("on_quote", (t, 100, 1, 101, 1, 0, 0)),
            ("on_quote", (t + 950_000_000, 102, 1, 103, 1, 0, 0)),
        ]
        kernel = new_kernel(config)
        assert kernel.run(records(calls), 0, t) == (0, 0)  # not started: nothing happens at all
        assert kernel.snapshot() == new_kernel(config).snapshot()
        assert kernel.run(records(calls), 0, t + 500_000_000) == (1, 0)
        assert kernel.now_ns == t + 400_000_000  # grid points below the deadline, not at it
        assert kernel.run(records(calls), 1, t + 950_000_000) == (1, 0)
        assert kernel.now_ns == t + 900_000_000
        assert kernel.run(records(calls), 1, t + 950_000_001) == (2, 0)
        assert kernel.now_ns == t + 950_000_000
        assert kernel.run(records(calls), 2, NEVER_NS) == (2, 0)  # the end of the buffer runs no further grid point
        assert kernel.now_ns == t + 950_000_000

    def test_run_reports_an_outcome_between_records_without_consuming(self) -> None:
        t = T0_NS
        calls: list[Call] = [
            ("on_quote", (t, 100, 1, 101, 1, 0, 0)),
            ("on_quote", (t + 60_000_000_000, 100, 1, 101, 1, 0, 0)),
        ]
        kernel = new_kernel(kernel_config())
        at, code = kernel.run(records(calls), 0, NEVER_NS)
        assert (at, code) == (1, 2)  # the age took the band down before the second record
        assert kernel.now_ns == t + 5_100_000_000  # 100 - 10 is still entry; over 5 s: 60, which is hold
        assert kernel.dvs_c == 60


def state_outputs(kernel: HotPath) -> dict[str, Any]:
    return {name: value for name, value in outputs(kernel).items() if name not in ANSWERS}


class TestSnapshot:
    @given(seed=seeds, data=st.data())
    @settings(print_blob=False)
    def test_resuming_from_a_snapshot_at_any_point_changes_nothing(self, seed: int, data: st.DataObject) -> None:
        config, calls = scenario(seed, 250)
        at = data.draw(st.integers(0, len(calls)), label="at")
        plain, before, used = new_kernel(config), new_kernel(config), new_kernel(config)
        play_single(plain, calls[:at])
        expected = play_single(plain, calls[at:])
        play_single(before, calls[:at])
        play_single(used, calls[: at // 2])
        for resumed in (new_kernel(config), used):
            resumed.restore(before.snapshot())
            assert resumed.snapshot() == before.snapshot()
            assert exact(state_outputs(resumed)) == exact(state_outputs(before))
            assert play_single(resumed, calls[at:]) == expected
            assert resumed.snapshot() == plain.snapshot()
            assert exact(state_outputs(resumed)) == exact(state_outputs(plain))

    def test_a_snapshot_of_another_layout_or_length_is_refused(self) -> None:
        kernel = new_kernel(kernel_config())
        good = kernel.snapshot()
        for bad in (b"", good[:-1], good + b"\0", bytes([good[0] ^ 1]) + good[1:]):
            with pytest.raises(Exception, match=r"(?i)snapshot|layout"):
                kernel.restore(bad)
        assert kernel.snapshot() == good

    def test_equal_states_have_equal_bytes(self) -> None:
        config, calls = scenario(8, 400)
        one, two = new_kernel(config), new_kernel(config)
        play_single(one, calls)
        play_single(two, calls)
        assert one.snapshot() == two.snapshot()


def negated(value: float | None) -> float | None:
    return None if value is None else -value


def mirror_config(rng: random.Random) -> KernelConfig:
    return random_config(rng, templates=rng.choice([1, 4, 8]))


def sane_history(seed: int) -> list[Call]:
    return [call for call in history(random.Random(seed)) if call[1][3] > 0 and call[1][5] >= 0]


class TestMirror:
    @given(seed=seeds)
    @settings(print_blob=False)
    def test_a_mirrored_tape_swaps_long_and_short(self, seed: int) -> None:
        config = mirror_config(random.Random(seed))
        maker = TapeMaker(seed, templates=len(config.templates), mirrored=True)
        plain, image = new_kernel(config), new_kernel(config)
        for index, call in enumerate(sane_history(seed) + maker.calls(250)):
            codes = zip(call_until_done(plain, call), call_until_done(image, mirror(call)), strict=False)
            for code, code_image in codes:
                assert code == code_image, f"seed {seed}, call {index} {call}"
                self.assert_mirrored(plain, image, f"seed {seed}, call {index} {call}")

    @staticmethod
    def assert_mirrored(plain: HotPath, image: HotPath, where: str) -> None:
        a, b = outputs(plain), outputs(image)
        for spec in SIGNALS:
            expected = a["signals"][spec.name]
            expected = negated(expected) if spec.parity == "odd" else expected
            assert b["signals"][spec.name] == expected, f"{where}: {spec.name}"
        assert len(a["candidates"]) == len(b["candidates"]), where
        for one, other in zip(a["candidates"], b["candidates"], strict=True):
            assert {f: getattr(one, f) for f in one.__struct_fields__} | {"side": -one.side} == {
                f: getattr(other, f) for f in other.__struct_fields__
            }, where
        for belief, swapped in zip(a["beliefs"], b["beliefs"], strict=True):
            os, es, d, z_long, z_short, long, short, missing = belief
            assert (negated(os), es, d, z_short, z_long, short, long, missing) == tuple(swapped), where
        for name in ("now_ns", "dvs_c", "dvs_band", "exit_mask", "penalties"):
            assert a[name] == b[name], f"{where}: {name}"


class TestNoLookAhead:
    @given(seed=seeds, other=seeds, data=st.data())
    @settings(print_blob=False)
    def test_what_follows_changes_nothing_before_it(self, seed: int, other: int, data: st.DataObject) -> None:
        config, calls = scenario(seed, 200, controls=False)
        at = data.draw(st.integers(1, len(calls) - 1), label="at")
        last = max(args[0] for _, args in calls[:at])
        futures = (
            [call for call in calls[at:] if call[1][0] > last],
            [(name, (args[0] - T0_NS + last + NS_PER_HOUR, *args[1:])) for name, args in TapeMaker(other).calls(50)],
            [],
        )
        seen = [self.seen_until(new_kernel(config), calls[:at] + future, last) for future in futures]
        assert seen[0] == seen[1] == seen[2]

    @staticmethod
    def seen_until(kernel: HotPath, calls: Sequence[Call], last_ns: int) -> tuple[object, ...]:
        """Everything shown at each outcome up to `last_ns`, with the records of the future already in the buffer."""
        buffer, at, rows = records(calls), 0, []
        while True:
            at, code = kernel.run(buffer, at, last_ns + 1)
            rows.append((at, code, exact(outputs(kernel))))
            if not code:
                return (*rows, kernel.snapshot())

    @given(seed=seeds)
    @settings(print_blob=False, max_examples=20)
    def test_a_bar_signal_is_prior_to_its_own_minute(self, seed: int) -> None:
        """Within a minute nothing a trade does changes a bar signal; only the close does."""
        config = kernel_config(templates=(random_template(random.Random(seed), 0),))
        kernel = new_kernel(config)
        bars = {spec.name for spec in SIGNALS if spec.cadence == "bar"}
        minute, before = -1, None
        for call in hostile_tape(seed, 200):
            for _ in call_until_done(kernel, call):
                now = kernel.now_ns // 60_000_000_000
                values = {name: exact(kernel.signals()[name]) for name in bars}
                if now == minute and call[0] != "on_gap" and before is not None and kernel.now_ns:
                    assert values == before, f"seed {seed}, call {call}"
                minute, before = now, values
