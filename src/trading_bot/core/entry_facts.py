"""What the size of an entry depends on, and what the safety gate asks for, from the state (specification 6.6, 8.1)."""

from typing import Final

from trading_bot.core.control import LIVE_MODE
from trading_bot.core.state import State
from trading_bot.domain.events import AccountSnapshot, InstrumentBound
from trading_bot.engines.breaker_table import days_of
from trading_bot.engines.context import size_value_e6
from trading_bot.engines.entry_size import KellyFacts, SizeFacts
from trading_bot.engines.traded_touch import TradedTouch

NEVER_EXPIRES_DAYS: Final = 99_999
PAPER_ACCOUNT: Final = "D"  # first letter of every paper account id (specification 13)


def size_facts(state: State) -> SizeFacts:
    """The facts of now. Margin in use is as of the newest account snapshot: the bot holds nothing when it asks."""
    return SizeFacts(
        margin_used_uusd=state.margin_used_uusd,
        margin_per_contract_uusd=margin_per_contract_uusd(state),
        open_risk_uusd=open_risk_uusd(state),
        last_entry_qty=state.budgets.last_entry_qty,
        last_trade_lost=state.budgets.last_trade_lost,
        vix_e6=size_value_e6(state.context, state.context_rules),
        kelly=state.kelly,
    )


def open_risk_uusd(state: State) -> int:
    """What the entries that work would lose at their stops, micro-dollars."""
    return sum(entry.order.risk_uusd for entry in state.entries.values()) if state.entries else 0


def margin_per_contract_uusd(state: State) -> int | None:
    """What the broker asks for one contract, until it has answered what is assumed; None is unknown."""
    return state.margin_per_contract_uusd or state.instrument.margin_assumed_uusd or None


def account_problem(state: State, event: AccountSnapshot) -> str:
    """Why this account is not the one to trade: of another mode, or not the one of before; empty when it is."""
    if not state.documents.gates_real:
        return ""
    account, before = event.account, state.account_id
    if not account:
        return "the account has no id"
    if before and account != before:
        return f"account {account} speaks, the run began with {before}"
    paper = account.startswith(PAPER_ACCOUNT)
    if paper and state.mode == LIVE_MODE:
        return f"account {account} is a paper account, the mode is {state.mode}"
    if not paper and state.mode == "PAPER":
        return f"account {account} is a live account, the mode is {state.mode}"
    return ""


def account_problem_now(state: State, ts_ns: int) -> str:
    """What disagrees among account, mode and arming at the moment of an order (specification 8.1, check 4)."""
    if state.mode == LIVE_MODE and ts_ns >= state.armed_until_ns and not state.account_problem:
        return "LIVE is not armed for this account and session"
    return state.account_problem


def contract_problem(state: State, event: InstrumentBound) -> str:
    """Why the contract that is bound is not the one that may be traded (check 5); empty when it is."""
    ours = state.instrument
    if (event.instrument_id, event.symbol) != (ours.id, ours.symbol):
        return f"{event.symbol} ({event.instrument_id}) is bound, {ours.symbol} ({ours.id}) is to be traded"
    if event.tick_value_uusd != ours.tick_value_uusd:
        return f"a tick of {event.symbol} is bound at {event.tick_value_uusd} uUSD, listed at {ours.tick_value_uusd}"
    if state.documents.gates_real and (not event.con_id or event.con_id != state.documents.con_id):
        return f"contract {event.con_id} of the broker is bound, {state.documents.con_id} is the one listed"
    return ""


def days_to_expiry(state: State) -> int | None:
    """Calendar days from the trade date to the contract's last; a market without a broker's contract has no end."""
    if not state.documents.gates_real:
        return NEVER_EXPIRES_DAYS
    if not state.expiry or state.day is None:
        return None
    return days_of(state.expiry) - days_of(state.day.trade_date)


def traded_touch(state: State) -> TradedTouch | None:
    """The traded contract's own newest quote, where another market is seen; None elsewhere, and before the first."""
    quote = state.kernel.beside()
    if quote is None:
        return None
    bid_ticks, _bid_qty, ask_ticks, _ask_qty, ts_ns = quote
    return TradedTouch(bid_ticks=bid_ticks, ask_ticks=ask_ticks, ts_ns=ts_ns)


def kelly_rows(state: State) -> tuple[KellyFacts, ...]:
    """One row per template, in the order of their kernel indices."""
    return tuple(_kelly(state.learning.results_uusd(name)) for name in state.documents.templates)


def _kelly(results_uusd: tuple[int, ...]) -> KellyFacts:
    won = [net_uusd for net_uusd in results_uusd if net_uusd > 0]
    return KellyFacts(
        trades=len(results_uusd),
        wins=len(won),
        won_uusd=sum(won),
        lost_uusd=-sum(net_uusd for net_uusd in results_uusd if net_uusd <= 0),
    )
