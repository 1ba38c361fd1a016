from typing_extensions import Buffer

class FaultStage:
    def __init__(self, rows: Buffer, tick_e9: int) -> None: ...
