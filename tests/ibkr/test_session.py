"""Connecting, the pump, stamps, what a callback raises, and what leaves the process when (docs/adr/0017)."""

import logging
import socket
import time

import msgspec
import pytest

from tests.ibkr.rig import connected
from tests.ibkr.test_reconnect import silent_server
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.library import library
from trading_bot.adapters.ibkr.pacing import Lane
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.events import LatencySampled

START_NS = 1_795_616_400 * 10**9  # 2026-11-25T14:20:00Z, the gateway's default start


@pytest.fixture
def gateway():
    with running_gateway() as running:
        yield running


# --- connecting


def _refusal(**changes):
    session = IbkrSession(IbkrSettings(**({"host": "127.0.0.1", "client_id": 3, "connect_timeout_s": 0.4} | changes)))
    began = time.monotonic()
    with pytest.raises((SourceUnreachable, UsageError)) as raised:
        session.connect()
    assert session.loop.is_closed()
    return raised.value, time.monotonic() - began


def test_nothing_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    error, took_s = _refusal(port=port, connect_timeout_s=10)
    assert isinstance(error, SourceUnreachable)
    assert error.exit_code == 3
    assert f"127.0.0.1:{port}" in str(error)
    assert took_s < 1


def test_a_half_open_gateway_is_given_up_in_time():
    with silent_server() as port:
        error, took_s = _refusal(port=port)
    assert isinstance(error, SourceUnreachable)
    assert "handshake within 0.4 s" in str(error)
    assert 0.4 <= took_s < 1.5


def test_a_gateway_that_hangs_up_says_so_at_once(gateway):
    gateway.call(lambda served: served.scenario.do("refuse_connections"))
    error, took_s = _refusal(port=gateway.port, connect_timeout_s=10)
    assert isinstance(error, SourceUnreachable)
    assert took_s < 1


def test_a_stalled_gateway_is_given_up_in_time(gateway):
    gateway.call(lambda served: served.scenario.do("stall"))
    error, took_s = _refusal(port=gateway.port)
    assert "handshake" in str(error)
    assert took_s < 1.5


def test_a_taken_client_id_fails_at_once_and_names_it(gateway):
    with connected(gateway, client_id=3):
        error, took_s = _refusal(port=gateway.port, connect_timeout_s=10)
    assert isinstance(error, SourceUnreachable)
    assert "client id 3" in str(error)
    assert took_s < 1


def test_an_account_that_the_login_does_not_have(gateway):
    error, _ = _refusal(port=gateway.port, account="DU999")
    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    assert "DU999" in str(error)
    assert "DUSIM1" in str(error)


def test_the_only_account_is_taken(gateway):
    with connected(gateway) as session:
        assert session.account == "DUSIM1"
        assert session.accounts == ("DUSIM1",)
        assert session.server_version in {176, 178}


def test_several_accounts_have_to_be_chosen_from(gateway):
    gateway.call(_two_accounts)
    error, _ = _refusal(port=gateway.port)
    assert isinstance(error, UsageError)
    assert "DUSIM1, DUSIM2" in str(error)
    with connected(gateway, account="DUSIM2") as session:
        assert session.account == "DUSIM2"


def _two_accounts(gateway):
    msgspec.structs.force_setattr(gateway.config, "account", "DUSIM1,DUSIM2")  # it offers one alone


def test_a_login_without_an_account_yet_is_given_up_in_time(gateway):
    gateway.call(lambda served: served.scenario.do("hide_accounts"))
    error, _ = _refusal(port=gateway.port)
    assert isinstance(error, SourceUnreachable)
    assert "not logged in" in str(error)


# --- time


def test_the_gateways_clock_is_read_closely():
    with running_gateway(speed=50.0) as fast, connected(fast, speed=50.0) as session:
        before = session.clock.now_ns()
        theirs = fast.call(lambda served: served.clock.now_ns())
        after = session.clock.now_ns()
        # A millisecond of the wall is 50 of the market; the answers come in whole seconds.
        assert before - 0.5e9 < theirs < after + 0.5e9
        assert theirs > START_NS
        assert session.clock.speed == 50.0


def test_stamps_never_run_backwards(gateway):
    with connected(gateway) as session:
        stamps = []
        for number in range(100):
            session.notice(number, "x")
            stamps.append(session.stamp())
        told = [event.ts_ns for event in session.inputs]
        assert stamps == sorted(stamps)
        assert told == sorted(told)
        later = session.stamp() + 10**12
        session.not_before(later)  # the clock is behind what was stamped
        session.notice(0, "x")
        assert session.inputs[-1].ts_ns == later


def test_what_was_told_before_the_run_is_told_as_of_now(gateway):
    with connected(gateway) as session:
        session.inputs.clear()
        session.notice(1, "first")
        session.notice(2, "second")
        queue, then_ns = session.inputs, session.stamp()
        session.restamp()
        assert [event.code for event in session.inputs] == [1, 2]
        assert session.inputs is queue
        assert all(event.ts_ns >= then_ns for event in session.inputs)


# --- the pump


def test_the_pump_ends_when_something_came_and_not_before(gateway):
    with connected(gateway) as session:
        session.inputs.clear()
        session.pump(0)
        began = time.monotonic()
        session.pump(0.15)
        assert time.monotonic() - began >= 0.14
        session.loop.call_later(0.05, session.notice, 7, "now")
        began = time.monotonic()
        session.pump(5)
        assert 0.04 < time.monotonic() - began < 1
        assert [event.code for event in session.inputs] == [7]


def test_what_is_told_outside_the_pump_does_not_wait_for_it(gateway):
    with connected(gateway) as session:
        session.pump(0)
        session.notice(7, "now")
        began = time.monotonic()
        session.pump(5)
        assert time.monotonic() - began < 1


