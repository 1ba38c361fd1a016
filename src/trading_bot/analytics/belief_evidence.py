"""What each signal had put into the belief of each trade: recomputed by playing the logs up to their decisions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from trading_bot.build_digest import build_digest
from trading_bot.core.log_reader import LogReader
from trading_bot.core.player import Player
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event, OutcomeReached
from trading_bot.reports.belief_parts import belief_parts
from trading_bot.reports.fact_records import TradeFact


class BeliefEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Weight times what entered, for the trade's own side, by (log, trade id) and signal; None: no value then.

    `unread` names the logs that another build wrote: nothing is recomputed there.
    """

    products: dict[tuple[str, str], dict[str, float | None]]
    unread: tuple[str, ...]


def read_beliefs(trades: Iterable[TradeFact]) -> BeliefEvidence:
    """Play the logs of these trades.

    Raises:
        ReplayDiverged: a log does not follow from its inputs: nothing is to be learned from it.
        LogCorrupt: a damaged record.
    """
    by_log: dict[str, list[TradeFact]] = defaultdict(list)
    for trade in trades:
        if trade.outcome_seq:
            by_log[trade.log].append(trade)
    products: dict[tuple[str, str], dict[str, float | None]] = {}
    unread = []
    for log, held in by_log.items():
        found = _of_log(Path(log), held)
        if found is None:
            unread.append(log)
            continue
        products.update(((log, trade_id), parts) for trade_id, parts in found.items())
    return BeliefEvidence(products=products, unread=tuple(unread))


def _of_log(log: Path, trades: Sequence[TradeFact]) -> dict[str, dict[str, float | None]] | None:
    """By trade; None for a log of another build."""
    wanted: dict[int, list[TradeFact]] = defaultdict(list)
    for trade in trades:
        wanted[trade.outcome_seq].append(trade)
    found: dict[str, dict[str, float | None]] = {}

    def look(record: Event | Effect) -> None:
        # Deciding about an outcome moves no signal: after it the kernel stands as it did when it was found.
        if isinstance(record, OutcomeReached) and player.last_seq in wanted and player.compared:
            for trade in wanted[player.last_seq]:
                found[trade.trade_id] = _products(player, trade)

    player = Player(build=build_digest(), on_message=look)
    with LogReader(log) as reader:
        player.play(reader.spans(), until_seq=max(wanted))
    return found if player.compared else None


def _products(player: Player, trade: TradeFact) -> dict[str, float | None]:
    assert player.machine is not None
    state = player.machine.state
    index = state.template_names.index(trade.template)
    return {part.signal: part.product for part in belief_parts(state, index, trade.sign).signals}
