"""Faults on a timeline."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway


class Scenario:
    """Rows of what goes wrong, and when."""

    def __init__(self, gateway: "Gateway", path: Path | None) -> None:
        self._gateway = gateway
        self._path = path

    def advance(self, now_ns: int) -> None:
        """Carry out what is due."""
