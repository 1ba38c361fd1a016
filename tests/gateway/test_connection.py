"""The connection, with the real library as client; what a library would never send, with a socket."""

import asyncio
import time

import pytest

from tests.gateway.clients import GREETING, HIGHEST, RawClient, connected, frame, until
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.library import library

START_S = 1_795_616_400  # 2026-11-25T14:20:00Z, the default start


@pytest.fixture
def gateway():
    with running_gateway() as running:
        yield running


def test_an_unmodified_library_connects_and_synchronises_at_once(gateway, caplog):
    async def main():
        began = time.perf_counter()
        async with connected(gateway, 7) as ib:
            elapsed_s = time.perf_counter() - began
            assert ib.client.serverVersion() == HIGHEST
            assert ib.managedAccounts() == ["DUSIM1"]
            assert ib.client.getReqId() >= 1
            assert (ib.positions(), ib.openTrades(), ib.fills()) == ([], [], [])
            assert ib.heard.codes() == [2104, 2106, 2158]
            return elapsed_s

    # Each of seven questions that was not answered would cost the library's time-out of 4 s.
    assert asyncio.run(main()) < 1.0
    assert not [record for record in caplog.records if "timed out" in record.getMessage()]


def test_the_clock_begins_with_the_first_client_and_runs_at_its_speed():
    async def main(gateway):
        await asyncio.sleep(0.8)  # 80 s of market time, had the clock run
        async with connected(gateway) as ib:
            first = (await ib.reqCurrentTimeAsync()).timestamp()
            began = time.perf_counter()
            await asyncio.sleep(0.5)
            second = (await ib.reqCurrentTimeAsync()).timestamp()
            return first, second, time.perf_counter() - began

    with running_gateway(speed=100.0) as gateway:
        first, second, elapsed_s = asyncio.run(main(gateway))
    assert START_S <= first < START_S + 60
    assert second - first == pytest.approx(100 * elapsed_s, abs=20)


def test_a_clock_from_launch_runs_before_the_first_client():
    async def main(gateway):
        await asyncio.sleep(0.1)
        async with connected(gateway) as ib:
            return (await ib.reqCurrentTimeAsync()).timestamp()

    with running_gateway(speed=1000.0, clock_from="launch") as gateway:
        assert asyncio.run(main(gateway)) >= START_S + 100


def test_a_taken_client_id_is_refused_and_the_first_client_lives(gateway):
    async def main():
        async with connected(gateway, 3) as first:
            second = library().IB()
            codes = []
            second.errorEvent += lambda _, code, *__: codes.append(code)
            with pytest.raises((TimeoutError, ConnectionError)):  # which of them is the library's affair
                await second.connectAsync("127.0.0.1", gateway.port, clientId=3, timeout=0.3)
            assert codes == [326]
            assert (await first.reqCurrentTimeAsync()).timestamp() >= START_S
        await until(lambda: not gateway.call(lambda served: served.clients))
        async with connected(gateway, 3) as again:
            assert again.isConnected()

    asyncio.run(main())


def test_a_client_with_a_taken_id_is_hung_up_on(gateway):
    with RawClient(gateway) as first, RawClient(gateway) as second:
        first.start(3)
        assert first.read_until(9)
        second.start(3)
        assert second.read_until(4)[2:4] == ["-1", "326"]
        assert second.read() is None


def test_the_thirty_third_client_is_refused(gateway):
    clients = [RawClient(gateway) for _ in range(33)]
    for client_id, client in enumerate(clients[:32]):
        client.start(client_id)
        assert client.read_until(9) == ["9", "1", "1"]
    clients[32].start(32)
    assert clients[32].read_until(4)[3] == "321"
    assert clients[32].read() is None
    for client in clients:
        client.socket.close()


@pytest.mark.parametrize(("asked", "served"), [("v157..157", "157"), ("v100..170", "170"), ("v157..9999", "178")])
def test_the_highest_version_both_know_is_chosen(gateway, asked, served):
    with RawClient(gateway, b"API\0" + len(asked).to_bytes(4, "big") + asked.encode()) as client:
        assert client.read() == [served, "20261125 14:20:00 GMT"]


@pytest.mark.parametrize("asked", ["v100..156", "v179..200", "hello"])
def test_a_client_without_a_common_version_is_hung_up_on(gateway, asked):
    with RawClient(gateway, b"API\0" + len(asked).to_bytes(4, "big") + asked.encode()) as client:
        assert client.read() is None


def test_errors_have_the_json_field_from_version_166_on(gateway):
    for version, fields in (("v157..165", 5), ("v157..166", 6)):
        with RawClient(gateway, b"API\0" + len(version).to_bytes(4, "big") + version.encode()) as client:
            client.start()
            assert len(client.read_until(4)) == fields


