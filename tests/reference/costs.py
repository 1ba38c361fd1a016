"""Expected slippage (docs/kernel.md, section 8), which the terms of a candidate and two bar signals share."""


def expected_slippage(base: float, hour_factor: float, atr_14_n: float | None, spread: int | None) -> float:
    """What q is in ticks, before factors and cap."""
    atr = 0.0 if atr_14_n is None else atr_14_n * 3.0
    a_atr = 2.0 if atr > 2.55 else 1.0 if atr > 2.1 else 0.0
    width = 0 if spread is None else spread
    a_spread = 2.0 if width >= 3 else 1.0 if width >= 2 else 0.0
    q = base + a_atr + a_spread
    return q * hour_factor
