"""The bench of the wire: what it counts as lost, what it takes for an order, and that each of its processes answers."""

import struct
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from tools.bench_decode import bursts_of, decided, packet_of, recorded
from tools.bench_stream import kernel_config, make_ticks
from tools.bench_wire import lag_of
from tools.bench_wire_frames import ORDER_BYTES, canned_order, frame, number_of, tick
from tools.bench_wire_processes import Sent, Wire, library_python

from trading_bot.domain.records import TICK_RECORD

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))  # as for the processes, which are run by path

import bench_wire_bare  # noqa: E402
import bench_wire_decode  # noqa: E402
import bench_wire_relay  # noqa: E402


class TestFrames:
    def test_a_tick_is_the_message_of_the_protocol_and_carries_its_number(self):
        """TickByTick 99: request, 3 (BidAsk), seconds, bid, ask, bid size, ask size, mask (TWS API)."""
        data = tick(7, 41)
        (length,) = struct.unpack(">I", data[:4])
        assert length == len(data) - 4
        fields = data[4:].decode().split("\0")
        assert fields[:3] == ["99", "7", "3"]
        assert float(fields[5]) - float(fields[4]) == 0.25
        assert fields[6] == "42"
        assert len(fields) == 10
        assert fields[-1] == ""
        assert number_of(data) == 41

    def test_what_stands_for_orders_is_whole_messages_of_their_size(self):
        assert len(bench_wire_relay.messages_of(canned_order(3))) == 3
        assert len(canned_order(3)) == 3 * ORDER_BYTES

    def test_the_stream_becomes_one_packet_a_record(self):
        ticks = bytes(make_ticks(600))
        packets = [packet for _, burst in bursts_of(ticks) for packet in burst]
        assert len(packets) == 600
        assert bench_wire_decode.packets_of(b"".join(packets)) == packets
        quote, trade = packets[0], packets[5]
        assert quote[4:].split(b"\0")[2] == b"3"
        assert trade[4:].split(b"\0")[2] == b"1"
        assert packet_of(next(TICK_RECORD.iter_unpack(ticks))) == quote


class TestLag:
    SENT = Sent(array("q", [1_000, 2_000, 3_000, 4_000]), 1.0, 0.0)

    def lag(self, *numbers):
        return lag_of(self.SENT, array("q", numbers), array("q", [5_000 + 1_000 * number for number in numbers]))

    def test_each_tick_once_and_in_order(self):
        lag = self.lag(0, 1, 2, 3)
        assert lag.wrong == 0
        assert lag.lags_us == [4.0, 4.0, 4.0, 4.0]

    @pytest.mark.parametrize(
        ("numbers", "wrong"),
        [((0, 1, 3), 1), ((0, 1, 2), 1), ((), 4), ((0, 1, 1, 2, 3), 1), ((0, 2, 1, 3), 2)],
        ids=["lost", "lost at the end", "nothing came", "twice", "out of order"],
    )
    def test_what_is_lost_doubled_or_out_of_order_is_counted(self, numbers, wrong):
        assert self.lag(*numbers).wrong == wrong


class TestRelay:
    def test_kinds_of_a_packet(self):
        assert bench_wire_relay.kinds_of(frame(99, 1) + frame(3, "x")) == ["99", "3"]
        assert bench_wire_relay.kinds_of(frame(99, 1)[:-1]) == []


def test_every_tick_of_the_stream_is_decoded_and_taken_by_the_kernel():
    """`decided` and `recorded` raise where one is handed to the library, refused at the door or left over."""
    bursts = bursts_of(make_ticks(1_200))
    assert decided(kernel_config(), bursts, 1_200) > 0
    assert recorded(bursts, 1_200) > 0


@pytest.mark.parametrize("library", ["ib_insync", "ib_async"])
class TestStock:
    """The library's side of each row, where the library is there: the tables of `--quick` leave it out."""

    @staticmethod
    def python(library):
        found = library_python(library)
        if found is None:
            pytest.skip(f"{library} is not installed")
        return found

    def test_a_handler_hears_every_packet(self, library, tmp_path):
        packets = tmp_path / "packets.bin"
        packets.write_bytes(b"".join(packet for _, burst in bursts_of(make_ticks(60)) for packet in burst))
        command = [self.python(library), TOOLS / "bench_wire_decode.py", packets, library]
        done = subprocess.run(command, input="go\n", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr  # it ends with 1 when the handler missed one
        assert '"ns"' in done.stdout.splitlines()[1]

    def test_it_answers_with_an_order_and_hears_every_tick(self, library):
        python = self.python(library)
        with Wire() as wire:
            line = wire.client("bench_wire_stock.py", library, "PORT", "uvloop", "1", python=python)
            assert all(wait > 0 for wait in wire.turns(line, count=5, pause_us=0))
            path = wire.folder / "received.bin"
            line = wire.client("bench_wire_stock.py", library, "PORT", "asyncio", "0", str(path), python=python)
            sent = wire.stream(line, rate=2_000, count=100)
            wire.hang_up(line)
            both = array("q")
            both.frombytes(path.read_bytes())
        lag = lag_of(sent, both[:100], both[100:])
        assert lag.wrong == 0
        assert min(lag.lags_us) > 0


def test_ticks_that_a_packet_cuts_count_when_they_are_whole():
    whole = tick(1, 0) + tick(1, 1)
    heard = [(10, whole[:5]), (20, whole[5:-3]), (30, whole[-3:])]
    numbers, stamps = bench_wire_bare.numbers_of(heard)
    assert list(numbers) == [0, 1]
    assert list(stamps) == [20, 30]


def test_canned_answers_without_a_loop():
    with Wire() as wire:
        line = wire.client("bench_wire_bare.py", "PORT", "blocking", "3")
        assert all(wait > 0 for wait in wire.turns(line, count=5, pause_us=100, orders=3))
