"""Lockouts: no new entries for a while (specification 8.4). Two rows; what trips and ends each is its functions.

Context lockouts come from outside with their own time and are no row here; scheduled events have their own module.
Times in ns, ranges in ticks, `_e6` in millionths.
"""

from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.domain.gate_config import LockoutConfig
from trading_bot.domain.units import NS_PER_MIN

_E6: Final = 1_000_000
_ATR_BARS: Final = 30
_STEP_NS: Final = NS_PER_MIN  # a lockout that holds on is prolonged, and told, once a minute at most


class Lockout(StrEnum):
    """Names in the log; the gate of each is `GateReason.LOCKOUT_` and the name."""

    VOLATILITY = "VOLATILITY"
    EXECUTION = "EXECUTION"


class Lock(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One lockout in force: until `until_ns`, exclusive. `calm_bars` have been calm in a row."""

    lockout: Lockout
    until_ns: int
    reason: str
    calm_bars: int = 0


Locks = tuple[Lock, ...]


class LockChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What changed. `until_ns` 0: it has ended. `fresh`: it was not in force before."""

    lockout: Lockout
    until_ns: int
    reason: str
    fresh: bool = False


class BarFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A closed minute. `shock` says what makes it a volatility shock, empty for none.

    `range_30_ticks` is the sum of the true ranges of the last 30 bars, None with fewer: then no bar is calm.
    """

    ts_ns: int
    shock: str
    range_ticks: int
    range_30_ticks: int | None


def after_bar(locks: Locks, config: LockoutConfig, bar: BarFacts) -> tuple[Locks, tuple[LockChange, ...]]:
    """A bar may trip the volatility lockout, prolong it, or be one of the calm ones that end it early."""
    locks, changes = expire(locks, bar.ts_ns)
    if bar.shock:
        return _lock(locks, changes, Lockout.VOLATILITY, bar.ts_ns + config.volatility_min * NS_PER_MIN, bar.shock)
    lock = _find(locks, Lockout.VOLATILITY)
    if lock is None:
        return locks, changes
    calm_bars = lock.calm_bars + 1 if _is_calm(config, bar) else 0
    if calm_bars < config.calm_bars:
        return _with(locks, msgspec.structs.replace(lock, calm_bars=calm_bars)), changes
    ended = LockChange(lockout=lock.lockout, until_ns=0, reason=f"{calm_bars} calm bars in a row")
    return _without(locks, lock.lockout), (*changes, ended)


def after_quote(
    locks: Locks, config: LockoutConfig, ts_ns: int, *, spread_ticks: int | None, slippage_e6: int
) -> tuple[Locks, tuple[LockChange, ...]]:
    """A wide spread, or slippage expected to be dear, stops entries; while it lasts the time begins anew."""
    locks, changes = expire(locks, ts_ns)
    reason = ""
    if spread_ticks is not None and spread_ticks >= config.spread_ticks:
        reason = f"spread {spread_ticks} ticks"
    elif slippage_e6 >= round(config.slippage_ticks * _E6):
        reason = f"expected slippage {slippage_e6 / _E6:.1f} ticks"
    if not reason:
        return locks, changes
    return _lock(locks, changes, Lockout.EXECUTION, ts_ns + config.execution_min * NS_PER_MIN, reason)


def expire(locks: Locks, ts_ns: int) -> tuple[Locks, tuple[LockChange, ...]]:
    """Locks whose time is over end."""
    if not locks:
        return locks, ()
    over = [lock for lock in locks if lock.until_ns <= ts_ns]
    if not over:
        return locks, ()
    left = tuple(lock for lock in locks if lock.until_ns > ts_ns)
    return left, tuple(LockChange(lockout=lock.lockout, until_ns=0, reason="its time is over") for lock in over)


def in_force(locks: Locks, lockout: Lockout, ts_ns: int) -> bool:
    """Whether a lockout stops entries at `ts_ns`."""
    lock = _find(locks, lockout)
    return lock is not None and ts_ns < lock.until_ns


def restored(locks: Locks, name: str, until_ns: int, reason: str) -> Locks:
    """The locks after a recorded change (`LockoutChanged`): what survives a state that is not rebuilt.

    Names that are no row here, such as that of an event's window, change nothing.
    """
    if name not in Lockout.__members__:
        return locks
    lockout = Lockout(name)
    if until_ns == 0:
        return _without(locks, lockout)
    return _with(locks, Lock(lockout=lockout, until_ns=until_ns, reason=reason))


def _is_calm(config: LockoutConfig, bar: BarFacts) -> bool:
    if bar.range_30_ticks is None:
        return False
    # TR / (S30 / 30) < ratio, without a division.
    return bar.range_ticks * _ATR_BARS * _E6 < bar.range_30_ticks * round(config.calm_ratio * _E6)


def _lock(
    locks: Locks, changes: tuple[LockChange, ...], lockout: Lockout, until_ns: int, reason: str
) -> tuple[Locks, tuple[LockChange, ...]]:
    before = _find(locks, lockout)
    if before is not None and until_ns - before.until_ns < _STEP_NS:
        return locks, changes
    change = LockChange(lockout=lockout, until_ns=until_ns, reason=reason, fresh=before is None)
    return _with(locks, Lock(lockout=lockout, until_ns=until_ns, reason=reason)), (*changes, change)


def _find(locks: Locks, lockout: Lockout) -> Lock | None:
    for lock in locks:
        if lock.lockout is lockout:
            return lock
    return None


def _with(locks: Locks, lock: Lock) -> Locks:
    kept = [one for one in locks if one.lockout is not lock.lockout]
    return tuple(sorted([*kept, lock], key=_name))


def _without(locks: Locks, lockout: Lockout) -> Locks:
    return tuple(lock for lock in locks if lock.lockout is not lockout)


def _name(lock: Lock) -> str:
    return lock.lockout.value
