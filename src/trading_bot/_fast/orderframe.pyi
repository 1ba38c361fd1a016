from collections.abc import Sequence

GAPS: int

class OrderFrame:
    def __init__(self, pieces: Sequence[bytes]) -> None: ...
    def render(
        self, order_id: int, qty: int, price: str, group: str, reference: str, parent_id: int, group_type: int
    ) -> bytes: ...

class BracketFrame:
    def __init__(self, entry: OrderFrame, target: OrderFrame, stop: OrderFrame) -> None: ...
    def render(
        self,
        entry_id: int,
        qty: int,
        entry_price: str,
        target_price: str,
        stop_price: str,
        group: str,
        group_type: int,
    ) -> bytes: ...
