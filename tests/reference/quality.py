"""The data score of the tick stream (docs/kernel.md, section 5), in hundredths."""

from tests.reference.arith import NS_PER_MS, NS_PER_S
from tests.reference.bar_quality import BAR_PENALTIES, BarQuality, UsualGap
from tests.reference.bars import SLOTS_KEPT
from tests.reference.flow import Quote
from tests.reference.session import Session
from trading_bot.domain.kernel import KernelConfig
from trading_bot.domain.records import TickFlag

COMPONENTS = ("crossed", "locked", "regression", "delay", "outside", "rejected", "delayed")
CLOSED_KEPT = 10
MINIMA_KEPT = 60
AGE_GAPS = (8, 16, 32)
AGE_PENALTIES = (10, 40, 100)


class Quality:
    """Penalties remembered by second, the age penalty, the score and its band."""

    def __init__(self, config: KernelConfig, session: Session) -> None:
        self.config = config
        self.session = session
        self.buckets: list[dict[str, int]] = [{}]  # closed seconds oldest first, then the current one
        self.age_penalty = 0
        self.last_frame_ns: int | None = None
        self.locked_since: int | None = None
        self.last_event_ns: dict[str, int] = {}
        self.delay_minimum: int | None = None
        self.minima: list[int] = []
        self.usual_gap = UsualGap(SLOTS_KEPT)
        self.bar_part = BarQuality(session, config.resolution_ns)
        self.dvs_c = self.dvs_min_c = 100
        self.band = 3

    def frame(self, now: int) -> None:
        """Any quote, trade or rejected record: the age starts again."""
        self.last_frame_ns = now
        self.age_penalty = 0
        self.usual_gap.frames += 1

    def penalise(self, component: str, penalty: int) -> None:
        current = self.buckets[-1]
        current[component] = max(current.get(component, 0), penalty)

    def stamps(self, stream: str, now: int, event_ns: int, flags: int) -> None:
        """Regression, delay and delayed, of a quote or a trade."""
        if event_ns > 0:
            self._regression(stream, event_ns)
            self._delay(now, event_ns)
        if flags & TickFlag.DELAYED_DATA:
            self.penalise("delayed", 100)

    def _regression(self, stream: str, event_ns: int) -> None:
        previous = self.last_event_ns.get(stream)
        if previous is not None and event_ns < previous - self.config.resolution_ns:
            self.penalise("regression", 30)
        self.last_event_ns[stream] = event_ns

    def _delay(self, now: int, event_ns: int) -> None:
        d = max(0, now - event_ns - self.config.resolution_ns)
        if self.minima:
            ordered = sorted(self.minima)
            half = len(ordered) // 2
            median = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2
            if d - median > NS_PER_S:
                self.penalise("delay", 30)
            elif d - median > 250 * NS_PER_MS:
                self.penalise("delay", 10)
        self.delay_minimum = d if self.delay_minimum is None else min(self.delay_minimum, d)

    def trade(self, quote: Quote | None, price: int) -> None:
        if quote is not None and (price < quote.bid - 4 or price > quote.ask + 4):
            self.penalise("outside", 20)

    def lock(self, now: int, quote: Quote) -> None:
        """Remember when an unbroken run of locked quotes began."""
        if quote.bid != quote.ask:
            self.locked_since = None
        elif self.locked_since is None:
            self.locked_since = now

    def judge_book(self, t: int, quote: Quote | None) -> None:
        """Crossed and locked, at a quote and at each grid point."""
        if quote is None or not self.session.is_open(t):
            return
        if quote.bid > quote.ask:
            self.penalise("crossed", 40)
        if self.locked_since is not None and t - self.locked_since > NS_PER_S:
            self.penalise("locked", 10)

    def roll_second(self, g: int) -> None:
        row = self.session.row_at(g)
        if row is not None:
            self.usual_gap.on_second(row.bucket(g), is_open=row.is_open(g))
        else:
            self.usual_gap.on_second(None, is_open=False)
        self.buckets = [*self.buckets, {}][-(CLOSED_KEPT + 1) :]
        if self.delay_minimum is not None:
            self.minima = [*self.minima, self.delay_minimum][-MINIMA_KEPT:]
            self.delay_minimum = None

    def judge_age(self, g: int) -> None:
        self.age_penalty = 0
        row = self.session.row_at(g)
        if row is None or not row.is_open(g) or self.last_frame_ns is None:
            return
        since = max(self.last_frame_ns, row.open_ns)
        if row.break_end_ns <= g:
            since = max(since, row.break_end_ns)
        age = g - since
        bucket = row.bucket(g)
        usual = 0 if bucket is None else self.usual_gap.gap_ns.get(bucket, 0)
        factor = 1 if row.in_rth(g) else self.config.age_outside_rth_factor
        thresholds = (self.config.age_warn_ns, self.config.age_stale_ns, self.config.age_dead_ns)
        for threshold, gaps, penalty in zip(thresholds, AGE_GAPS, AGE_PENALTIES, strict=True):
            if age > max(threshold, gaps * usual) * factor:
                self.age_penalty = penalty

    def penalties(self) -> dict[str, int]:
        """The remembered maximum of each component, and the age penalty."""
        found = {name: max(bucket.get(name, 0) for bucket in self.buckets) for name in COMPONENTS}
        found["age"] = self.age_penalty
        active = self.bar_part.active()
        found |= {name: penalty if name in active else 0 for name, penalty in BAR_PENALTIES.items()}
        return found

    def update_band(self) -> bool:
        """Compute the score; True when its band differs from the last one reported."""
        self.dvs_c = max(0, 100 - sum(self.penalties().values()))
        self.dvs_min_c = min(self.dvs_min_c, self.dvs_c)
        limits = (self.config.dvs_kill_c, self.config.dvs_hold_c, self.config.dvs_entry_c)
        band = 0
        for number, limit in enumerate(limits, start=1):
            if self.dvs_c >= limit:
                band = number
        changed = band != self.band
        self.band = band
        return changed
