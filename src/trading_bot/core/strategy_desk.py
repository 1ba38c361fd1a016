"""Strategies in Python: asked when a minute closes, their proposals become candidates like every other (issue 3.6).

A strategy that raises is switched off for the session and told; positions and other strategies are not its business.
"""

from types import MappingProxyType

import msgspec

from trading_bot.core.regimes import regime_now
from trading_bot.core.state import State
from trading_bot.domain.effects import Alert, Effect
from trading_bot.domain.events import Event, StrategyFailed, StrategyProposed
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.strategy import BarView, ClosedBar, Proposal

Results = list[Event | Effect]


def propose(state: State, ts_ns: int) -> tuple[Results, tuple[Candidate, ...]]:
    """Ask every strategy that is on. Returns what is to be recorded, and the candidates for the gates."""
    if not state.strategies:
        return [], ()
    view = _view(state, ts_ns)
    results: Results = []
    candidates: list[Candidate] = []
    for index, strategy in state.strategies.items():
        if index in state.strategies_failed or not state.template_rows[index].on:
            continue
        try:
            proposal = strategy.on_bar(view)
            if proposal is not None and not isinstance(proposal, Proposal):
                raise TypeError(f"on_bar answered {type(proposal).__name__}, expected Proposal or None")
        except Exception as error:  # noqa: BLE001 (foreign code: its failure is recorded, told, and ends its part)
            results += _failed(state, ts_ns, index, error)
            continue
        candidate = _candidate(state, ts_ns, index, proposal)
        if candidate is not None and proposal is not None:
            candidates.append(candidate)
            results.append(
                StrategyProposed(ts_ns=ts_ns, template=_name(state, index), reason=proposal.reason, candidate=candidate)
            )
    return results, tuple(candidates)


def _name(state: State, index: int) -> str:
    return state.template_names[index]


def _view(state: State, ts_ns: int) -> BarView:
    kernel, instrument = state.kernel, state.instrument
    book = kernel.book()
    return BarView(
        ts_ns=ts_ns,
        instrument=instrument.symbol,
        tick_size_points=instrument.tick_size_points,
        bars=tuple(ClosedBar(*bar) for bar in kernel.bars(60)),
        signals=MappingProxyType(kernel.signals()),
        regime=regime_now(state).key,
        bid_ticks=book[0] if book else None,
        ask_ticks=book[2] if book else None,
    )


def _candidate(state: State, ts_ns: int, index: int, proposal: Proposal | None) -> Candidate | None:
    """An episode is an unbroken run of minutes with a proposal for one side; episodes are numbered from 1."""
    side, episode = state.strategy_episodes.get(index, (0, 0))
    if proposal is None:
        state.strategy_episodes[index] = (0, episode)
        return None
    if proposal.side != side:
        episode += 1
    state.strategy_episodes[index] = (proposal.side, episode)
    terms = state.kernel.terms(index, proposal.side, proposal.belief, ts_ns)
    return msgspec.structs.replace(terms, episode=episode)


def _failed(state: State, ts_ns: int, index: int, error: Exception) -> Results:
    state.strategies_failed.add(index)
    name, text = _name(state, index), f"{type(error).__name__}: {error}"
    return [
        StrategyFailed(ts_ns=ts_ns, template=name, error=text),
        Alert(
            ts_ns=ts_ns,
            level="error",
            code="STRATEGY_FAILED",
            text=f"{name} raised {text}: it is off until the next session; open positions are not affected",
        ),
    ]
