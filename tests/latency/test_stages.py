"""EX17: seven stamps of an order become its times; written with a clock and an intake of the test's own."""

from types import SimpleNamespace

import pytest

from trading_bot.adapters.ibkr.stages import Stages
from trading_bot.domain.orders import Leg

US = 1_000
MS = 1_000_000
S = 1_000 * MS
ME, OTHER = 7, 8
ENTRY = (41, 0)


class Way:
    """Time passes only where a test says so; the intake has the packet at hand."""

    def __init__(self, wait_s=12.0):
        self.now_ns = 10 * S
        self.intake = SimpleNamespace(socket_ns=0, decoded_ns=0, decided_ns=0, tick_ts_ns=0)
        self.stages = Stages(self.intake, ME, wait_s, lambda: self.now_ns)

    def packet(self, after_ns=MS, *, tick_ts_ns=0):
        self.now_ns += after_ns
        self.intake.socket_ns, self.intake.tick_ts_ns = self.now_ns, tick_ts_ns or self.intake.tick_ts_ns

    def tick(self, tick_ts_ns=5, *, decided=True):
        """A packet with a tick; 7 us to records, 3 us to the outcome."""
        self.packet(tick_ts_ns=tick_ts_ns)
        self.intake.decoded_ns = self.now_ns + 7 * US
        self.now_ns = self.intake.decoded_ns + 3 * US
        if decided:
            self.intake.decided_ns = self.now_ns
        self.stages.deciding = decided

    def send(self, *orders, ts_ns=5, waits=False):
        """60 us of gate and log, 20 us to the socket."""
        self.now_ns += 60 * US
        self.stages.gated(ts_ns)
        self.now_ns += 20 * US
        self.stages.written(waits=waits)
        for api_id, order_id, leg in orders:
            self.stages.sent(api_id, order_id, leg)
        self.stages.deciding = False

    def bracket(self, **how):
        self.send((100, ENTRY, Leg.ENTRY), (101, ENTRY, Leg.TARGET), (102, ENTRY, Leg.STOP), **how)

    def status(self, api_id, status="Submitted", client=ME):
        self.packet()
        self.stages.on_status(api_id, status, 0, 1, 0.0, 1, 0, 0.0, client, "", 0.0)

    def execution(self, api_id, client=ME):
        self.packet()
        self.stages.on_execution(-1, None, SimpleNamespace(orderId=api_id, clientId=client))


@pytest.fixture
def way():
    return Way()


def only(rows):
    (row,) = rows
    return row


def test_an_entry_of_a_tick_has_all_of_its_times(way):
    way.tick()
    way.bracket()
    way.status(100, "PreSubmitted")
    assert way.stages.due() == []
    way.now_ns += 40 * MS
    way.execution(100)
    told = only(way.stages.due())
    assert (told.order_id, told.leg) == (ENTRY, Leg.ENTRY)
    assert (told.decode_ns, told.decide_ns, told.gate_ns, told.write_ns) == (7 * US, 3 * US, 60 * US, 20 * US)
    assert told.tick_to_write_ns == 90 * US
    assert (told.ack_ns, told.fill_ns) == (MS, 42 * MS)
    assert way.stages.due() == []


def test_stop_and_target_tell_their_answer_alone(way):
    way.tick()
    way.bracket()
    way.status(101)
    way.status(102)
    for told, leg, ack_ns in zip(way.stages.due(), (Leg.TARGET, Leg.STOP), (MS, 2 * MS), strict=True):
        assert (told.leg, told.ack_ns) == (leg, ack_ns)
        assert (told.tick_to_write_ns, told.write_ns, told.fill_ns) == (None, None, None)


def test_the_first_word_counts_and_is_the_packet_it_came_in(way):
    way.tick()
    way.bracket()
    way.packet()
    way.now_ns += 300 * US  # the library takes its time before it calls
    way.stages.on_open_order(101, None, SimpleNamespace(clientId=ME, whatIf=False), None)
    way.status(101)
    assert only(way.stages.due()).ack_ns == MS


@pytest.mark.parametrize("answer", ["error", "execution"])
def test_a_rejection_and_a_fill_are_answers(way, answer):
    way.tick()
    way.bracket()
    way.packet()
    if answer == "error":
        way.stages.on_error(100, 201, "refused")
        way.status(100, "Inactive")
    else:
        way.stages.on_execution(-1, None, SimpleNamespace(orderId=100, clientId=ME))
    told = only(way.stages.due())
    assert (told.ack_ns, told.fill_ns) == (MS, None if answer == "error" else MS)


def test_what_is_not_answered_is_told_when_the_wait_is_over(way):
    way.tick()
    way.bracket()
    way.status(100)
    way.now_ns += 12 * S - 2 * MS
    assert way.stages.due() == []
    way.now_ns += 2 * MS
    entry, target, stop = way.stages.due()
    assert (entry.ack_ns, entry.fill_ns) == (MS, None)
    assert (target.ack_ns, stop.ack_ns) == (None, None)
    assert {told.waited_ns for told in (entry, target, stop)} == {12 * S + MS}


def test_an_entry_that_was_withdrawn_is_complete(way):
    way.tick()
    way.bracket()
    way.status(100)
    way.status(100, "Cancelled")
    assert only(way.stages.due()).fill_ns is None


def test_a_timers_order_has_no_tick(way):
    way.tick(tick_ts_ns=5)
    way.stages.deciding = False
    way.send((9, ENTRY, Leg.EXIT), ts_ns=6)
    way.execution(9)
    told = only(way.stages.due())
    assert (told.decode_ns, told.decide_ns, told.gate_ns, told.tick_to_write_ns) == (None, None, None, None)
    assert (told.write_ns, told.fill_ns) == (20 * US, MS)


def test_an_order_of_a_tick_that_the_kernel_took_later_has_the_decision_in_its_gate(way):
    """Without the fast path nobody stamps the outcome."""
    way.tick(tick_ts_ns=5, decided=False)
    way.send((9, ENTRY, Leg.EXIT), ts_ns=5)
    way.execution(9)
    told = only(way.stages.due())
    assert (told.decode_ns, told.decide_ns, told.gate_ns) == (7 * US, None, 63 * US)
    assert told.tick_to_write_ns == 90 * US


def test_what_waits_for_its_second_is_not_timed(way):
    way.tick()
    way.bracket(waits=True)
    way.status(100)
    way.now_ns += 60 * S
    assert way.stages.due() == []


def test_words_of_other_clients_say_nothing_of_ours(way):
    way.tick()
    way.bracket()
    way.status(101, client=OTHER)
    way.execution(100, client=OTHER)
    way.stages.on_open_order(102, None, SimpleNamespace(clientId=OTHER, whatIf=False), None)
    assert way.stages.due() == []


def test_the_histograms_have_what_was_told(way):
    way.tick()
    way.bracket()
    for api_id in (100, 101, 102):
        way.status(api_id)
    way.execution(100)
    way.stages.due()
    counts = {name: histogram.count for name, histogram in way.stages.histograms.items()}
    assert counts == {"gate": 1, "write": 1, "tick_to_write": 1, "ack": 3, "fill": 1}
    assert way.stages.histograms["tick_to_write"].maximum == 90 * US
