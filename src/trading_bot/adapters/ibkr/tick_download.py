"""Historical ticks of a contract into Parquet files that `--input` reads, resumable.

Ticks come in pages of about a thousand that end with a whole second, so the next page begins with the second after it:
nothing is missed, nothing comes twice, and one full second cannot be asked for for ever. Each page is a file, written
whole before the progress is; what is cut between the two is written again under the same name. In the end the pages are
joined into one file.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError
from trading_bot.domain.units import NS_PER_S

What = Literal["TRADES", "BID_ASK"]
TICKS_A_PAGE: Final = 1_000  # most the broker gives at once (TWS API, reqHistoricalTicks)
_PAGES: Final = 60  # requests within `_WINDOW_S` before it slows down (TWS API, historical limitations)
_WINDOW_S: Final = 600.0
_PACED_CODE: Final = 162
_PACED_WAIT_S: Final = 15.0
_TRIES: Final = 5
_PROGRESS: Final = "progress.json"
_PAGE: Final = "page-"


class Progress(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How far a download is: `next_s` is the second it goes on with; what was asked for says whether it is the same."""

    con_id: int
    contract: str
    what: What
    begin_s: int
    end_s: int
    next_s: int
    ticks: int = 0
    pages: int = 0


def download(
    session: IbkrSession,
    bound: BoundContract,
    folder: Path,
    *,
    what: What,
    begin_s: int,
    end_s: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Progress:
    """Fetch the ticks of [begin_s, end_s) (seconds since the epoch) into `folder`, or go on where that was cut.

    Raises:
        UsageError: the folder holds another download, the end is not past yet, or pyarrow is missing.
        DataCorrupt: its progress cannot be read.
        SourceUnreachable: the broker does not answer.
    """
    _need_parquet()
    _refuse_future(session, end_s)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Progress(
        con_id=bound.con_id, contract=bound.local_symbol, what=what, begin_s=begin_s, end_s=end_s, next_s=begin_s
    )
    progress = _resumed(folder / _PROGRESS, fresh)
    asked_s: list[float] = []
    while progress.next_s < end_s:
        _pace(asked_s)
        ticks = [tick for tick in _page(session, bound, progress) if _second(tick) < end_s]
        if not ticks:
            progress.next_s = end_s
        else:
            _write_page(folder / f"{_PAGE}{progress.pages:06d}.parquet", what, ticks)
            progress.next_s = _second(ticks[-1]) + 1
            progress.ticks += len(ticks)
            progress.pages += 1
        _write_whole(folder / _PROGRESS, msgspec.json.format(msgspec.json.encode(progress)))
        if on_progress is not None:
            on_progress(min(progress.next_s, end_s) - begin_s, end_s - begin_s)
    _join(folder, progress)
    return progress


def _refuse_future(session: IbkrSession, end_s: int) -> None:
    """What has not happened yet would read as nothing."""
    answer = session.ask(session.ib.reqCurrentTimeAsync())
    if isinstance(answer, Unknown):
        raise SourceUnreachable(f"the gateway does not tell its time ({answer.reason}); try again")
    if end_s > answer.data.timestamp():
        raise UsageError(
            f"--end {_stamp(end_s)} is after the gateway's time, {answer.data:%Y%m%d-%H:%M:%S}: end earlier"
        )


def _resumed(path: Path, fresh: Progress) -> Progress:
    if not path.is_file():
        return fresh
    try:
        held = msgspec.json.decode(path.read_bytes(), type=Progress)
    except msgspec.DecodeError as error:
        raise DataCorrupt(f"{path}: {error}; remove the folder and begin again") from error
    same = ("con_id", "what", "begin_s", "end_s")
    if any(getattr(held, name) != getattr(fresh, name) for name in same):
        raise UsageError(
            f"{path.parent} holds {held.what} of {held.contract} from {_stamp(held.begin_s)} to {_stamp(held.end_s)}; "
            f"this download is {fresh.what} of {fresh.contract} from {_stamp(fresh.begin_s)} to {_stamp(fresh.end_s)}: "
            "choose another --out"
        )
    return held


def _page(session: IbkrSession, bound: BoundContract, progress: Progress) -> list[Any]:
    """The next page; a broker that has been asked too much is asked again, a few times."""
    answer: Any = Unknown("nothing was asked")
    for attempt in range(_TRIES):
        request = session.ib.reqHistoricalTicksAsync(
            bound.contract, _stamp(progress.next_s), "", TICKS_A_PAGE, progress.what, False
        )
        answer = session.ask(request, session.settings.request_timeout_s * 5)
        if not isinstance(answer, Unknown):
            return list(answer.data)
        if answer.code == _PACED_CODE and attempt + 1 < _TRIES:
            time.sleep(_PACED_WAIT_S)
    raise SourceUnreachable(
        f"the broker gives no ticks of {bound.local_symbol} from {_stamp(progress.next_s)} ({answer.reason}); what has "
        "come is kept: give the same command again to go on"
    )


def _pace(asked_s: list[float]) -> None:
    """At most so many pages in ten minutes."""
    now_s = time.monotonic()
    asked_s[:] = [at_s for at_s in asked_s if now_s - at_s < _WINDOW_S]
    if len(asked_s) >= _PAGES:
        time.sleep(max(asked_s[0] + _WINDOW_S - now_s, 0.0))
    asked_s.append(time.monotonic())


def _second(tick: Any) -> int:
    at_s: float = tick.time.timestamp()
    return round(at_s)


def _stamp(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, tz=UTC):%Y%m%d-%H:%M:%S}"


