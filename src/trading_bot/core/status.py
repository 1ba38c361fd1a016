"""What the bot shows of itself to other processes while it runs."""

from typing import Any

import msgspec

from trading_bot.core import breaking, position_desk, rule_watch
from trading_bot.core.cost_desk import cost_rows
from trading_bot.core.levels_desk import level_rows
from trading_bot.core.locking import lockout_lines
from trading_bot.core.machine import Machine
from trading_bot.core.opening import RunIdentity
from trading_bot.core.operator_files import BotStatus
from trading_bot.core.session_book import SessionBook
from trading_bot.core.state import State
from trading_bot.domain.events import Event
from trading_bot.domain.units import UUSD_PER_USD, usd_from_uusd
from trading_bot.engines.breaker_table import LADDERS, Money, distance_uusd
from trading_bot.engines.position_text import ending_texts, standing_text, thesis_text


def bot_status(book: SessionBook, identity: RunIdentity) -> dict[str, Any]:
    """The fields of `BotStatus`."""
    log_seq = book.writing.writer.seq
    return machine_status(book.live, identity, now_ns=book.now_ns, log_path=str(book.logs.path or ""), log_seq=log_seq)


def machine_status(
    machine: Machine, identity: RunIdentity, *, now_ns: int, log_path: str, log_seq: int
) -> dict[str, Any]:
    """The same of a machine at `now_ns` (ns since the epoch) that has applied the records of a log up to `log_seq`.

    A machine that a replay brought there shows the same: that is how a dead process's last words are checked.
    """
    state, counters = machine.state, machine.counters
    qty = state.position.qty
    net_uusd = counters.net_hypothetical_uusd if identity.hypothetical else counters.net_uusd
    told = state.documents.gates_real
    money = breaking.money(state)
    status = BotStatus(
        run_id=identity.run_id,
        mode=identity.mode,
        adapter=identity.adapter,
        instrument=state.instrument.symbol,
        ts_market_ns=now_ns,
        session_state=state.session_state.value,
        position_qty=state.position_qty,
        position_avg_ticks=state.position.cost_ticks / abs(qty) if qty and state.position.cost_known else None,
        pnl_net_usd=usd_from_uusd(net_uusd),
        hypothetical=identity.hypothetical,
        working_entries=state.working_entries,
        dvs_c=state.kernel.dvs_c,
        eqs_c=state.eqs_c,
        kill_reason=state.kill_reason,
        stopping=state.stopping,
        breakers=tuple(trip.breaker.value for trip in state.breakers.trips),
        throttled=machine.throttled(),
        trades=counters.trades_closed,
        last_exit=counters.last_exit,
        log_path=log_path,
        lockouts=lockout_lines(state, now_ns),
        costs=cost_rows(state),
        levels=level_rows(state),
        link=_fields(state.link if told else None),
        reconciliation=_fields(state.reconciliation if told else None),
        reconciliations=counters.reconciliations,
        reconciled_rows=dict(counters.reconciled_by_row),
        context=tuple(msgspec.structs.asdict(held) for held in state.context.held),
        log_seq=log_seq,
        limits=_limits(state, money),
        rules=rule_watch.status_rows(state, money),
        held=_held(state, now_ns),
    )
    return msgspec.structs.asdict(status)


def _held(state: State, now_ns: int) -> dict[str, Any]:
    """The open position as its heartbeat tells it, in words as well; empty without a trade."""
    if state.trade is None or state.position.qty == 0:
        return {}
    beat = position_desk.position_now(state, state.trade, now_ns)
    words = {"standing": standing_text(beat), "thesis": thesis_text(beat), "ends_by": list(ending_texts(beat))}
    return {**_fields(beat), **words}


def _fields(record: Event | None) -> dict[str, Any]:
    """A record as plain values, with its kind."""
    fields: dict[str, Any] = {} if record is None else msgspec.to_builtins(record)
    return fields


def _limits(state: State, money: Money | None) -> tuple[dict[str, Any], ...]:
    """The breakers on losses, in the order of their table; nothing while the account is unknown."""
    if money is None:
        return ()
    tripped = {trip.breaker for trip in state.breakers.trips}
    rows = []
    for rule in LADDERS:
        limit_uusd, left_uusd = distance_uusd(state.config.breakers, rule, money)
        rows.append(
            {
                "limit": rule.breaker.value,
                "response": rule.response.name,
                "limit_usd": round(limit_uusd / UUSD_PER_USD, 2),
                "distance_usd": round(left_uusd / UUSD_PER_USD, 2),
                "tripped": rule.breaker in tripped,
            }
        )
    return tuple(rows)
