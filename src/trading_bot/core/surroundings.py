"""What a decision is told about its surroundings: vetoes, modifiers, and what the other templates hold."""

from trading_bot.core import event_watch
from trading_bot.core.regimes import regime_now
from trading_bot.core.state import State
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.domain.templates import VetoConfig
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines import modifiers, scheduled_events
from trading_bot.engines.regime import Volatility
from trading_bot.engines.session import session_phase, session_window


def vetoes(state: State) -> tuple[tuple[str, str], ...]:
    """(template, veto) of every veto that stops a template now; one whose signal has no value stops it."""
    return tuple(
        (template, name)
        for name, veto in state.documents.vetoes.items()
        if not _met(veto, state.kernel.signal(SIGNAL_BY_NAME[veto.signal].id))
        for template in veto.blocks
    )


def common_modifiers(state: State, ts_ns: int) -> tuple[modifiers.Modifier, ...]:
    """The additions to the required utility that do not depend on the candidate."""
    config = state.config.modifiers
    window = session_window(state.day, state.policy) if state.day else None
    event = scheduled_events.near(event_watch.windows(state), ts_ns, config.event_near_min * NS_PER_MIN)
    return modifiers.common(
        config,
        modifiers.Context(
            ts_ns=ts_ns,
            phase=session_phase(state.day, ts_ns) if state.day else 0,
            entry_close_ns=None if window is None else window.entry_close_ns,
            near_event="" if event is None else event.name,
            volatility_high=regime_now(state).volatility is Volatility.HIGH,
        ),
    )


def holds(state: State) -> tuple[int, ...]:
    """The side that each template that is on holds now, 0 for none."""
    rows = zip(state.kernel.beliefs(), state.template_rows, strict=True)
    return tuple([(row[5] - row[6]) * template.on for row, template in rows])


def _met(veto: VetoConfig, value: float | None) -> bool:
    if value is None:
        return False
    return (veto.min is None or value >= veto.min) and (veto.max is None or value <= veto.max)
