"""The mode table (architecture 7): what each mode wires. The core never asks for a mode."""

from typing import Final

import msgspec

from trading_bot.domain.errors import UsageError


class ModeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One mode.

    `suppress`: `OrderSuppressed` stands where the acknowledgement would. `hypothetical`: fills are a simulator's and
    live under their own learning keys. `orders_count`: orders are handed to a broker, if only a simulated one.
    `orders_leave`: they leave this machine.
    """

    name: str
    adapters: tuple[str, ...]
    stamps: str
    sink: str
    suppress: bool
    hypothetical: bool
    orders_count: bool
    orders_leave: bool


MODES: Final[dict[str, ModeRow]] = {
    row.name: row
    for row in (
        ModeRow(
            name="OBSERVE",
            adapters=("ibkr", "sim", "files"),
            stamps="system clock, or recorded",
            sink="exchange simulator fed by the same ticks",
            suppress=True,
            hypothetical=True,
            orders_count=False,
            orders_leave=False,
        ),
        ModeRow(
            name="BACKTEST",
            adapters=("files",),
            stamps="recorded, plus modelled latency",
            sink="exchange simulator",
            suppress=False,
            hypothetical=True,
            orders_count=True,
            orders_leave=False,
        ),
        ModeRow(
            name="SIM",
            adapters=("sim",),
            stamps="virtual clock",
            sink="exchange simulator",
            suppress=False,
            hypothetical=True,
            orders_count=True,
            orders_leave=False,
        ),
        ModeRow(
            name="PAPER",
            adapters=("ibkr",),
            stamps="system clock",
            sink="IBKR, a paper account",
            suppress=False,
            hypothetical=False,
            orders_count=True,
            orders_leave=True,
        ),
        ModeRow(
            name="LIVE",
            adapters=("ibkr",),
            stamps="system clock",
            sink="IBKR, armed",
            suppress=False,
            hypothetical=False,
            orders_count=True,
            orders_leave=True,
        ),
    )
}


def mode_row(mode: str, adapter: str) -> ModeRow:
    """The row of a mode.

    Raises:
        UsageError: the mode does not exist, or has no such adapter.
    """
    row = MODES.get(mode)
    if row is None:
        raise UsageError(f"--mode {mode} does not exist; expected one of {', '.join(MODES)}")
    if adapter not in row.adapters:
        wanted = " or ".join(f"--adapter {name}" for name in row.adapters)
        hint = "" if mode == "OBSERVE" else ", or --mode OBSERVE"
        if row.orders_leave:
            raise UsageError(f"--mode {mode} sends orders, --adapter {adapter} has no broker: use {wanted}{hint}")
        raise UsageError(f"--mode {mode} does not run on --adapter {adapter}: use {wanted}{hint}")
    return row