def test_a_greeting_may_come_byte_by_byte_and_a_frame_in_halves(gateway):
    with RawClient(gateway, b"") as client:
        for at in range(len(GREETING)):
            client.send(GREETING[at : at + 1])
            time.sleep(0.001)
        assert client.read()[0] == "178"
        client.start()
        assert client.read_until(4)
        request = frame(49, 1)
        client.send(request[:7])
        time.sleep(0.02)
        client.send(request[7:] + request)  # the rest, and a whole one
        assert client.read_until(49)[1] == "1"
        assert client.read_until(49)[1] == "1"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        GREETING + b"\xff" * 64,
        b"API\0\xff\xff\xff\xff",
        b"\0" * 4096,
    ],
)
def test_garbage_is_hung_up_on_and_harms_nobody_else(gateway, garbage):
    async def main():
        async with connected(gateway, 5) as ib:
            with RawClient(gateway, garbage) as client:
                while client.read() is not None:
                    pass
            assert (await ib.reqCurrentTimeAsync()).timestamp() >= START_S

    asyncio.run(main())
    assert any(event == "no_client" for event, _ in gateway.told)


def test_half_a_frame_and_a_hang_up_leave_nothing(gateway):
    with RawClient(gateway) as client:
        client.start(4)
        assert client.read_until(9)
        client.send(frame(49, 1)[:5])
    deadline = time.monotonic() + 3
    while gateway.call(lambda served: served.clients) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert gateway.call(lambda served: (served.clients, served._connections)) == ({}, [])


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (frame(999, 1), "320"),  # no such message
        (frame("x"), "320"),
        (frame(71, 2, 1, ""), "321"),  # started already
        (frame(49), "320"),  # a field short
        (b"\0\0\0\0", "320"),  # an empty frame
    ],
)
def test_a_request_that_means_nothing_is_answered_with_an_error_and_no_more(gateway, request_, code):
    with RawClient(gateway) as client:
        client.start()
        client.read_until(9)
        for _ in range(3):
            client.read()  # the farms
        client.send(request_)
        assert client.read()[:4] == ["4", "2", "-1", code]
        client.send(frame(49, 1))
        assert client.read()[0] == "49"


def test_nothing_is_answered_before_start_api(gateway):
    with RawClient(gateway) as client:
        assert client.read()[0] == "178"
        client.send(frame(49, 1))
        assert client.read()[:4] == ["4", "2", "-1", "321"]


def test_the_fifty_first_message_of_a_second_is_refused_and_a_second_offence_hangs_up(gateway):
    """Field notes C: 50 messages a second; error 100; on repeat the connection ends."""

    async def main():
        async with connected(gateway, 8, per_s=0) as ib:
            await asyncio.sleep(1.05)  # what connecting sent is forgotten
            ib.heard.clear()
            answers = []
            ib.wrapper.currentTime = answers.append
            for _ in range(60):
                ib.client.reqCurrentTime()
            await until(lambda: len(answers) == 50)
            assert ib.heard.codes() == [100]
            assert ib.isConnected()
            await asyncio.sleep(1.1)
            assert len(answers) == 50  # what was too much is not made up for
            for _ in range(60):
                ib.client.reqCurrentTime()
            await until(lambda: not ib.isConnected())
            assert ib.heard.codes() == [100, 100]

    asyncio.run(main())


def test_sixty_requests_at_the_librarys_own_pace_are_all_answered(gateway):
    async def main():
        async with connected(gateway, 9) as ib:
            answers = []
            ib.wrapper.currentTime = answers.append
            for _ in range(60):
                ib.client.reqCurrentTime()
            await until(lambda: len(answers) == 60)
            assert 100 not in ib.heard.codes()

    asyncio.run(main())


def test_a_client_that_reads_nothing_is_hung_up_on(gateway, monkeypatch):
    monkeypatch.setattr("trading_bot.adapters.gateway.client.UNREAD_BYTES_MAX", 1 << 20)
    with RawClient(gateway) as client:
        client.start(6)
        client.read_until(9)

        def flood(served):
            for _ in range(64):
                if 6 in served.clients:
                    served.clients[6].error(-1, 2104, "x" * 100_000)

        deadline = time.monotonic() + 3
        while gateway.call(lambda served: 6 in served.clients) and time.monotonic() < deadline:
            gateway.call(flood)
        assert any(event == "not_reading" for event, _ in gateway.told)


def test_a_bug_in_a_handler_ends_the_gateway_and_is_raised():
    def broken(*_):
        raise ZeroDivisionError("as every bug")

    with pytest.raises(ZeroDivisionError), running_gateway() as gateway, RawClient(gateway) as client:
        gateway.call(lambda served: served.dispatcher._handlers.update({49: broken}))
        client.start()
        client.read_until(9)
        client.send(frame(49, 1))
        while client.read() is not None:
            pass
