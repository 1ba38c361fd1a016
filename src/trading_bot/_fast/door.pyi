from typing import ClassVar

class RawBatch:
    done: bool
    def __init__(self, room: int = 4096) -> None: ...
    def __len__(self) -> int: ...
    def quote_e9(
        self,
        ts_ns: int,
        ts_event_ns: int,
        bid_e9: int,
        bid_qty: int,
        ask_e9: int,
        ask_qty: int,
        reason: int = 0,
    ) -> None: ...
    def trade_e9(
        self, ts_ns: int, ts_event_ns: int, price_e9: int, qty: int, aggressor: int = 0, reason: int = 0
    ) -> None: ...
    def quote_points(
        self,
        ts_ns: int,
        ts_event_ns: int,
        bid: float,
        bid_qty: int,
        ask: float,
        ask_qty: int,
        reason: int = 0,
    ) -> None: ...
    def trade_points(
        self, ts_ns: int, ts_event_ns: int, price: float, qty: int, aggressor: int = 0, reason: int = 0
    ) -> None: ...

class Door:
    @property
    def capacity(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def full(self) -> bool: ...
    @property
    def quotes(self) -> int: ...
    @property
    def trades(self) -> int: ...
    @property
    def price_gaps(self) -> int: ...
    @property
    def anchor_ticks(self) -> int | None: ...
    @property
    def ts_max_ns(self) -> int: ...
    def __init__(
        self, instrument_id: int, tick_size_e9: int, capacity: int = 4096, session_gap_ns: int = 0
    ) -> None: ...
    def refused(self, reason: int) -> int: ...
    def take(self) -> memoryview: ...
    def new_session(self) -> None: ...
    def set_anchor(self, price_ticks: int) -> None: ...
    def quote_points(
        self,
        ts_ns: int,
        ts_event_ns: int,
        bid: float,
        bid_qty: int,
        ask: float,
        ask_qty: int,
        flags: int = 0,
    ) -> int: ...
    def quote_e9(
        self,
        ts_ns: int,
        ts_event_ns: int,
        bid_e9: int,
        bid_qty: int,
        ask_e9: int,
        ask_qty: int,
        flags: int = 0,
    ) -> int: ...
    def trade_points(
        self, ts_ns: int, ts_event_ns: int, price: float, qty: int, aggressor: int = 0, flags: int = 0
    ) -> int: ...
    def trade_e9(
        self, ts_ns: int, ts_event_ns: int, price_e9: int, qty: int, aggressor: int = 0, flags: int = 0
    ) -> int: ...

class Merger:
    FULL: ClassVar[int]
    END: ClassVar[int]
    def __init__(self, batches: list[RawBatch], door: Door) -> None: ...
    def run(self) -> int: ...
