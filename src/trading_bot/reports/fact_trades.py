"""One round trip as a fact: from its TRADE_CLOSED, from its fills alone, or from the two fills of a shadow trade."""

from collections.abc import Sequence
from typing import Final

import msgspec

from trading_bot.domain.effects import PlaceShadow
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.inflated import inflated
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.learning import TradeOutcome
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import ShadowFilled
from trading_bot.reports.fact_orders import TRAILING
from trading_bot.reports.fact_records import UNKNOWN_EXIT, FillFact, OrderFact, TradeFact

_E6: Final = 1_000_000
_TERMS: Final = (
    "belief_e6",
    "p_e6",
    "p_stop_e6",
    "edge_e6",
    "uncertainty_e6",
    "cost_e6",
    "euc_e6",
    "required_e6",
    "stop_ticks",
    "target_ticks",
    "volatility",
)


class TradeSource(msgspec.Struct, frozen=True, kw_only=True):
    """What all trades of a log share. `passive`: by template, whether its entry joins its own side of the book."""

    log: str
    run_id: str
    mode: str
    trade_date: int
    instrument: str
    tick_value_uusd: int
    hypothetical: bool
    passive: dict[str, bool]

    def shared(self) -> dict[str, object]:
        """The fields of a trade that are its log's."""
        names = ("log", "run_id", "mode", "trade_date", "instrument", "tick_value_uusd")
        return {name: getattr(self, name) for name in names}


class _Template(msgspec.Struct):
    entry: str


class _Templates(msgspec.Struct):
    templates: dict[str, _Template]


def entry_kinds(documents: bytes, log: str) -> dict[str, bool]:
    """Whether the entry of each template is passive, in the order in which candidates number them.

    Nothing else of the run's documents is decoded, so that logs of an older configuration can be read.

    Raises:
        LogCorrupt: the bytes are no run documents.
    """
    if not documents:
        return {}
    try:
        rows = msgspec.msgpack.decode(inflated(documents), type=_Templates).templates
    except (ValueError, RecursionError) as error:
        raise LogCorrupt(
            f"{log}: the embedded run documents do not decode ({error}); expected those of a run",
            segment=log,
            offset=0,
            seq=1,
        ) from error
    return {name: row.entry == "passive" for name, row in rows.items()}


class Legs(msgspec.Struct, frozen=True, kw_only=True):
    """What the fills of a round trip come to: lots and sums of price times lots; slippage per lot where known."""

    entry_qty: int
    entry_cost_ticks: int
    exit_qty: int
    exit_value_ticks: int
    entry_slippage_ticks: float | None
    exit_slippage_ticks: float | None
    seqs: tuple[int, ...]

    @classmethod
    def of(cls, fills: Sequence[FillFact]) -> "Legs":
        """Sums over `fills`."""
        entries = [row for row in fills if row.leg == Leg.ENTRY.value]
        exits = [row for row in fills if row.leg != Leg.ENTRY.value]
        return cls(
            entry_qty=sum(row.qty for row in entries),
            entry_cost_ticks=sum(row.qty * row.price_ticks for row in entries),
            exit_qty=sum(row.qty for row in exits),
            exit_value_ticks=sum(row.qty * row.price_ticks for row in exits),
            entry_slippage_ticks=_per_lot(entries),
            exit_slippage_ticks=_per_lot(exits),
            seqs=tuple(row.seq for row in fills),
        )


def _per_lot(fills: Sequence[FillFact]) -> float | None:
    known = [(row.slippage_ticks, row.qty) for row in fills if row.slippage_ticks is not None]
    qty = sum(lots for _, lots in known)
    return sum(ticks * lots for ticks, lots in known) / qty if qty else None


