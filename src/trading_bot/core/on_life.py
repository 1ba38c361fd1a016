"""Handlers: the life of a run, the inputs of the gates, the kill switch, recovery."""

import msgspec

from trading_bot.core import (
    asking,
    breaking,
    context_desk,
    cost_desk,
    deadlines,
    entry_facts,
    execution_quality,
    locking,
    params_desk,
    rule_watch,
)
from trading_bot.core.carried import Carried
from trading_bot.core.flattening import flatten, pull_kill_switch, request_stop
from trading_bot.core.learning_desk import adopt_beliefs, refresh_throttles
from trading_bot.core.on_bar import bars_of_history
from trading_bot.core.on_session import enter_session, resume_quality, watch_quality
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries
from trading_bot.domain import events
from trading_bot.domain.bars import unpack_bars
from trading_bot.domain.effects import Alert, Effect
from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.events import Event
from trading_bot.domain.inflated import inflated
from trading_bot.engines.flatten import FlattenKind

Results = list[Event | Effect]


def run_started(state: State, event: events.RunStarted, _seq: int) -> Results:
    """A log begins: find the session and arm its timer. A date the calendar does not know is told once a log."""
    state.mode = event.mode
    state.learning.hypothetical = event.hypothetical
    results = enter_session(state)
    if state.day is not None:
        return results
    text = "the calendar does not know this date: nothing is entered; extend it with tools/make_calendar.py"
    return [Alert(ts_ns=event.ts_ns, level="warning", code="CALENDAR_UNKNOWN", text=text), *results]


def state_carried(state: State, event: events.StateCarried, _seq: int) -> Results:
    """Take over what earlier sessions left, and the kernel when it is carried warm."""
    carried = msgspec.msgpack.decode(event.state, type=Carried)
    state.take_over(carried)
    if event.kernel:
        state.kernel.restore(inflated(event.kernel))
    state.kernel.clear_position()
    state.learning.start_session(event.ts_ns)
    beliefs = adopt_beliefs(state)
    refresh_throttles(state)
    return [
        *beliefs,
        *cost_desk.adopt(state),
        *params_desk.adopted(state.documents, carried.params, event.ts_ns),
        *resume_quality(state, event.ts_ns),
        *breaking.resume(state, event.ts_ns),
        *context_desk.resume(state, event.ts_ns),
        *locking.resume(state, event.ts_ns),
        *rule_watch.look_at_clock(state, event.ts_ns),
    ]


def stop_requested(state: State, event: events.StopRequested, _seq: int) -> Results:
    """Orderly end."""
    return request_stop(state, event.ts_ns, event.reason, exit_code=event.exit_code, leave=event.protect)


def feed_ended(state: State, event: events.FeedEnded, _seq: int) -> Results:
    """The source has no more: nothing can be decided, so nothing may stay open."""
    state.link_up = state.link_connected = False
    results: Results = []
    if event.exit_code:
        results.append(Alert(ts_ns=event.ts_ns, level="error", code="FEED_FAILED", text=event.reason))
    return results + request_stop(state, event.ts_ns, "FEED_ENDED", exit_code=event.exit_code)


def run_ended(state: State, _event: events.RunEnded, _seq: int) -> Results:
    """The log's last record."""
    state.ended = True
    return []


def core_failed(state: State, event: events.CoreFailed, _seq: int) -> Results:
    """Our own trouble: latch the kill switch. State is suspect from here."""
    state.kill_reason = f"CORE_FAILED: {event.error}"
    return []


def log_space_changed(state: State, event: events.LogSpaceChanged, _seq: int) -> Results:
    """Without room for the next log segment, or with a disk that does not answer, no entry may begin."""
    state.log_space_ok = event.ok
    if event.ok:
        return []
    text = f"the log has trouble with its disk ({event.detail}); entries stop until it is over"
    return [Alert(ts_ns=event.ts_ns, level="error", code="LOG_SPACE_LOW", text=text)]


def instrument_bound(state: State, event: events.InstrumentBound, _seq: int) -> Results:
    """The contract at the broker. The kernel is built for its instrument; a roll begins another run."""
    state.con_id, state.expiry = event.con_id, event.expiry
    state.contract_problem = entry_facts.contract_problem(state, event)
    return _told(event.ts_ns, "CONTRACT_REFUSED", state.contract_problem)


