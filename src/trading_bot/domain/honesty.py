"""How far the recorded ticks of a minute can be trusted, as values (docs/parity.md)."""

from typing import Final

import msgspec

MINUTE_NS: Final = 60_000_000_000
FLAG_BELOW: Final = 90  # a minute with a lower score is flagged


class MinuteHonesty(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One minute of a log. Volumes in lots, prices in ticks; counts and sums of the minute.

    `score` 0 to 100; None where the broker told nothing to judge the prints by: unknown is not honest. `lots_told` is
    what the broker says was traded where that is known, `lots_missing` of it are in no print, `lots_extra` are prints
    beyond it. `ticks_unseen`: by how much the bars' range and the prints' differ, the sum of both ends, worst bar.
    `volume_missing` is what the session's volume alone says is missing; `lots_refused` were refused at the door.
    """

    begin_ns: int
    score: int | None
    flagged: bool
    bars: int
    prints: int
    lots_seen: int
    lots_told: int
    lots_missing: int
    lots_extra: int
    ticks_unseen: int
    volume_missing: int
    lots_refused: int

    @property
    def state(self) -> str:
        """`ok`, `flagged` or `unwitnessed`."""
        return "unwitnessed" if self.score is None else "flagged" if self.flagged else "ok"


def score_of(*, lots_told: int, lots_missing: int, lots_extra: int, ticks_unseen: int) -> int:
    """100 less two for each percent of the volume that is missing or too much, less five for each tick not seen.

    Assumed, as the specification gives no formula: 5 % of the lots, or two ticks of the range, flag a minute. Percents
    are rounded up, so that a single missing lot shows.
    """
    wrong = lots_missing + lots_extra
    whole = max(lots_told, 1)
    percent = -(-100 * wrong // whole)
    return max(0, 100 - 2 * percent - 5 * ticks_unseen)