def told_trade(
    source: TradeSource,
    outcome: TradeOutcome,
    order: OrderFact | None,
    candidate: Candidate | None,
    fills: Sequence[FillFact],
    *,
    closed_seq: int,
    opened_seq: int,
) -> TradeFact:
    """A closed trade as TRADE_CLOSED has it, with the terms of its candidate and the numbers of its records."""
    assert outcome.side is not None, f"trade {outcome.trade_id} was closed by the core, which knows its side"
    legs = Legs.of(fills)
    whole = legs.entry_qty == legs.exit_qty == outcome.qty  # otherwise some of its fills are in no log of these
    seq, _, _ = outcome.trade_id.partition("-")
    spread = outcome.spread_ticks
    return TradeFact(
        **source.shared(),  # type: ignore[arg-type]
        **_origin(order, source, outcome.template, outcome.side, None if spread is None else round(spread)),  # type: ignore[arg-type]
        **{  # type: ignore[arg-type]
            **_terms(candidate),
            "belief_e6": outcome.belief_e6,
            "euc_e6": outcome.euc_e6,
        },
        trade_id=outcome.trade_id,
        outcome_seq=outcome.decision_seq or int(seq or 0),
        opened_seq=opened_seq,
        closed_seq=closed_seq,
        fill_seqs=legs.seqs,
        template=outcome.template,
        regime=outcome.regime,
        bucket=outcome.bucket,
        side=outcome.side,
        qty=outcome.qty,
        entry_ts_ns=outcome.entry_ts_ns,
        exit_ts_ns=outcome.exit_ts_ns,
        entry_ticks=outcome.entry_ticks,
        exit_ticks=outcome.exit_ticks,
        entry_cost_ticks=legs.entry_cost_ticks if whole else outcome.entry_ticks * outcome.qty,
        exit_value_ticks=legs.exit_value_ticks if whole else outcome.exit_ticks * outcome.qty,
        exit_reason=outcome.exit_reason,
        gross_uusd=outcome.pnl_uusd,
        commission_uusd=outcome.commission_uusd,
        mae_ticks=outcome.mae_ticks,
        mfe_ticks=outcome.mfe_ticks,
        slippage_ticks=outcome.slippage_ticks,
        slippage_expected_ticks=outcome.slippage_expected_ticks,
        entry_slippage_ticks=legs.entry_slippage_ticks,
        exit_slippage_ticks=legs.exit_slippage_ticks,
        spread_ticks=spread,
        dvs_c=outcome.dvs_c,
        eqs_c=outcome.eqs_c,
        hypothetical=outcome.hypothetical,
        shadow=False,
    )


def untold_trade(
    source: TradeSource,
    order: OrderFact,
    candidate: Candidate | None,
    fills: Sequence[FillFact],
    *,
    opened_seq: int,
    cause: str,
) -> TradeFact:
    """A trade whose fills end flat and whose TRADE_CLOSED the process did not live to write. Excursions are unknown."""
    legs, last = Legs.of(fills), fills[-1]
    sign = 1 if order.side is Side.BUY else -1
    slipped = (legs.entry_slippage_ticks or 0.0) + (legs.exit_slippage_ticks or 0.0)
    return TradeFact(
        **source.shared(),  # type: ignore[arg-type]
        **_origin(order, source, order.template, order.side, None),  # type: ignore[arg-type]
        **_terms(candidate),  # type: ignore[arg-type]
        trade_id=order.order_id,
        outcome_seq=order.outcome_seq,
        opened_seq=opened_seq,
        closed_seq=last.seq,
        fill_seqs=legs.seqs,
        template=order.template,
        regime="",
        bucket="",
        side=order.side,
        qty=legs.entry_qty,
        entry_ts_ns=fills[0].ts_ns,
        exit_ts_ns=last.ts_ns,
        entry_ticks=_average(legs.entry_cost_ticks, legs.entry_qty),
        exit_ticks=_average(legs.exit_value_ticks, legs.exit_qty),
        entry_cost_ticks=legs.entry_cost_ticks,
        exit_value_ticks=legs.exit_value_ticks,
        exit_reason=_exit_reason(last.leg, cause),
        gross_uusd=(legs.exit_value_ticks - legs.entry_cost_ticks) * sign * source.tick_value_uusd,
        commission_uusd=sum(row.commission_uusd for row in fills),
        mae_ticks=None,
        mfe_ticks=None,
        slippage_ticks=slipped,
        slippage_expected_ticks=0.0 if candidate is None else candidate.entry_slippage_e6 / _E6,
        entry_slippage_ticks=legs.entry_slippage_ticks,
        exit_slippage_ticks=legs.exit_slippage_ticks,
        spread_ticks=None,
        dvs_c=None,
        eqs_c=None,
        hypothetical=last.hypothetical,
        shadow=False,
        told=False,
    )


