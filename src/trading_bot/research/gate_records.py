"""What the counterfactual gate ledger says, as values (docs/gates.md, NV04). Every trade in it is HYPOTHETICAL.

Prices in ticks, times in ns of receive time, money in integer micro-dollars. Nothing here was ever sent.
"""

from enum import StrEnum
from typing import Final

import msgspec

ENTERED: Final = "ENTERED"  # the row of the candidates that no gate refused, followed by the same simulator


class Fate(StrEnum):
    """What became of a candidate that was followed."""

    FILLED = "FILLED"  # in and out
    UNFILLED = "UNFILLED"  # its limit did not trade within the entry's time to live
    UNFINISHED = "UNFINISHED"  # the log ended before it did
    NO_TERMS = "NO_TERMS"  # no quote, or a signal was missing: there is nothing to place


class Verdict(StrEnum):
    """What the interval of the mean says about a gate; UNTOLD: it holds zero, or there are too few trades for one."""

    SAVED = "SAVED"  # what it refused would have lost
    COST = "COST"  # what it refused would have earned
    UNTOLD = "UNTOLD"


class Followed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One candidate as a shadow trade of one lot, by the pessimistic queue.

    `decision_seq` is the DECISION_MADE record it was found by, `outcome_seq` the record with its terms. `gate` is the
    first veto (ENTERED: none), `others` the further gates that said no with it. `delayed`: a later decision entered the
    same episode. `done_ts_ns` is when it was over: its exit, or the end of its entry; None while it was not.
    """

    log: str
    decision_seq: int
    outcome_seq: int
    ts_ns: int
    trade_date: int
    template: str
    side: int
    episode: int
    gate: str
    others: tuple[str, ...]
    fate: Fate
    delayed: bool = False
    limit_ticks: int = 0
    target_ticks: int = 0
    stop_ticks: int = 0
    hold_ns: int = 0
    entry_ts_ns: int | None = None
    entry_ticks: int | None = None
    exit_ts_ns: int | None = None
    exit_ticks: int | None = None
    exit_leg: str = ""
    done_ts_ns: int | None = None
    gross_ticks: int = 0
    gross_uusd: int = 0
    fees_uusd: int = 0

    @property
    def net_uusd(self) -> int:
        """After slippage and commission; 0 unless FILLED."""
        return self.gross_uusd - self.fees_uusd

    @property
    def alone(self) -> bool:
        """Whether no other gate said no."""
        return not self.others


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """A group of candidates.

    Sums are over the filled ones. `mean_uusd` is per filled trade, with the 95 % interval `low_uusd` to `high_uusd`
    over `clusters` groups of trades that are not independent of each other; None where it cannot be had.
    `single_trades` and `single_net_uusd` are what is left when one position is held at a time: each candidate in turn,
    unless the one before it is still working or open. `seqs` are (log, decision) of the candidates, in order.
    """

    candidates: int
    filled: int
    unfilled: int
    unfinished: int
    wins: int
    gross_ticks: int
    gross_uusd: int
    fees_uusd: int
    net_uusd: int
    mean_uusd: float | None
    low_uusd: float | None
    high_uusd: float | None
    clusters: int
    verdict: Verdict
    single_trades: int
    single_net_uusd: int
    seqs: tuple[tuple[str, int], ...]


class GateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One gate. `saved_uusd` is what it saved in sum, the other side of `first.net_uusd`: below 0 it cost.

    `first` are candidates it was the first to refuse, `alone` those of them that nothing else refused: what would have
    been traded without it. `delayed` were entered later in the same episode and are in neither; `no_terms` could not be
    followed. `said_no` counts every followed decision with its bit, whoever was first.
    """

    gate: str
    saved_uusd: int
    said_no: int
    delayed: int
    no_terms: int
    first: Tally
    alone: Tally


class GateLedger(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates of one or more logs saved or cost.

    `entered` is the control: what the same simulator makes of the candidates that were let pass; compare a gate with
    it and not with the account, whose exits are richer. `ledger_digest` is SHA-256 over `trades`.
    """

    logs: tuple[str, ...]
    instrument: str
    tick_value_uusd: int
    trade_dates: tuple[int, ...]
    decisions: int
    ticks: int
    clustered_by: str
    rows: tuple[GateRow, ...]
    entered: Tally
    trades: tuple[Followed, ...]
    ledger_digest: str
    notes: tuple[str, ...] = ()
    hypothetical: bool = True
