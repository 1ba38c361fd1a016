"""The bar part of the data score and the usual gap (docs/kernel.md, section 5)."""

from dataclasses import dataclass

from tests.reference.arith import MINUTE_NS, NS_PER_S
from tests.reference.bars import Bars
from tests.reference.flow import Quote
from tests.reference.history import Minute, OpenBar
from tests.reference.session import BUCKETS, Session

BAR_PENALTIES = {"gap": 50, "duplicate": 50, "stuck": 30, "zero": 20, "range": 20, "late": 20, "wide": 15}
JUDGED_KEPT = 10
STUCK_BARS = 5
LATE_NS = 5 * NS_PER_S
GAP_NS = 90 * NS_PER_S
SESSIONS_NEEDED = 5


class BarQuality:
    """Components of the last ten judged minutes, and what judging the next one needs."""

    def __init__(self, session: Session, resolution_ns: int) -> None:
        self.session = session
        self.resolution_ns = resolution_ns
        self.ring: list[set[str]] = []
        self.forget()

    def forget(self) -> None:
        """A price gap: the ring stays."""
        self.before: OpenBar | None = None  # the bar before, of this run
        self.last_bars: list[OpenBar] = []
        self.touch: tuple[int, int] | None = None
        self.touch_changed_ns = -1
        self.late: list[bool] = []  # of each stamped trade of the open bar

    def quote(self, now: int, quote: Quote) -> None:
        sizes = (quote.bid_qty, quote.ask_qty)
        if self.touch is not None and sizes != self.touch:
            self.touch_changed_ns = now
        self.touch = sizes

    def trade(self, now: int, event_ns: int) -> None:
        """A trade with a positive size."""
        if event_ns > 0:
            self.late.append(max(0, now - event_ns - self.resolution_ns) > LATE_NS)

    def on_minute(self, g: int, bar: OpenBar | None, spread_sum: int, spread_dt: int, bars: Bars) -> None:
        """A whole minute has ended at `g`."""
        if bar is None:
            if self._is_zero(g):
                self._keep({"zero"})
            return
        found = set()
        if self._gap(bar):
            found.add("gap")
        if self._duplicate(bar):
            found.add("duplicate")
        if self._stuck(bar):
            found.add("stuck")
        if _out_of_range(bars):
            found.add("range")
        if self.late and all(self.late):
            found.add("late")
        if spread_sum > 10 * spread_dt:
            found.add("wide")
        self._keep(found)
        self.before = bar
        self.late = []

    def _keep(self, found: set[str]) -> None:
        self.ring = [*self.ring, found][-JUDGED_KEPT:]

    def _is_zero(self, g: int) -> bool:
        row = self.session.row_at(g - MINUTE_NS)
        return row is not None and row.rth_open_ns != 0 and row.rth_open_ns <= g - MINUTE_NS and g <= row.rth_close_ns

    def _gap(self, bar: OpenBar) -> bool:
        row = self.session.row_at(bar.ts_open)
        if self.before is None or row is None or not row.is_open(bar.ts_open):
            return False
        since = self.before.ts_open
        if since < row.open_ns:
            return False  # of another session
        if bar.ts_open >= row.break_end_ns:
            since = max(since, row.break_end_ns - MINUTE_NS)
        return bar.ts_open - since > GAP_NS

    def _duplicate(self, bar: OpenBar) -> bool:
        if self.before is None or bar.high <= bar.low or bar.trades < 4:
            return False
        return bar.row()[1:] == self.before.row()[1:]

    def _stuck(self, bar: OpenBar) -> bool:
        self.last_bars = [*self.last_bars, bar][-STUCK_BARS:]
        if len(self.last_bars) < STUCK_BARS:
            return False
        flat = all(b.open == b.high == b.low == b.close == bar.close and b.volume > 0 for b in self.last_bars)
        return flat and self.touch_changed_ns < self.last_bars[0].ts_open

    def active(self) -> set[str]:
        """Components any of the ten judged minutes has."""
        return set().union(*self.ring)


def _out_of_range(bars: Bars) -> bool:
    if len(bars.ring) < 30:
        return False
    tr = bars.ring[-1].tr
    s30 = sum(m.tr for m in bars.ring[-30:])
    return 30 * tr > 6 * s30 and not _is_shock(bars.ring, s30, bars.values["vol_z"])


def _is_shock(ring: list[Minute], s30: int, vol_z: float | None) -> bool:
    """A large, heavily traded, one-directional bar is news and no fault of the data."""
    if len(ring) < 61 or vol_z is None:
        return False
    body = ring[-1].bar.close - ring[-1].bar.open
    bodies = [m.bar.close - m.bar.open for m in ring[-61:-1]]
    d = 60 * sum(b * b for b in bodies) - sum(bodies) * sum(bodies)
    return 30 * ring[-1].tr > 4 * s30 and 3.0 * vol_z > 2.5 and body * body * 3600 > 9 * d


@dataclass
class Counted:
    """Open seconds and their frames, of one bucket of a session."""

    seconds: int = 0
    frames: int = 0


class UsualGap:
    """How far apart frames usually are, by bucket; learned at each roll of the day."""

    def __init__(self, slots_kept: int) -> None:
        self.slots_kept = slots_kept
        self.slots: list[dict[int, Counted]] = [{}]
        self.frames = 0
        self.gap_ns: dict[int, int] = {}

    def on_second(self, bucket: int | None, *, is_open: bool) -> None:
        frames, self.frames = self.frames, 0
        if not is_open or bucket is None:
            return
        counted = self.slots[-1].setdefault(bucket, Counted())
        counted.seconds += 1
        counted.frames += frames

    def roll(self) -> None:
        self.slots = [*self.slots, {}][-(self.slots_kept + 1) :]
        for bucket in range(BUCKETS):
            found = [slot[bucket] for slot in self.slots[:-1] if bucket in slot and slot[bucket].frames > 0]
            gaps = sorted(c.seconds * NS_PER_S // c.frames for c in found)
            if len(gaps) < SESSIONS_NEEDED:
                self.gap_ns[bucket] = 0
                continue
            half = len(gaps) // 2
            self.gap_ns[bucket] = gaps[half] if len(gaps) % 2 else (gaps[half - 1] + gaps[half]) // 2
