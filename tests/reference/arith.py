"""The arithmetic both kernels share (docs/kernel.md, section 1): IEEE doubles, evaluated left to right as written."""

import math

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
GRID_NS = 100 * NS_PER_MS
MINUTE_NS = 60 * NS_PER_S


def weight(dt_ns: int, tau_ns: int) -> float:
    """Decay weight r**8 with r = 1 / (1 + dt / (8 tau)); 1.0 when no time has passed."""
    if dt_ns <= 0:
        return 1.0
    r = 1.0 / (1.0 + float(dt_ns) / (8.0 * float(tau_ns)))
    r2 = r * r
    r4 = r2 * r2
    return r4 * r4


def squash(x: float) -> float:
    return x / math.sqrt(1.0 + x * x)


def sigma(x: float) -> float:
    return 0.5 * (1.0 + squash(x))


def clamp(x: float, low: float, high: float) -> float:
    if x < low:
        return low
    if x > high:
        return high
    return x


def ratio(a: int, b: int) -> float:
    """Quotient of two integers: each becomes a double first."""
    return float(a) / float(b)


def e6(x: float) -> int:
    return math.floor(x * 1000000.0 + 0.5)
