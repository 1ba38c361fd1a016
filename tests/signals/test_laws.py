"""Laws every row of the registry is held to, each signal a case of its own; a new row without a value here fails."""

from collections import defaultdict
from collections.abc import Sequence

import pytest

from tests.property.driver import NEVER_NS, call_until_done, exact, new_kernel, records
from tests.property.tapes import INPUTS, Call, hostile_tape, mirror
from tests.reference.ref_kernel import RefHotPath
from tests.signals.market import LIVE_FROM, MINUTE, P0, S, history, kernel_config, live
from trading_bot._fast.hotpath import HotPath
from trading_bot.domain.signal_registry import SIGNALS, SignalSpec

Samples = list[dict[str, float | None]]
every_signal = pytest.mark.parametrize("spec", SIGNALS, ids=[spec.name for spec in SIGNALS])


def samples(kernel: HotPath | RefHotPath, calls: Sequence[Call], every: int = 97) -> Samples:
    """All signals at every `every`-th call and at each grid point where a bar closed."""
    found: Samples = []
    for index, call in enumerate(calls):
        for code in call_until_done(kernel, call):
            if code & 32 or index % every == 0:
                found.append(dict(kernel.signals()))
    return [*found, dict(kernel.signals())]


@pytest.fixture(scope="module")
def tape() -> list[Call]:
    return history() + live()


@pytest.fixture(scope="module")
def seen(tape: list[Call]) -> Samples:
    return samples(new_kernel(kernel_config()), tape)


@pytest.fixture(scope="module")
def of_reference(tape: list[Call]) -> Samples:
    return samples(RefHotPath(kernel_config()), tape)


@pytest.fixture(scope="module")
def of_image(tape: list[Call]) -> Samples:
    return samples(new_kernel(kernel_config()), [mirror(call, P0) for call in tape])


@pytest.fixture(scope="module")
def hostile() -> dict[str, list[float]]:
    """Values on hostile tapes, in single file."""
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(12):
        for values in samples(new_kernel(kernel_config()), [*history(), *hostile_later(seed)], every=11):
            for name, value in values.items():
                if value is not None:
                    found[name].append(value)
    return found


def hostile_later(seed: int) -> list[Call]:
    """A hostile tape, moved to where the history ends."""
    calls = [call for call in hostile_tape(seed, 400) if call[0] in INPUTS and call[0] != "on_gap"]
    shift = LIVE_FROM + S - min(args[0] for _, args in calls)
    return [(name, (args[0] + shift, *args[1:])) for name, args in calls]


@every_signal
def test_the_kernel_equals_the_reference(spec: SignalSpec, seen: Samples, of_reference: Samples) -> None:
    found = [exact(values[spec.name]) for values in seen]
    assert found == [exact(values[spec.name]) for values in of_reference]
    assert set(found) != {None}, "no value on this tape: the comparison would be empty"


@every_signal
def test_values_stay_inside_their_range(spec: SignalSpec, seen: Samples, hostile: dict[str, list[float]]) -> None:
    values = [*hostile[spec.name], *(v[spec.name] for v in seen)]
    numbers = [value for value in values if value is not None]
    assert numbers
    assert spec.low is None or min(numbers) >= spec.low
    assert spec.high is None or max(numbers) <= spec.high


@every_signal
def test_a_mirrored_market_turns_odd_signals_round_and_leaves_even_ones(
    spec: SignalSpec, seen: Samples, of_image: Samples
) -> None:
    sign = -1.0 if spec.parity == "odd" else 1.0
    for values, image in zip(seen, of_image, strict=True):
        value = values[spec.name]
        assert image[spec.name] == (None if value is None else sign * value)


@pytest.fixture(scope="module")
def futures(tape: list[Call]) -> tuple[Samples, Samples, Samples]:
    """All signals at some instants: with the rest of the tape cut, with another rest behind, and as it was."""
    past, found = [call for call in tape if call[0] not in INPUTS], ([], [], [])
    inputs = [call for call in tape if call[0] in INPUTS]
    for minutes in (7, 18, 29):
        t = LIVE_FROM + minutes * MINUTE
        at = next(i for i, call in enumerate(inputs) if call[1][0] > t)
        other = [(name, (args[0], *(2 * x for x in args[1:5]), *args[5:])) for name, args in inputs[at:] if args[1:]]
        for answers, rest in zip(found, ([], other, inputs[at:]), strict=True):
            kernel = new_kernel(kernel_config())
            for name, args in past:
                getattr(kernel, name)(*args)
            buffer, start, code = records([*inputs[:at], *rest]), 0, 1
            while code:
                start, code = kernel.run(buffer, start, t + 1 if rest else NEVER_NS)
            kernel.on_time(t)
            answers.append(dict(kernel.signals()))
    return found


@every_signal
def test_what_follows_changes_no_value(spec: SignalSpec, futures: tuple[Samples, Samples, Samples]) -> None:
    cut, other, original = ([exact(values[spec.name]) for values in found] for found in futures)
    assert cut == other == original
    assert original[-1] is not None
