from typing import ClassVar

from trading_bot._fast.door import Door
from trading_bot._fast.raw_batch import RawBatch

class Merger:
    FULL: ClassVar[int]
    END: ClassVar[int]
    def __init__(self, batches: list[RawBatch], door: Door) -> None: ...
    def run(self) -> int: ...
