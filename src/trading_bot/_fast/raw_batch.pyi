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
