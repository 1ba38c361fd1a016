"""The kernel's control block: what `apply` lets the kernel know. Nothing else writes it."""

from typing import Final

from trading_bot.core import context_desk, event_watch
from trading_bot.core.state import State
from trading_bot.core.stopping import flattening
from trading_bot.engines import breakers, quality
from trading_bot.engines.quality import Band
from trading_bot.engines.session import SessionState

LIVE_MODE: Final = "LIVE"  # real money: entries need calibrated terms (specification 6.2)
LIVE_DATA: Final = 1  # kinds of market data as `LinkStatus.data_type` has them; 0 is not known yet
DELAYED_DATA: Final = frozenset({2, 3, 4})


def refresh_control(state: State) -> None:
    """Open or mask the templates and hand over the execution score.

    A masked template still reports the first moment of each episode, so that its skip is journalled; it does not re-
    fire.
    """
    if state.deficits:
        state.deficits = quality.forget(state.deficits, state.ts_ns)
        eqs_c = quality.eqs_c(state.deficits, state.ts_ns)
        if eqs_c != state.eqs_c:
            state.eqs_c = eqs_c
            state.eqs_min_c = min(state.eqs_min_c, eqs_c)
            state.kernel.set_eqs(eqs_c)
    open_for_entries = (
        not state.entries  # first: after an entry has left nothing else has to be looked at
        and state.session_state is SessionState.ENTRIES
        and state.stopping is None
        and not flattening(state)
        and state.kill_reason is None
        and state.link_up
        and state.data_type == LIVE_DATA
        and state.reconciled
        and not breakers.verdict(state.breakers).blocking
        and (state.documents.rules is None or not state.rules.trips)
        and not state.locks
        and not context_desk.lockouts_now(state)
        and event_watch.entries_allowed(state, state.ts_ns)
        and state.log_space_ok
        and not state.data_down
        and state.equity_uusd is not None
        and state.position_qty == 0
        and state.kernel.dvs_band == Band.ENTRY
    )
    mask = (1 << len(state.documents.templates)) - 1 if open_for_entries else 0
    if mask != state.entry_mask:
        state.entry_mask = mask
        state.kernel.set_entry_mask(mask)
