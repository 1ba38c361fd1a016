"""Re-entry: a pause for a template and side after its exit, and one entry for each set-up (feature DE12)."""

from trading_bot.core.state import State
from trading_bot.core.trade import Entry
from trading_bot.domain.learning import TradeOutcome
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.position import side_sign


def entry_filled(state: State, entry: Entry) -> None:
    """The set-up of an entry is used by its first fill: one that was never filled may be tried again."""
    key = (entry.terms.template_index, side_sign(entry.order.side))
    state.setups_used[key] = entry.terms.episode


def trade_closed(state: State, outcome: TradeOutcome) -> None:
    """The pause begins; after a loss it is longer."""
    config = state.config.reentry
    pause_s = config.cooldown_loss_s if outcome.net_uusd <= 0 else config.cooldown_s
    if pause_s and outcome.side is not None:
        state.cooldowns[outcome.template, side_sign(outcome.side)] = outcome.exit_ts_ns + pause_s * NS_PER_S


def cooling(state: State, ts_ns: int) -> tuple[tuple[int, int], ...]:
    """(template's index, side) of the pauses that are not over."""
    if not state.cooldowns:
        return ()
    names = list(state.documents.templates)
    return tuple(
        (names.index(name), side)
        for (name, side), until_ns in state.cooldowns.items()
        if ts_ns < until_ns and name in names
    )


def setups_used(state: State) -> tuple[tuple[int, int, int], ...]:
    """(template's index, side, episode) of set-ups that had their entry."""
    return tuple((template, side, episode) for (template, side), episode in state.setups_used.items())
