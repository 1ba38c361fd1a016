"""What earlier runs in a data directory left for the next one: money, breakers and learning, never from its future."""

from pathlib import Path
from typing import Any

import msgspec

from trading_bot.core.carried import Carried
from trading_bot.core.learning_file import FILE_NAME, LearningDocument, load_learning, save_learning
from trading_bot.core.learning_loop import LearningLoop
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, log_records
from trading_bot.domain.errors import BotError, DataCorrupt
from trading_bot.engines.costs import CostBook, Costs

_PREVIOUS = "learning_state.previous.json"


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What a new run starts from; `refused` is why the learning file was not believed, and what was done."""

    carried: Carried
    refused: events.LearningRefused | None


def last_end(run_folder: Path) -> events.RunEnded | None:
    """The last record of a run that ended in an orderly way; None for one that was cut, or is damaged."""
    try:
        last = session_logs(run_folder)[-1]
        with LogReader(last) as reader:
            ended: MessageFrame | None = None
            for item in reader.spans():
                ended = item if isinstance(item, MessageFrame) else None
            record = log_records.decode(ended.payload) if ended is not None and reader.closed else None
    except (BotError, OSError):
        # Whoever asks for that run by name is told what is wrong with it; here it has nothing to hand on.
        return None
    return record if isinstance(record, events.RunEnded) and record.carried else None


def left_behind(data_dir: Path, runs: list[Path], first_ts_ns: int) -> Left:
    """What the newest of `runs` (newest first) that ended before `first_ts_ns` left, and the learning state.

    A run whose market time lies ahead hands nothing on: its evidence would be knowledge of the future. So the same
    command given twice starts twice from the same state. The file of the learning state is a projection of the newest
    log: one that is damaged is refused and written anew from there. Where the newest of `runs` was cut and nobody goes
    on with it, the file it saved is all that is left of what it learned: a throttled template stays throttled.
    """
    ended = {run.name: end for run in runs if (end := last_end(run)) is not None}
    ends = list(ended.values())
    earlier = next((end for end in ends if end.ts_ns <= first_ts_ns), None)
    carried = Carried() if earlier is None else _decoded(earlier)
    # A latch has its own file; a position that another run left is the broker's to tell.
    carried = msgspec.structs.replace(carried, kill_reason=None, position_qty=0, eqs_min_c=100)
    document, refused = _learning_file(data_dir / FILE_NAME, ends)
    if document is not None:
        cut = bool(runs) and runs[0].name not in ended and runs[0].name in Path(document.log).parts
        if (carried.learning is None or cut) and newest_ns(document.state) <= first_ts_ns:
            costs = document.known_costs() or carried.costs
            carried = msgspec.structs.replace(carried, learning=document.state, costs=costs)
        if document.state != carried.learning:
            _set_aside(data_dir, document)
            if carried.learning is not None and any(name in Path(document.log).parts for name in ended):
                # An older file, put back: its run ended in order, so its log holds it, and people read what holds now.
                save_learning(data_dir / FILE_NAME, carried.learning, costs=carried.costs)
    return Left(carried=carried, refused=refused)


def reported_costs(runs: list[Path]) -> tuple[CostBook, bool] | None:
    """What the newest of `runs` (newest first) with any fill says of costs, and whether the fills were hypothetical.

    Fills of a broker count before those of a simulator.
    """
    found = [_decoded(end).costs for end in map(last_end, runs) if end is not None]
    for hypothetical in (False, True):
        for costs in found:
            book = costs.book(hypothetical=hypothetical)
            if book.lots:
                return book, hypothetical
    return None


def rebuild_learning(data_dir: Path, state: dict[str, Any], costs: Costs) -> events.LearningRefused | None:
    """Beside a log that was just replayed the file counts for nothing; a damaged one is told and written anew."""
    path = data_dir / FILE_NAME
    try:
        load_learning(path)
    except DataCorrupt as error:
        path.replace(path.with_suffix(".refused"))
        save_learning(path, state, costs=costs)
        return events.LearningRefused(ts_ns=0, reason=str(error), rebuilt_from="the log of this run")
    return None


def newest_ns(state: dict[str, Any]) -> int:
    """Time of the newest evidence in a learning state, 0 without any."""
    times = [0]
    for row in state["rows"]:
        times += [result[0] for name in ("real", "shadow") for result in row[name]]
        times.append(row["since_ns"])
    return max(times)


def _decoded(end: events.RunEnded) -> Carried:
    return msgspec.msgpack.decode(end.carried, type=Carried)


def _learning_file(
    path: Path, ends: list[events.RunEnded]
) -> tuple[LearningDocument | None, events.LearningRefused | None]:
    """What the file holds. A damaged one is kept beside, and written anew from the newest log."""
    try:
        document = load_learning(path)
        if document is not None:
            LearningLoop().load_from_dict(document.state)
            document.known_costs()
    except DataCorrupt as error:
        path.replace(path.with_suffix(".refused"))
        newest = next((found for end in ends if (found := _decoded(end)).learning is not None), Carried())
        source = (
            "the end of the newest log" if newest.learning is not None else "nothing: no earlier log ended in order"
        )
        state = newest.learning if newest.learning is not None else LearningLoop().export_to_dict()
        save_learning(path, state, costs=newest.costs)
        return load_learning(path), events.LearningRefused(ts_ns=0, reason=str(error), rebuilt_from=source)
    return document, None


def _set_aside(data_dir: Path, found: LearningDocument) -> None:
    """This run starts from something else than the file, and its saves replace it: one copy is kept."""
    save_learning(data_dir / _PREVIOUS, found.state, costs=found.known_costs(), log=found.log, seq=found.seq)
