"""An open position in words: how it stands, its thesis, and what would end it."""

from collections.abc import Mapping
from typing import Any, Final

from trading_bot.domain.trade_events import PositionHeartbeat
from trading_bot.domain.units import NS_PER_S, usd_from_uusd

_E6: Final = 1_000_000
_ROWS: Final = {"standing": "trade", "thesis": "thesis", "ends_by": "ends by"}


def standing_text(beat: PositionHeartbeat) -> str:
    """Age, result before commission, worst and best so far, in one line."""
    if not beat.known:
        return f"{_span(beat.age_ns)} old; what the broker has is not known yet"
    result = "result not known"
    if beat.unrealised_uusd is not None:
        result = f"{usd_from_uusd(beat.unrealised_uusd):+,.2f} USD before commission"
    return f"{_span(beat.age_ns)} old, {result}, worst -{beat.mae_ticks}, best +{beat.mfe_ticks} ticks"


def thesis_text(beat: PositionHeartbeat) -> str:
    """What the template that entered believed then and believes now."""
    side = "long" if beat.qty > 0 else "short"
    now = "is not known (a signal is not warm)" if beat.belief_e6 is None else f"is {beat.belief_e6 / _E6:.2f}"
    return f"{beat.template} {side}: belief {now}, was {beat.belief_entry_e6 / _E6:.2f} at the decision"


def ending_texts(beat: PositionHeartbeat) -> tuple[str, ...]:
    """What would end the trade, the nearest things first: an exit under way, stop, target, time, thesis, quality."""
    leaving = (f"{beat.leaving}: its exit is under way",) if beat.leaving else ()
    where = "at the broker" if beat.stop_resident else "NOT AT THE BROKER"
    stop = f"stop {_ticks(beat.stop_distance_ticks)}, {where}"
    target = f"target {_ticks(beat.target_distance_ticks)}"
    time = f"time stop in {_span(beat.time_left_ns)}"
    thesis = f"belief below {beat.belief_exit_e6 / _E6:.2f} for {_span(beat.thesis_wait_ns)}"
    if beat.thesis_low_ns:
        thesis += f" (has been for {_span(beat.thesis_low_ns)})"
    quality: tuple[str, ...] = ()
    if beat.quality_low_ns:
        scores = f"data {beat.dvs_c / 100:.2f}, execution {beat.eqs_c / 100:.2f}"
        quality = (f"scores below their hold gates for {_span(beat.quality_low_ns)} ({scores})",)
    session = () if beat.session_left_ns is None else (f"flatten before the close in {_span(beat.session_left_ns)}",)
    return *leaving, stop, target, time, thesis, *quality, *session


def held_rows(held: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of a status that show the open trade (`BotStatus.held`); nothing while there is none."""
    rows = [(name, held[field]) for field, name in _ROWS.items() if held.get(field)]
    return [(name, "; ".join(map(str, said)) if isinstance(said, list) else str(said)) for name, said in rows]


def _ticks(distance_ticks: int | None) -> str:
    if distance_ticks is None:
        return "at a distance not known"
    ticks = f"{abs(distance_ticks)} tick{'' if abs(distance_ticks) == 1 else 's'}"
    return f"{ticks} away" if distance_ticks >= 0 else f"passed by {ticks}"


def _span(span_ns: int) -> str:
    seconds = span_ns // NS_PER_S
    return f"{seconds} s" if seconds < 600 else f"{seconds // 60} min"