def link_status(state: State, event: events.LinkStatus, _seq: int) -> Results:
    """Link and kind of market data. Entries need all four parts of it; orders and answers only gateway and broker."""
    connected = event.socket and event.broker and (event.up or not (event.farm and event.flowing))
    results = execution_quality.link_changed(state, event, connected=connected)
    was_connected, state.link_connected = state.link_connected, connected
    state.link_up, state.data_type, state.link = event.up, event.data_type, event
    if event.up and state.documents.gates_real:
        state.data_awaited_ns = min(state.data_awaited_ns, event.ts_ns)
        state.quality_kill_armed = False  # judged anew, from here on
    if connected and not was_connected:
        state.data_awaited_ns = 0 if event.up else deadlines.data_awaited_ns(state, event.ts_ns)
        results += asking.connected(state, event.ts_ns)
    elif was_connected and not connected:
        asking.disconnected(state)
    return [*results, *watch_quality(state, event.ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)]


def account_snapshot(state: State, event: events.AccountSnapshot, _seq: int) -> Results:
    """Money decides the tier, and the tier the smallest expected utility. Another account's money decides nothing."""
    before, state.account_problem = state.account_problem, entry_facts.account_problem(state, event)
    state.account_id, state.armed_until_ns = state.account_id or event.account, event.armed_until_ns
    if state.account_problem:
        told = state.account_problem if state.account_problem != before else ""
        return _told(event.ts_ns, "ACCOUNT_REFUSED", told)
    trade_date = state.day.trade_date if state.day else 0
    state.set_ledger(state.ledger().opened(trade_date, event.equity_uusd, assumed=event.assumed))
    assert state.account is not None
    state.margin_per_contract_uusd = event.margin_per_contract_uusd or state.margin_per_contract_uusd
    state.margin_used_uusd = max(event.equity_uusd - event.margin_free_uusd, 0)
    state.equity_uusd = state.account.equity_uusd(0)
    tier = state.config.decision.tiers[state.decisions.tier_name(state.equity_uusd)]
    state.kernel.set_costs(state.round_trip_uusd / state.instrument.tick_value_uusd, tier.min_euc_ticks)
    return breaking.mark(state, event.ts_ns)


def _told(ts_ns: int, code: str, problem: str) -> Results:
    if not problem:
        return []
    return [Alert(ts_ns=ts_ns, level="error", code=code, text=f"{problem}: nothing is entered")]


def kill_requested(state: State, event: events.KillRequested, _seq: int) -> Results:
    """Latch, cancel, flatten, halt."""
    return pull_kill_switch(state, event.ts_ns, event.reason, event.source)


def flatten_requested(state: State, event: events.FlattenRequested, _seq: int) -> Results:
    """A person closes the position; the run goes on."""
    reason = f"{event.reason} ({event.source})"
    text = f"flatten asked for by {event.source}: {event.reason}"
    return [
        Alert(ts_ns=event.ts_ns, level="warning", code="FLATTEN_REQUESTED", text=text),
        *cancel_entries(state, event.ts_ns, reason),
        *flatten(state, event.ts_ns, FlattenKind.STOP, reason),
    ]


def history_loaded(state: State, event: events.HistoryLoaded, _seq: int) -> Results:
    """Closed bars from before the start go the way of every bar, decisions off. A bar the kernel refuses is told."""
    known = state.kernel.bars(60)
    try:
        bars = [(bar, state.kernel.on_bar(*bar) == 0) for bar in unpack_bars(event.bars)]
    except DataCorrupt as error:
        return [Alert(ts_ns=event.ts_ns, level="error", code="HISTORY_REFUSED", text=f"{event.source}: {error}")]
    taken = [bar for bar, was_taken in bars if was_taken]
    bars_of_history(state, taken, known[-1][4] if known else None)
    refused = len(bars) - len(taken)
    if not refused:
        return []
    text = f"{event.source}: {refused} of {event.count} bars are out of order or no bars; they are not used"
    return [Alert(ts_ns=event.ts_ns, level="warning", code="HISTORY_REFUSED", text=text)]


def kill_cleared(state: State, event: events.KillCleared, _seq: int) -> Results:
    """A person cleared the latch."""
    state.kill_reason = None
    text = f"kill switch cleared by {event.source}: {event.reason}"
    alert = Alert(ts_ns=event.ts_ns, level="warning", code="KILL_CLEARED", text=text)
    return [alert, *breaking.switch_cleared(state, event.ts_ns, f"{event.reason} ({event.source})")]