def _need_parquet() -> None:
    try:
        import pyarrow as pa  # noqa: F401 (found out before anything is asked)
    except ImportError as error:
        raise UsageError("writing Parquet needs the research extra: pip install 'trading-bot[research]'") from error


def _write_page(path: Path, what: What, ticks: list[Any]) -> None:
    """One page in the columns that docs/data-files.md knows; the broker's seconds are both stamps."""
    import pyarrow as pa
    from pyarrow import parquet

    stamps = pa.array([_second(tick) * NS_PER_S for tick in ticks], pa.int64())
    columns: dict[str, Any] = {"ts_event": stamps, "ts_recv": stamps}
    if what == "TRADES":
        columns["px"] = pa.array([tick.price for tick in ticks], pa.float64())
        columns["qty"] = pa.array([int(tick.size) for tick in ticks], pa.int64())
        columns["side"] = pa.array([""] * len(ticks), pa.string())  # the broker does not tell who crossed
    else:
        columns["bid"] = pa.array([tick.priceBid for tick in ticks], pa.float64())
        columns["bid_sz"] = pa.array([int(tick.sizeBid) for tick in ticks], pa.int64())
        columns["ask"] = pa.array([tick.priceAsk for tick in ticks], pa.float64())
        columns["ask_sz"] = pa.array([int(tick.sizeAsk) for tick in ticks], pa.int64())
    temporary = path.with_suffix(".tmp")
    parquet.write_table(pa.table(columns), temporary, compression="zstd")
    temporary.replace(path)


def _join(folder: Path, progress: Progress) -> None:
    """All pages as one file; they go when it stands."""
    import pyarrow as pa
    from pyarrow import parquet

    pages = sorted(folder.glob(f"{_PAGE}*.parquet"))
    if not pages:
        return
    first, last = (
        f"{datetime.fromtimestamp(at_s, tz=UTC):%Y%m%dT%H%M%SZ}" for at_s in (progress.begin_s, progress.end_s)
    )
    kind = "trades" if progress.what == "TRADES" else "quotes"
    whole = folder / f"{progress.contract}-{kind}-{first}-{last}.parquet"
    temporary = whole.with_suffix(".tmp")
    parquet.write_table(pa.concat_tables(parquet.read_table(page) for page in pages), temporary, compression="zstd")
    temporary.replace(whole)
    for page in pages:
        page.unlink()


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
