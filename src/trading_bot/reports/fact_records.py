"""What logs say about trading, as values: what `trade_facts.read_facts` finds. Each names its log and its records.

Prices are in ticks, money in integer micro-dollars, times in ns since the Unix epoch, `_e6` in millionths, `_c` in
hundredths. A `seq` is the number of a record in its `log`, 0 where there is none. None: not known.
"""

from typing import Final

import msgspec

from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.orders import Side
from trading_bot.domain.units import usd_from_uusd

UNKNOWN_EXIT: Final = "UNKNOWN"


class SessionFact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One log: one session of one run. `exit_reason` is empty while it has no orderly end."""

    log: str
    name: str
    run_id: str
    mode: str
    adapter: str
    instrument: str
    tick_value_uusd: int
    trade_date: int
    config_hash: str
    kernel_build: str
    hypothetical: bool
    ts_first_ns: int
    ts_last_ns: int
    records: int
    ticks: int
    torn_bytes: int
    restarts: int
    exit_reason: str


class TradeFact(msgspec.Struct, frozen=True, kw_only=True):
    """One closed round trip.

    `trade_id` is the entry order's id as text (`explain` takes it). `outcome_seq` is the kernel's outcome that it came
    from, `decision_seq` the decision about it, `place_seq` its order, `opened_seq` TRADE_OPENED, `closed_seq`
    TRADE_CLOSED, `fill_seqs` its executions, `correction_seqs` later commissions. `told` is False where the process
    died before TRADE_CLOSED was written: the trade is worked out from its fills then, and `closed_seq` is the last.

    `gross_uusd` is after slippage and before commission; `commission_uusd` is of the whole quantity, both sides, with
    what the broker reported after the close. `entry_cost_ticks` and `exit_value_ticks` are sums of price times lots;
    `entry_ticks` and `exit_ticks` their rounded averages. `slippage_ticks` is as the outcome has it (entry against the
    touch, and the stop against its trigger); `exit_slippage_ticks` the average of the exits whose price was fixed
    before. `bid_ticks` and `ask_ticks` are the touch at the decision. `p_e6` to `target_ticks` are the candidate's
    terms in ticks (millionths). `shadow`: never sent, filled pessimistically by the simulator, in no account.
    """

    log: str
    run_id: str
    mode: str
    trade_date: int
    instrument: str
    tick_value_uusd: int
    trade_id: str
    outcome_seq: int
    decision_seq: int
    place_seq: int
    opened_seq: int
    closed_seq: int
    fill_seqs: tuple[int, ...]
    correction_seqs: tuple[int, ...] = ()
    template: str
    regime: str
    bucket: str
    side: Side
    qty: int
    decision_ts_ns: int
    entry_ts_ns: int
    exit_ts_ns: int
    entry_ticks: int
    exit_ticks: int
    entry_cost_ticks: int
    exit_value_ticks: int
    exit_reason: str
    gross_uusd: int
    commission_uusd: int
    mae_ticks: float | None
    mfe_ticks: float | None
    slippage_ticks: float
    slippage_expected_ticks: float
    entry_slippage_ticks: float | None
    exit_slippage_ticks: float | None
    spread_ticks: float | None
    passive: bool | None
    bid_ticks: int | None
    ask_ticks: int | None
    dvs_c: int | None
    eqs_c: int | None
    belief_e6: int | None
    p_e6: int | None
    p_stop_e6: int | None
    edge_e6: int | None
    uncertainty_e6: int | None
    cost_e6: int | None
    euc_e6: int | None
    required_e6: int | None
    stop_ticks: int | None
    target_ticks: int | None
    volatility: int | None
    hypothetical: bool
    shadow: bool
    told: bool = True

    @property
    def net_uusd(self) -> int:
        """Net of commission, in micro-dollars."""
        return self.gross_uusd - self.commission_uusd

    @property
    def net_usd(self) -> float:
        """Net of commission, in dollars, for people."""
        return usd_from_uusd(self.net_uusd)

    @property
    def sign(self) -> int:
        """+1 long, -1 short."""
        return 1 if self.side is Side.BUY else -1

    @property
    def win(self) -> bool:
        """Whether it earned more than its commission."""
        return self.net_uusd > 0

    @property
    def hold_ns(self) -> int:
        """From the first fill to flat."""
        return self.exit_ts_ns - self.entry_ts_ns

    @property
    def seqs(self) -> tuple[int, ...]:
        """Its records in the log, ascending."""
        known = (self.outcome_seq, self.decision_seq, self.place_seq, *self.fill_seqs, self.opened_seq, self.closed_seq)
        return tuple(sorted({*known, *self.correction_seqs} - {0}))


class FillFact(msgspec.Struct, frozen=True, kw_only=True):
    """One execution. `commission_uusd` is the broker's where reported, else `told_commission_uusd`.

    `reported_seq` is the record of that report, in `reported_log`, which may be a later log of the run; 0 for none.

    `estimated`: no report has come. `counted` is False for one that was told again or that corrects another: no book
    counts it. `trade_closed_seq` is the trade it is part of, 0 for none (yet). `slippage_ticks`: positive is worse,
    None where no price was fixed before; `expected_e6` is what the decision expected of it.
    """

    log: str
    seq: int
    ts_ns: int
    instrument: str
    tick_value_uusd: int
    order_id: str
    leg: str
    side: Side
    qty: int
    price_ticks: int
    commission_uusd: int
    told_commission_uusd: int
    estimated: bool
    exec_id: str
    perm_id: int
    hypothetical: bool
    counted: bool
    reported_log: str = ""
    reported_seq: int = 0
    fill_kind: str = ""
    slippage_ticks: int | None = None
    expected_e6: int = 0
    trade_closed_seq: int = 0


class OrderFact(msgspec.Struct, frozen=True, kw_only=True):
    """One order that left: an entry with its bracket (`leg` ENTRY), or an exit (`leg` EXIT, `cause` says why).

    `limit_ticks` None is a market order. `acknowledged` is the broker's first word about it (in OBSERVE that it was
    suppressed). `end` is FILLED, CANCELLED, REJECTED, or empty while it is not over, and of an exit that another
    replaced; `timed_seq` is its ORDER_TIMED.
    """

    log: str
    seq: int
    ts_ns: int
    order_id: str
    leg: str
    outcome_seq: int
    decision_seq: int
    template: str
    side: Side
    qty: int
    limit_ticks: int | None
    stop_price_ticks: int | None
    target_price_ticks: int | None
    expires_ns: int | None
    risk_uusd: int | None
    cause: str = ""
    filled_qty: int = 0
    acknowledged_seq: int = 0
    acknowledged_ns: int | None = None
    first_fill_seq: int = 0
    first_fill_ns: int | None = None
    end: str = ""
    end_seq: int = 0
    end_text: str = ""
    timed_seq: int = 0


class DecisionFact(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, told once per episode and reason. `run` counts the numberings of episodes in the log.

    `candidate` has the terms it was decided on, None in a log whose outcome is missing.
    """

    log: str
    seq: int
    outcome_seq: int
    ts_ns: int
    instrument: str
    action: str
    reason: str
    mask: int
    template: str
    side: int
    episode: int
    run: int
    live: str
    modifiers: tuple[str, ...]
    candidate: Candidate | None