def test_what_a_callback_raises_reaches_the_run(gateway):
    with connected(gateway) as session:
        session.listen("currentTime", lambda _seconds: 1 / 0)
        session.ib.client.reqCurrentTime()
        with pytest.raises(ZeroDivisionError):
            for _ in range(100):
                session.pump(0.05)


def test_listeners_hear_before_the_library_and_one_that_left_hears_nothing(gateway):
    with connected(gateway) as session:
        order = []
        session.listen("currentTime", lambda _seconds: order.append("ours"))
        wrapper, real = session.ib.wrapper, session.ib.wrapper.currentTime
        wrapper.currentTime = lambda seconds: (order.append("library"), real(seconds))
        session._tap.__dict__.pop("currentTime", None)
        session.ib.client.decoder.handlers[49] = session.ib.client.decoder.wrap("currentTime", [int])
        assert isinstance(session.ask(session.current_time()), Known)
        session.pump(0)
        assert order == ["ours", "library"]
        assert isinstance(session.ask(session.current_time()), Known)
        assert session._tap._listeners["currentTime"][1:] == ()  # the questions' own listeners are gone


def test_a_message_that_cannot_be_decoded_is_told(gateway):
    with connected(gateway) as session:
        session.inputs.clear()
        gateway.call(lambda served: [client.send(49, 1, "noon") for client in served.clients.values()])
        for _ in range(100):
            session.pump(0.02)
            if session.inputs:
                break
        assert isinstance(session.inputs[0], BrokerNotice)
        assert "noon" in session.inputs[0].text


def test_the_librarys_loggers_are_left_as_they_were(gateway):
    logger = logging.getLogger(library().__name__)
    before, logger.level = logger.level, logging.INFO
    try:
        with connected(gateway):
            assert logger.level == logging.CRITICAL
        assert logger.level == logging.INFO
    finally:
        logger.level = before
    assert logging.getLogger(f"{logger.name}.Decoder").handlers == []


def test_a_question_that_is_not_answered_is_unknown(gateway):
    with connected(gateway, request_timeout_s=0.2) as session:
        gateway.call(lambda served: served.scenario.do("stall"))
        answer = session.ask(session.current_time())
        assert answer == Unknown("no answer within 0.2 s")


def test_a_question_whose_connection_breaks_is_unknown(gateway):
    with connected(gateway) as session:
        gateway.call(lambda served: served.scenario.do("stall"))
        question = session.ib.reqPositionsAsync()
        gateway.call(lambda served: served.scenario.do("drop_clients"))
        answer = session.ask(question)
        assert isinstance(answer, Unknown)
        assert "connection" in answer.reason


def test_a_question_that_is_refused_is_unknown_with_its_code(gateway):
    with connected(gateway) as session:
        query = session.lib.Contract(secType="FUT", symbol="NOSUCH", exchange="CME", currency="USD")
        answer = session.ask(session.ib.reqContractDetailsAsync(query))
        assert isinstance(answer, Unknown)
        assert answer.code == 200


# --- sending


def test_what_is_sent_outside_the_loop_has_left_before_the_pump_runs(gateway):
    with connected(gateway) as session:
        before = gateway.call(_heard)
        assert session.send(Lane.PROTECT, session.ib.client.reqCurrentTime)
        for _ in range(200):
            if gateway.call(_heard) > before:
                break
            time.sleep(0.005)
        assert gateway.call(_heard) == before + 1  # and our loop has not run


def _heard(gateway):
    (client,) = gateway.clients.values()
    return client.frames_in


def test_an_entry_is_refused_when_the_second_is_full_and_a_cancel_is_not(gateway):
    with connected(gateway, messages_per_s_max=20, messages_reserved=5) as session:
        time.sleep(1.05)  # what connecting sent has left the second
        client = session.ib.client

        def bracket():
            for _ in range(3):
                client.reqCurrentTime()

        sent = [session.send(Lane.ENTRY, bracket, messages=3) for _ in range(6)]
        assert sent == [True] * 5 + [False]
        assert session.send(Lane.PROTECT, client.reqCurrentTime)
        assert session.outbox.waiting == 0


def test_nothing_is_sent_without_a_connection(gateway):
    with connected(gateway) as session:
        session.hang_up()
        session.pump(0.05)
        called = []
        assert not session.send(Lane.PROTECT, lambda: called.append(1))
        assert called == []


def test_a_burst_of_questions_stays_below_the_gateways_limit(gateway):
    with connected(gateway) as session:
        heard = []
        session.listen("currentTime", heard.append)
        for _ in range(120):
            session.ib.client.reqCurrentTime()
        end_s = time.monotonic() + 8
        while len(heard) < 120:
            assert time.monotonic() < end_s
            session.pump(0.05)
        assert session.connected
        assert not [event for event in session.inputs if isinstance(event, BrokerNotice)]


# --- latency


def test_the_latency_is_told_each_second_of_the_wall(gateway):
    with connected(gateway) as session:
        session.notice(0, "told while connecting")
        time.sleep(0.6)  # until the run begins: no decision waits
        session.pump(0)
        session.inputs.clear()
        session.loop.call_later(0.1, session.notice, 1, "a tick")
        session.pump(5)
        time.sleep(0.2)  # the core decides
        end_s = time.monotonic() + 2.3
        while time.monotonic() < end_s:
            session.pump(0.02)
        samples = [event for event in session.inputs if isinstance(event, LatencySampled)]
        assert len(samples) in {1, 2}
        assert 200_000 <= samples[0].decision_us_p99 < 600_000
        assert samples[0].loop_lag_us_max >= 90_000  # a timer of 0.1 s was due while the core decided
        assert not samples[0].modelled
