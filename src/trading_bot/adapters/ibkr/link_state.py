"""The link to the broker as four separate states."""

from typing import Final

import msgspec

UNKNOWN: Final = 0
LIVE: Final = 1
DELAYED: Final = 3


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """The four states, and the kind of data.

    Socket: the connection to the gateway. Broker: the gateway's to the broker's servers. Farm: the broker's market
    data. Flowing: ticks have come on every stream since it was asked for, and still come. `data_type` is 0 until the
    broker has told it, 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    """

    socket: bool = False
    broker: bool = True  # until the gateway says otherwise, which it does when a client connects
    farm: bool = True
    flowing: bool = False
    data_type: int = UNKNOWN

    @property
    def up(self) -> bool:
        """All four."""
        return self.socket and self.broker and self.farm and self.flowing
