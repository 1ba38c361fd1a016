"""Rows of a tick's way inside the process: the bytes of one packet to a decision, beside the client libraries."""

from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter_ns
from typing import Final

from tools.bench_harness import Beside, Row, Sizes, interleave, median, ratio_of
from tools.bench_kernel import fresh_kernel, log_for
from tools.bench_log import temporary
from tools.bench_peers import Peer
from tools.bench_stream import kernel_config, make_ticks
from tools.bench_wire_frames import TICK_SIZE, frame
from tools.bench_wire_processes import library_python

from trading_bot._fast import HotPath
from trading_bot._fast.door import Door
from trading_bot._fast.tws import TickIntake
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.kernel import KernelConfig, Outcome
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

LIBRARIES: Final = ("ib_insync", "ib_async")
DECODE_GOAL_RATIO: Final = 1 / 20
QUOTES_ID: Final = 7
TRADES_ID: Final = 8
_GRID_NS: Final = 100 * NS_PER_MS
_DOOR_RECORDS: Final = 4_096
_SILENCE_NS: Final = 1_800 * NS_PER_S
_NEVER_NS: Final = 2**62

Burst = tuple[int, list[bytes]]  # a moment of market time, and the packets heard then


def packet_of(record: tuple[int, ...]) -> bytes:
    """The message a gateway sends for a tick record, in the plain form: one packet."""
    ts_ns, kind, first, second, qty, ask_qty = record[7], record[3], *record[9:13]
    seconds = ts_ns // NS_PER_S
    if kind == FrameKind.QUOTE:
        return frame(99, QUOTES_ID, 3, seconds, _price(first), _price(second), qty, ask_qty, 0)
    return frame(99, TRADES_ID, 1, seconds, _price(first), qty, 0, "CME", "")


def bursts_of(ticks: bytes | bytearray) -> list[Burst]:
    """The stream's packets by the 100 ms of market time they fall into."""
    bursts: list[Burst] = []
    for record in TICK_RECORD.iter_unpack(ticks):
        at_ns = record[7] - record[7] % _GRID_NS
        if not bursts or bursts[-1][0] != at_ns:
            bursts.append((at_ns, []))
        bursts[-1][1].append(packet_of(record))
    return bursts


def decode_rows(sizes: Sizes) -> list[Row]:
    """Bytes to decision beside each library's bytes to handler; and bytes to record beside plain Python."""
    bursts = bursts_of(make_ticks(sizes.packets))
    packets = [packet for _, burst in bursts for packet in burst]
    config = kernel_config()
    sides: list[Callable[[], float]] = [
        lambda: decided(config, bursts, len(packets)),
        lambda: recorded(bursts, len(packets)),
        lambda: tight_python(packets),
    ]
    libraries = {
        name: Peer("bench_wire_decode.py", name, name, wanted=sizes.peers, find=library_python) for name in LIBRARIES
    }
    with ExitStack() as running:
        started = {name: running.enter_context(peer.started(b"".join(packets))) for name, peer in libraries.items()}
        there = {name: one_round for name, one_round in started.items() if one_round is not None}
        found = interleave([*sides, *there.values()], sizes.rounds)
    decision, record, python = found[:3]
    rounds = dict(zip(there, found[3:], strict=True))
    rows = []
    for name, peer in libraries.items():
        theirs = rounds.get(name)
        ratio = None if theirs is None else ratio_of(decision, theirs)
        rows.append(
            Row(
                name="tick, bytes to decision, one packet each, log on",
                unit="ns/packet",
                ours=median(decision),
                peer=Beside(f"{name}, bytes to handler", None if theirs is None else median(theirs)),
                floor=Beside("bytes to record, no kernel, no log", median(record)),
                ratio=ratio,
                goal="≤ 1/20 of peer",
                met=None if ratio is None else ratio <= DECODE_GOAL_RATIO,
                note=f"fastest round {min(decision):.0f} ns {peer.absent}",
            )
        )
    python_row = Row(
        name="tick, bytes to record, one packet each",
        unit="ns/packet",
        ours=median(record),
        peer=Beside("plain Python, written for speed", median(python)),
        ratio=ratio_of(record, python),
    )
    return [*rows, python_row]


def intake_and_door(on_news: Callable[[], None]) -> TickIntake:
    """An intake that watches both streams; whatever it would hand over or report is an error here."""
    instrument = instrument_by_symbol("MES")
    door = Door(instrument.id, instrument.tick_size_e9, _DOOR_RECORDS, _SILENCE_NS)
    intake = TickIntake(_unexpected, on_news, _unexpected)
    intake.watch([(QUOTES_ID, "BidAsk", door), (TRADES_ID, "Last", door)])
    return intake


def decided(config: KernelConfig, bursts: list[Burst], count: int) -> float:
    """Mean ns of a packet through the intake, the door, a log on disk and the kernel, candidates read at outcomes.

    Market time moves as in the stream, in steps of 100 ms; setting it is inside.
    """
    with temporary() as folder:
        log = log_for(folder, count)
        kernel = fresh_kernel(config, log)
        intake = intake_and_door(_nothing)
        intake.arm(kernel, _NEVER_NS, _reader(kernel))
        take, set_clock = intake.data_received, intake.set_clock
        began = perf_counter_ns()
        for at_ns, burst in bursts:
            set_clock(at_ns, 0, 0.0)
            for packet in burst:
                take(packet)
        took = perf_counter_ns() - began
        log.abandon()
    if intake.stepped != count or not intake.armed:
        raise RuntimeError(f"the kernel took {intake.stepped} of {count} ticks")
    return took / count


def recorded(bursts: list[Burst], count: int) -> float:
    """The same up to the record, which is kept: no kernel and no log."""
    intake = intake_and_door(_nothing)
    take, set_clock = intake.data_received, intake.set_clock
    began = perf_counter_ns()
    for at_ns, burst in bursts:
        set_clock(at_ns, 0, 0.0)
        for packet in burst:
            take(packet)
    took = perf_counter_ns() - began
    if intake.held != count:
        raise RuntimeError(f"{intake.held} of {count} ticks became records")
    return took / count


def tight_python(packets: list[bytes]) -> float:
    """Mean ns of a packet split and converted in one function, numbers handed to a function that does nothing."""
    began = perf_counter_ns()
    for packet in packets:
        _split(packet, _nobody)
    return (perf_counter_ns() - began) / len(packets)


def _split(packet: bytes, handler: Callable[..., None]) -> None:
    fields = packet[4 : 4 + int.from_bytes(packet[:4], "big")].split(b"\0")
    if fields[0] == b"99" and fields[2] == b"3":
        handler(int(fields[1]), int(fields[3]), float(fields[4]), float(fields[5]), float(fields[6]), float(fields[7]))
    else:
        handler(int(fields[1]), int(fields[3]), float(fields[4]), float(fields[5]))


def _reader(kernel: HotPath) -> Callable[[int], int]:
    """What an outcome needs at least: its candidates. The kernel goes on."""

    def on_outcome(code: int) -> int:
        if code & Outcome.LOG_FULL:
            raise RuntimeError("the bench's log is too small")
        if code & Outcome.CANDIDATE:
            kernel.candidates()
        return _NEVER_NS

    return on_outcome


def _price(ticks: int) -> str:
    return str(ticks * TICK_SIZE)


def _nothing() -> None:
    """Records wait."""


def _nobody(*_numbers: float) -> None:
    """A tick's numbers."""


def _unexpected(what: bytes | BaseException) -> None:
    if isinstance(what, BaseException):
        raise what
    raise RuntimeError(f"not decoded: {what!r}")