class RefusalFact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The safety gate refused an order: the names of the checks that said no."""

    log: str
    seq: int
    ts_ns: int
    order_id: str
    template: str
    failed: tuple[str, ...]
    detail: str


class CorrectionFact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The broker's commission of an execution is `delta_uusd` more than was estimated.

    `after_close`: the trade had been closed; `trade_closed_seq` is 0 where that trade is in none of the logs read.
    """

    log: str
    seq: int
    ts_ns: int
    order_id: str
    exec_id: str
    delta_uusd: int
    after_close: bool
    trade_closed_seq: int
    hypothetical: bool


class ScorePoint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The data score, in hundredths, from here on."""

    log: str
    seq: int
    ts_ns: int
    dvs_c: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A record as the log has it, with its number and that of the record it follows from (0: an input)."""

    log: str
    seq: int
    cause_seq: int
    record: Event | Effect


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What one or several logs say, in their order.

    `trades` holds real, hypothetical and shadow trades; `entered()` is without the shadows. `rest` holds, by the name
    of their kind, the other records a report shows: BREAKER_CHANGED, LEARNING_UPDATE, SESSION_CHANGED, and so on
    (`trade_facts.KEPT`). `notes` says what the logs do not tell.
    """

    sessions: tuple[SessionFact, ...]
    trades: tuple[TradeFact, ...]
    fills: tuple[FillFact, ...]
    orders: tuple[OrderFact, ...]
    decisions: tuple[DecisionFact, ...]
    refusals: tuple[RefusalFact, ...]
    corrections: tuple[CorrectionFact, ...]
    quality: tuple[ScorePoint, ...]
    rest: dict[str, tuple[Told, ...]]
    notes: tuple[str, ...]

    def told(self, kind: str) -> tuple[Told, ...]:
        """The records of one kind (`BREAKER_CHANGED`, `LEARNING_UPDATE`, ...), empty where there was none."""
        return self.rest.get(kind, ())

    def entered(self, *, hypothetical: bool | None = None) -> tuple[TradeFact, ...]:
        """Trades that were entered; None takes both kinds, which are never to be summed up together."""
        return tuple(row for row in self.trades if not row.shadow and hypothetical in (None, row.hypothetical))

    def net_uusd(self, *, hypothetical: bool) -> int:
        """What the run's summary has: net of all trades of one kind, and later commissions of trades not in here."""
        rest_uusd = sum(
            row.delta_uusd
            for row in self.corrections
            if row.after_close and not row.trade_closed_seq and row.hypothetical is hypothetical
        )
        return sum(row.net_uusd for row in self.entered(hypothetical=hypothetical)) - rest_uusd

    @property
    def stray_fills(self) -> tuple[FillFact, ...]:
        """Executions that count and are part of no trade in here: an open position, or one that nobody owned."""
        return tuple(row for row in self.fills if row.counted and not row.trade_closed_seq)
