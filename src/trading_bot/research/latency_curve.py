"""Profit and loss against latency: the same market, run again with the simulator's latencies longer and shorter."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.config_files import RunOptions
from trading_bot.core.event_log import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import effects, events, log_records, trade_events
from trading_bot.domain.errors import UsageError
from trading_bot.domain.orders import ClientOrderId, Leg
from trading_bot.domain.units import NS_PER_MS
from trading_bot.research.latency_model import read_samples
from trading_bot.wiring import run

SCALES: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
SCALE_MAX: Final = 100.0


class LatencyPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the curve.

    `trip_ms_p50` and `trip_ms_p99` are from an order to its first answer as they came out, None without one. `pnl_usd`
    is net of commissions. An entry is `missed` when it ended, or the run did, without a fill.
    """

    scale: float
    trip_ms_p50: float | None
    trip_ms_p99: float | None
    pnl_usd: float
    entries: int
    filled: int
    missed: int
    rejected: int
    fills: int
    trades: int
    exit_reason: str
    exit_code: int
    effects_digest: str
    log_path: str


class LatencyCurve(msgspec.Struct, frozen=True, kw_only=True):
    """A curve and what it was drawn from; `latency_model` is empty where the latencies are constants."""

    instrument: str
    mode: str
    inputs: tuple[str, ...]
    seed: int | None
    latency_model: str
    points: tuple[LatencyPoint, ...]


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the entries in a log."""

    placed: int
    filled: int
    missed: int
    rejected: int


def latency_curve(
    options: RunOptions, scales: Sequence[float], folder: Path, on_point: Callable[[LatencyPoint], None] | None = None
) -> LatencyCurve:
    """Run `options` once for each scale, each in its own folder below `folder`, so that no run learns from another.

    Raises:
        UsageError: scales that are none, or out of range.
        BotError: as a run does.
    """
    if not scales or not all(0 <= scale <= SCALE_MAX for scale in scales):
        raise UsageError(f"--scales is {', '.join(f'{scale:g}' for scale in scales)}; expected numbers from 0 to 100")
    points = []
    for scale in dict.fromkeys(scales):
        points.append(_point(options, scale, folder / f"x{scale:g}"))
        if on_point is not None:
            on_point(points[-1])
    settings = options.loaded.config
    return LatencyCurve(
        instrument=settings.run.instrument,
        mode=settings.run.mode,
        inputs=tuple(str(path) for path in options.inputs),
        seed=options.seed,
        latency_model=settings.simulator.latency_model,
        points=tuple(points),
    )


def _point(options: RunOptions, scale: float, folder: Path) -> LatencyPoint:
    loaded = options.loaded
    simulator = msgspec.structs.replace(
        loaded.config.simulator, latency_scale=loaded.config.simulator.latency_scale * scale
    )
    config = msgspec.structs.replace(loaded.config, simulator=simulator)
    loaded = msgspec.structs.replace(loaded, config=config)
    summary = run(msgspec.structs.replace(options, loaded=loaded, data_dir=folder))
    entries = entries_of(Path(summary.log_path))
    trips_ns = sorted(sample.entry_ns + sample.response_ns for sample in read_samples(Path(summary.log_path)).samples)
    return LatencyPoint(
        scale=scale,
        trip_ms_p50=_percentile_ms(trips_ns, 50),
        trip_ms_p99=_percentile_ms(trips_ns, 99),
        pnl_usd=summary.pnl_net_usd + summary.pnl_hypothetical,
        entries=entries.placed,
        filled=entries.filled,
        missed=entries.missed,
        rejected=entries.rejected,
        fills=summary.fills,
        trades=summary.trades_closed,
        exit_reason=summary.exit_reason,
        exit_code=summary.exit_code,
        effects_digest=summary.effects_digest,
        log_path=summary.log_path,
    )


def entries_of(path: Path) -> Entries:
    """The entries in a run's logs, each counted once.

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged log.
    """
    placed = filled = rejected = 0
    for log in session_logs(path):
        sent: set[ClientOrderId] = set()
        hit: set[ClientOrderId] = set()
        refused: set[ClientOrderId] = set()
        with LogReader(log) as reader:
            for item in reader.spans():
                if not isinstance(item, MessageFrame):
                    continue
                match log_records.decode(item.payload):
                    case effects.PlaceOrder() as effect:
                        sent.add(effect.order.order_id)
                    case trade_events.OrderFilled(leg=Leg.ENTRY) as fill:
                        hit.add(fill.order_id)
                    case events.OrderRejected(leg=Leg.ENTRY) as refusal:
                        refused.add(refusal.order_id)
                    case _:
                        pass  # says nothing about an entry's end
        placed += len(sent)
        filled += len(sent & hit)
        rejected += len((sent & refused) - hit)
    return Entries(placed=placed, filled=filled, missed=placed - filled - rejected, rejected=rejected)


def _percentile_ms(ordered_ns: Sequence[int], percent: int) -> float | None:
    """By nearest rank."""
    return ordered_ns[-(-len(ordered_ns) * percent // 100) - 1] / NS_PER_MS if ordered_ns else None
