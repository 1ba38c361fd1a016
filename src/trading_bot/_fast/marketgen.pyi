from typing_extensions import Buffer

from trading_bot._fast.door import Door
from trading_bot._fast.marketfaults import FaultStage

class MarketGen:
    FULL: int
    WANTING: int
    def __init__(
        self,
        tick_e9: int,
        key: int,
        price_ticks: int,
        floor_ticks: int,
        information_milli: int,
        resolution_ns: int,
        door: Door | None,
        faults: FaultStage | None,
    ) -> None: ...
    @property
    def bid_ticks(self) -> int: ...
    def load(self, plan: Buffer) -> None: ...
    def run(self) -> int: ...
    def run_bars(self, out: Buffer) -> int: ...
    def close_bar(self) -> tuple[int, int, int, int, int, int, int] | None: ...

def draw_u64(key: int, n: int) -> int: ...
