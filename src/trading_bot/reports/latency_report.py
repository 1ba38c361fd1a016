"""What a log says of its run's latency: the stages over the whole run, and each order's way (docs/latency.md)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot._fast.histogram import Histogram
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.domain import log_records
from trading_bot.domain.events import LatencySampled
from trading_bot.domain.latency_events import LatencySummary, OrderTimed

Measured = LatencySummary | OrderTimed | LatencySampled

STAGES: Final = ("decode", "decide", "gate", "write", "tick_to_write", "ack", "fill", "loop_lag")
_TAGS: Final = (b"LATENCY_SUMMARY", b"ORDER_TIMED", b"LATENCY_SAMPLED")
_TAG_WITHIN: Final = 40  # `kind` is the first key of a payload
_OF_ORDERS: Final = ("gate", "write", "tick_to_write", "ack", "fill")


class StageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stage over the run, ns. Of `source` SUMMARIES percentiles are at most 1.6 % too high, of ORDERS exact."""

    stage: str
    source: str
    count: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One leg's way, ns of wall time (`OrderTimed`)."""

    seq: int
    order: str
    leg: str
    ts_ns: int
    decode_ns: int | None
    decide_ns: int | None
    gate_ns: int | None
    write_ns: int | None
    tick_to_write_ns: int | None
    ack_ns: int | None
    fill_ns: int | None


class LatencyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it. `problem` says why there is nothing; the clock offset is the newest, gateway minus ours."""

    log: str
    measured_s: float
    stages: tuple[StageRow, ...]
    orders: tuple[OrderRow, ...]
    packets: int
    frames: int
    ticks: int
    declined: int
    collections: int
    collection_ns_max: int
    clock_low_ns: int | None
    clock_high_ns: int | None
    clock_steps: int
    waiting_bytes_max: int
    waiting_inputs_max: int
    waiting_ticks_max: int
    decision_us_p99_max: float
    problem: str


def latency_report(folder: Path, logs: Sequence[Path]) -> LatencyReport:
    """Read the logs of one run.

    Raises:
        LogCorrupt: a record is damaged.
    """
    summaries: list[LatencySummary] = []
    orders: list[tuple[int, OrderTimed]] = []
    decision_us = 0.0
    sampled = modelled = 0
    for seq, record in _measured(logs):
        if isinstance(record, LatencySummary):
            summaries.append(record)
        elif isinstance(record, OrderTimed):
            orders.append((seq, record))
        else:
            decision_us = max(decision_us, record.decision_us_p99)
            sampled, modelled = sampled + 1, modelled + record.modelled
    newest = summaries[-1] if summaries else None
    return LatencyReport(
        log=str(folder),
        measured_s=sum(one.span_ns for one in summaries) / 1e9,
        stages=tuple(_stages(summaries, [order for _seq, order in orders])),
        orders=tuple(_order_row(seq, order) for seq, order in orders),
        packets=sum(one.packets for one in summaries),
        frames=sum(one.frames for one in summaries),
        ticks=sum(one.ticks for one in summaries),
        declined=sum(one.declined for one in summaries),
        collections=sum(one.collections for one in summaries),
        collection_ns_max=max((one.collection_ns_max for one in summaries), default=0),
        clock_low_ns=newest.clock_low_ns if newest else None,
        clock_high_ns=newest.clock_high_ns if newest else None,
        clock_steps=newest.clock_steps if newest else 0,
        waiting_bytes_max=max((one.waiting_bytes_max for one in summaries), default=0),
        waiting_inputs_max=max((one.waiting_inputs_max for one in summaries), default=0),
        waiting_ticks_max=max((one.waiting_ticks_max for one in summaries), default=0),
        decision_us_p99_max=decision_us,
        problem="" if summaries or orders else _why_nothing(sampled, modelled),
    )


def _why_nothing(sampled: int, modelled: int) -> str:
    if sampled > modelled:
        return "the run was shorter than the first summary (latency.summary_s), and sent no order"
    return "nothing was measured: a file or a simulator was read, not a gateway (--adapter ibkr)"


def _measured(logs: Sequence[Path]) -> Iterator[tuple[int, Measured]]:
    for log in logs:
        with LogReader(log) as reader:
            for item in reader.spans():
                # Only these are decoded: a day has a few hundred of them among millions of records.
                if isinstance(item, MessageFrame) and any(tag in bytes(item.payload[:_TAG_WITHIN]) for tag in _TAGS):
                    record = log_records.decode(item.payload)
                    if isinstance(record, Measured):
                        yield item.seq, record


def _stages(summaries: Sequence[LatencySummary], orders: Sequence[OrderTimed]) -> Iterator[StageRow]:
    for stage in STAGES:
        if stage in _OF_ORDERS:
            taken = sorted(ns for order in orders if (ns := getattr(order, f"{stage}_ns")) is not None)
            if taken:
                yield _exact(stage, taken)
            continue
        whole = Histogram()
        for summary in summaries:
            for times in summary.stages:
                if times.stage == stage:
                    whole.merge_packed(times.packed)
        if whole.count:
            yield StageRow(
                stage=stage,
                source="SUMMARIES",
                count=whole.count,
                p50_ns=whole.percentile(50),
                p90_ns=whole.percentile(90),
                p99_ns=whole.percentile(99),
                p999_ns=whole.percentile(99.9),
                max_ns=whole.maximum,
            )


def _exact(stage: str, taken: list[int]) -> StageRow:
    def rank(permille: int) -> int:
        return taken[max(-(-len(taken) * permille // 1_000), 1) - 1]  # nearest rank, rounded up

    return StageRow(
        stage=stage,
        source="ORDERS",
        count=len(taken),
        p50_ns=rank(500),
        p90_ns=rank(900),
        p99_ns=rank(990),
        p999_ns=rank(999),
        max_ns=taken[-1],
    )


def _order_row(seq: int, timed: OrderTimed) -> OrderRow:
    return OrderRow(
        seq=seq,
        order=f"{timed.order_id[0]}-{timed.order_id[1]}",
        leg=timed.leg.name,
        ts_ns=timed.ts_ns,
        decode_ns=timed.decode_ns,
        decide_ns=timed.decide_ns,
        gate_ns=timed.gate_ns,
        write_ns=timed.write_ns,
        tick_to_write_ns=timed.tick_to_write_ns,
        ack_ns=timed.ack_ns,
        fill_ns=timed.fill_ns,
    )
