"""A whole bot hears the same packets on both ways: ticks stepped by the kernel at once, or read by the library.

Same records, same stamps, same decisions, same orders: the logs are equal frame by frame. The market is the generator's
(docs/market-generator.md); its ticks travel as the broker's text, cut into packets by dice, among messages of others.
"""

import random
from itertools import pairwise

import pytest

from tests.core.worlds import BUILD, OPEN_NS, ROOT, documents
from tests.fastpath.frames import ACCOUNT, MES, SAMPLE, Line, quote, trade
from trading_bot._fast import ExchangeSim
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.core.event_log import LogReader
from trading_bot.core.opening import RunIdentity
from trading_bot.core.replay import replay, session_logs
from trading_bot.core.run_logs import FolderLogs
from trading_bot.core.runner import BotRunner
from trading_bot.domain import log_records
from trading_bot.domain.events import DecisionMade
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_S

MINUTES = 6


def packets(seed):
    """(receive time, bytes) in order: ticks, cut anywhere, a few at a time, with messages of the library's between."""
    dice = random.Random(seed)
    table = load_calendar("us_index.csv", ROOT / "data")
    feed = SimFeed(
        MES,
        table,
        seed=seed,
        start_ns=OPEN_NS,
        duration_ns=MINUTES * 60 * NS_PER_S,
        resolution_ns=10**9,
        batch_records=4096,
    )
    frames = []
    while (batch := feed.read()) is not None:
        for row in TICK_RECORD.iter_unpack(batch):
            at = row[8] // NS_PER_S
            if row[3] == FrameKind.QUOTE:
                frames.append((row[7], quote(str(row[9] / 4), str(row[10] / 4), str(row[11]), str(row[12]), at=at)))
            elif row[3] == FrameKind.TRADE:
                frames.append((row[7], trade(str(row[9] / 4), str(row[11]), at=at)))
    sent, pending = [], b""
    for ts_ns, frame in frames:
        pending += frame
        if dice.random() < 0.03:
            pending += dice.choice([ACCOUNT, SAMPLE])
        if dice.random() < 0.6:
            cut = len(pending) if dice.random() < 0.8 else dice.randrange(1, len(pending) + 1)
            sent.append((ts_ns, pending[:cut]))
            pending = pending[cut:]
    return sent


class Hands:
    """In place of a socket and a loop: each pump hears the next packet, or is idle until the next grid point."""

    def __init__(self, line, sent):
        self._line, self._sent, self._next = line, sent, 0
        self.armed = 0
        self.runner = None
        session = line.session
        session.clock = type("Clock", (), {"speed": 1.0})
        session.pump, session.decided, session.restamp = self.pump, lambda: None, lambda: None
        line.intake.set_clock(sent[0][0] - NS_PER_S, 0, 0.0)

    def pump(self, timeout_s):
        now_ns = self._line.intake.stamp()
        until_ns = now_ns + round(timeout_s * 1e9)
        if self._next == len(self._sent):
            self.runner.stop_asked = "the tape is over"
        elif self._sent[self._next][0] <= until_ns:
            ts_ns, packet = self._sent[self._next]
            self._next += 1
            self.armed += self._line.intake.armed
            self._line.intake.set_clock(ts_ns, 0, 0.0)
            self._line.intake.data_received(packet)
            self._line.intake.disarm()
            return
        self._line.intake.set_clock(until_ns, 0, 0.0)
        self._line.intake.stamp()


def run(folder, sent, *, fast):
    line = Line(fast=fast)
    hands = Hands(line, sent)
    exchange = ExchangeSim()
    hands.runner = runner = BotRunner(
        documents(),
        feed=line.feed,
        broker=SimBroker(exchange, suppress=True, instrument_id=MES.id),
        exchange=exchange,
        logs=FolderLogs(folder, run_id="test", segment_bytes=4 << 20, sync_s=0.05),
        identity=RunIdentity(run_id="test", build=BUILD),
    )
    runner.run()
    assert not line.session.failed
    return line, hands, runner


def frames_of(folder):
    """Every frame of the log: ticks as bytes, messages as what they say."""
    rows = []
    for log in session_logs(folder):
        with LogReader(log) as reader:
            for span in reader.spans():
                if hasattr(span, "count"):
                    rows += TICK_RECORD.iter_unpack(span.buffer)
                else:
                    rows.append(log_records.decode(span.payload))
    return rows


@pytest.mark.parametrize("seed", [3, 8])
def test_the_logs_of_both_ways_are_equal_frame_by_frame(tmp_path, seed):
    sent = packets(seed)
    assert all(before[0] <= after[0] for before, after in pairwise(sent))
    fast_line, hands, fast = run(tmp_path / "fast", sent, fast=True)
    _, _, slow = run(tmp_path / "slow", sent, fast=False)

    decisions = [row for row in frames_of(tmp_path / "fast") if isinstance(row, DecisionMade)]
    assert len(decisions) > 50
    assert len({row.reason for row in decisions}) > 2
    assert fast_line.intake.stepped > 0.9 * fast_line.intake.ticks > 1_000  # it was the fast way
    assert hands.armed > 500
    assert frames_of(tmp_path / "fast") == frames_of(tmp_path / "slow")
    assert fast.machine.run_digest.hexdigest() == slow.machine.run_digest.hexdigest()
    assert fast.machine.state.digest() == slow.machine.state.digest()
    assert fast.records == slow.records
    for log in session_logs(tmp_path / "fast"):
        assert replay(log, build=BUILD).ok
