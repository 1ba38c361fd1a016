"""Drive the kernel and the oracle with the same calls and compare everything they show, bit for bit."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.property.tapes import INPUTS, Call, as_record
from tests.reference.ref_kernel import RefHotPath, pack
from trading_bot._fast.hotpath import HotPath
from trading_bot.domain.kernel import KernelConfig, Outcome

PERIODS_S = (1, 5, 60)
BELIEF_FIELDS = ("os", "es", "D", "z_long", "z_short", "holds_long", "holds_short", "missing")
NEVER_NS = 2**62


def new_kernel(config: KernelConfig) -> HotPath:
    return HotPath(config)


def exact(value: Any) -> Any:
    """A float as its hex string (bit for bit, with the sign of zero); containers likewise; everything else as it is."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(exact(item) for item in value)
    return value


ANSWERS = ("candidates", "last_exit_mask", "last_outcome_at_grid", "last_outcome_ts_ns")  # of a call, not of the state


def outputs(kernel: HotPath | RefHotPath) -> dict[str, Any]:
    """Everything a kernel shows after a call, except its closed bars."""
    return {
        "now_ns": kernel.now_ns,
        "penalties": kernel.penalties(),
        "dvs_c": kernel.dvs_c,
        "dvs_band": kernel.dvs_band,
        "dvs_min_c": kernel.dvs_min_c,
        "last_outcome_at_grid": kernel.last_outcome_at_grid,
        "last_outcome_ts_ns": kernel.last_outcome_ts_ns,
        "counters": kernel.counters(),
        "signal_flags": kernel.signal_flags(),
        "signal_changes": kernel.signal_changes(),
        "exit_mask": kernel.exit_mask,
        "last_exit_mask": kernel.last_exit_mask,
        "candidates": kernel.candidates(),
        "book": kernel.book(),
        "signals": kernel.signals(),
        "beliefs": kernel.beliefs(),
    }


def first_difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """The first field in which the kernel differs from the oracle, with both values."""
    for name, value in expected.items():
        a, b = exact(value), exact(found[name])
        if a == b:
            continue
        if isinstance(a, dict):
            key = next(k for k in [*a, *b] if a.get(k, "absent") != b.get(k, "absent"))
            return f"{name}[{key}]: oracle {a.get(key, 'absent')}, kernel {b.get(key, 'absent')}"
        if name == "beliefs":
            i = next(i for i in range(len(a)) if a[i] != b[i])
            j = next(j for j in range(len(a[i])) if a[i][j] != b[i][j])
            return f"beliefs[{i}].{BELIEF_FIELDS[j]}: oracle {a[i][j]}, kernel {b[i][j]}"
        return f"{name}: oracle {a}, kernel {b}"
    return ""


def call_until_done(kernel: HotPath | RefHotPath, call: Call) -> Iterator[int]:
    """Repeat an input until it is consumed (or, for on_time, has nothing more to say); yields every code."""
    name, args = call
    method = getattr(kernel, name)
    if name not in INPUTS:
        yield method(*args) or 0
        return
    while True:
        code = method(*args)
        yield code
        if not (code & Outcome.PENDING or (name == "on_time" and code)):
            return


def compare(config: KernelConfig, calls: Sequence[Call], *, label: object) -> HotPath:
    """Fail at the first call after which the kernel and the oracle differ; `label` says how to make the tape again."""
    kernel, oracle = new_kernel(config), RefHotPath(config)
    started = False
    for index, call in enumerate(calls):
        where = f"tape {label}, call {index} {call}"
        pairs = zip(call_until_done(oracle, call), call_until_done(kernel, call), strict=False)
        for attempt, (expected, found) in enumerate(pairs):
            assert found == expected, f"{where}, attempt {attempt}: return code: oracle {expected}, kernel {found}"
            started = started or call[0] in INPUTS
            if started:
                a, b = outputs(oracle), outputs(kernel)
                if repr(a) != repr(b):
                    difference = first_difference(a, b)
                    assert not difference, f"{where}, attempt {attempt}, code {found}: {difference}"
        if index % 64 == 0 or index == len(calls) - 1:
            compare_bars(oracle, kernel, where)
    return kernel


def compare_bars(oracle: RefHotPath, kernel: HotPath, where: str) -> None:
    for period_s in PERIODS_S:
        found = [tuple(bar) for bar in kernel.bars(period_s)]
        expected = oracle.bars(period_s)
        kept = expected[len(expected) - len(found) :] if found else expected[-1:]
        assert found == kept, f"{where}: bars of {period_s} s: oracle {kept[-3:]}, kernel {found[-3:]}"


def records(calls: Iterable[Call]) -> bytes:
    return b"".join(pack(as_record(call)) for call in calls)


Trace = list[tuple[Any, ...]]


def outcome_row(kernel: HotPath | RefHotPath, consumed: int, code: int) -> tuple[Any, ...]:
    """What an outcome looks like from outside: where, when, which, and its candidates."""
    return (consumed, code & ~Outcome.PENDING, kernel.now_ns, kernel.dvs_c, kernel.exit_mask, kernel.candidates())


def play_single(kernel: HotPath | RefHotPath, calls: Sequence[Call]) -> Trace:
    """One call per record. An `on_time` call enters as the TIME record it is in a log."""
    trace: Trace = []
    for index, call in enumerate(calls):
        if call[0] == "on_time":
            trace += play_run(kernel, [call], first=index)
            continue
        for code in call_until_done(kernel, call):
            if call[0] in INPUTS and code:
                trace.append(outcome_row(kernel, index + (0 if code & Outcome.PENDING else 1), code))
    return trace


def play_run(
    kernel: HotPath | RefHotPath, calls: Sequence[Call], *, first: int = 0, deadline_ns: int = NEVER_NS
) -> Trace:
    """One buffer for `run`, called again after each outcome until the end (or the deadline) is reached."""
    trace: Trace = []
    buffer, at = records(calls), 0
    while True:
        at, code = kernel.run(buffer, at, deadline_ns)
        if not code:
            return trace
        trace.append(outcome_row(kernel, first + at, code))


def play_chunks(kernel: HotPath | RefHotPath, calls: Sequence[Call], cuts: Sequence[int]) -> Trace:
    """`run` over the pieces between `cuts`; calls that are no records are made between the pieces."""
    trace: Trace = []
    edges = {0, len(calls), *cuts}
    for index, call in enumerate(calls):
        if call[0] not in INPUTS:
            edges |= {index, index + 1}
    ordered = sorted(edges)
    for begin, end in itertools.pairwise(ordered):
        piece = calls[begin:end]
        if piece[0][0] in INPUTS:
            trace += play_run(kernel, piece, first=begin)
        else:
            for name, args in piece:
                getattr(kernel, name)(*args)
    return trace
