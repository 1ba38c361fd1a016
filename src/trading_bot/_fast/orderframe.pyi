from collections.abc import Sequence

GAPS: int

class OrderFrame:
    def __init__(self, pieces: Sequence[bytes]) -> None: ...
    def render(
        self, order_id: int, qty: int, price: str, group: str, reference: str, parent_id: int, group_type: int
    ) -> bytes: ...
