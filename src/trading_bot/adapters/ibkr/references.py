"""The order reference: our identity of an order at the broker, on every leg, in every report (field `orderRef`).

`tb5f3a9c1e.261125-1042-0-S`: the run (a hash of its id), its trading session, the order (seq and index of its cause),
the leg. It survives restarts, comes back with open orders and executions, and is how an order is known again; order ids
are only addresses of one client, and the broker does not check references for duplicates.
"""

import hashlib
import re
from typing import Final

import msgspec

from trading_bot.domain.orders import ClientOrderId, Leg

_LETTER: Final = {Leg.ENTRY: "E", Leg.STOP: "S", Leg.TARGET: "T", Leg.EXIT: "X"}
_LEG: Final = {letter: leg for leg, letter in _LETTER.items()}
_PATTERN: Final = re.compile(r"(tb[0-9a-f]{8}\.\d{6})-(\d{1,18})-(\d{1,9})-([ESTX])")
_REMNANT_N: Final = 1_000_000  # above every index of an effect


class Reference(msgspec.Struct, frozen=True):
    """An order reference in its parts. `tag` names the log that holds the order."""

    tag: str
    order_id: ClientOrderId
    leg: Leg

    def __str__(self) -> str:
        """As it is sent."""
        return f"{self.group}-{_LETTER[self.leg]}"

    @property
    def group(self) -> str:
        """Name of the bracket and of its OCA group: used once."""
        return bracket_name(self.tag, self.order_id)


def bracket_name(tag: str, order_id: ClientOrderId) -> str:
    """What the references of a bracket's legs have in common, and its OCA group's name."""
    seq, index = order_id
    return f"{tag}-{seq}-{index}"


def log_tag(run_id: str, trade_date: int) -> str:
    """What every reference of one log begins with. `trade_date` is yyyymmdd, of the session the log is of."""
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"tb{digest}.{trade_date % 1_000_000:06d}"


def parse_reference(text: str) -> Reference | None:
    """The parts of a reference; None for one that no run of this bot wrote."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        return None
    tag, seq, index, letter = found.groups()
    return Reference(tag, (int(seq), int(index)), _LEG[letter])


def remnant_id(perm_id: int) -> ClientOrderId:
    """A name for an order of a log that this one does not continue, so that it can be withdrawn: no order of ours."""
    return (perm_id, _REMNANT_N)