def shadow_trade(
    source: TradeSource,
    order: PlaceShadow,
    place_seq: int,
    candidate: Candidate | None,
    fills: Sequence[tuple[int, ShadowFilled]],
) -> TradeFact:
    """A trade that was never sent, one lot: its entry and its exit as the simulator would have filled them."""
    (entry_seq, entry), (exit_seq, left) = fills[0], fills[-1]
    seq, number = order.order_id
    sign = 1 if order.side is Side.BUY else -1
    touch_ticks = order.limit_ticks
    slipped = None if touch_ticks is None else float((entry.price_ticks - touch_ticks) * sign)
    return TradeFact(
        **source.shared(),  # type: ignore[arg-type]
        **_terms(candidate),  # type: ignore[arg-type]
        trade_id=f"{seq}-{number}",
        outcome_seq=seq,
        decision_seq=0,
        place_seq=place_seq,
        opened_seq=entry_seq,
        closed_seq=exit_seq,
        fill_seqs=(entry_seq, exit_seq),
        template=order.template,
        regime="",
        bucket="",
        side=order.side,
        qty=1,
        decision_ts_ns=order.ts_ns,
        entry_ts_ns=entry.ts_ns,
        exit_ts_ns=left.ts_ns,
        entry_ticks=entry.price_ticks,
        exit_ticks=left.price_ticks,
        entry_cost_ticks=entry.price_ticks,
        exit_value_ticks=left.price_ticks,
        exit_reason=left.leg.value,
        gross_uusd=(left.price_ticks - entry.price_ticks) * sign * source.tick_value_uusd,
        commission_uusd=entry.commission_uusd + left.commission_uusd,
        mae_ticks=None,
        mfe_ticks=None,
        slippage_ticks=slipped or 0.0,
        slippage_expected_ticks=0.0 if candidate is None else candidate.entry_slippage_e6 / _E6,
        entry_slippage_ticks=slipped,
        exit_slippage_ticks=None,
        spread_ticks=None,
        passive=source.passive.get(order.template),
        bid_ticks=None,
        ask_ticks=None,
        dvs_c=None,
        eqs_c=None,
        hypothetical=source.hypothetical,
        shadow=True,
    )


def _origin(
    order: OrderFact | None, source: TradeSource, template: str, side: Side, spread_ticks: int | None
) -> dict[str, object]:
    """Where it came from. A limit is the touch it was decided at: its own side's of a passive entry, else the other."""
    passive = source.passive.get(template)
    bid_ticks = ask_ticks = None
    if order is not None and order.limit_ticks is not None and passive is not None and spread_ticks is not None:
        at_bid = passive is (side is Side.BUY)
        bid_ticks = order.limit_ticks if at_bid else order.limit_ticks - spread_ticks
        ask_ticks = bid_ticks + spread_ticks
    return {
        "decision_seq": order.decision_seq if order else 0,
        "place_seq": order.seq if order else 0,
        "decision_ts_ns": order.ts_ns if order else 0,
        "passive": passive,
        "bid_ticks": bid_ticks,
        "ask_ticks": ask_ticks,
    }


def _terms(candidate: Candidate | None) -> dict[str, int | None]:
    return {name: None if candidate is None else getattr(candidate, name) for name in _TERMS}


def _exit_reason(leg: str, cause: str) -> str:
    if leg == Leg.STOP.value:
        return TRAILING if cause == TRAILING else leg
    return leg if leg == Leg.TARGET.value else cause or UNKNOWN_EXIT


def _average(total: int, count: int) -> int:
    return (2 * total + count) // (2 * count) if count else 0
