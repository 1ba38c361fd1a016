"""Faults of frames, requests, ids and time, as bytes on a socket."""

import struct

import pytest

from tests.gateway.clients import RawClient, frame
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.gateway.data_actions import STREAM_NAMES
from trading_bot.adapters.gateway.link_actions import GARBAGE
from trading_bot.domain.errors import UsageError

MES = [0, "MES", "CONTFUT", "", 0.0, "", "", "CME", "", "USD", "", ""]
START_S = 1_795_616_400


@pytest.fixture
def gateway():
    with running_gateway(speed=10.0) as running:
        yield running


@pytest.fixture
def client(gateway):
    with RawClient(gateway) as one:
        one.start()
        one.read_until(9)
        for _ in range(3):
            one.read()  # the farms
        yield one


def do(gateway, action, **values):
    gateway.call(lambda served: served.scenario.do(action, **values))


def rest(client):
    """Every byte until the gateway hangs up, or is silent for a while."""
    client.socket.settimeout(0.3)
    data = b""
    try:
        while part := client.socket.recv(65536):
            data += part
    except TimeoutError:
        pass
    return data


def test_half_a_tick_and_the_end_of_the_connection(gateway, client):
    do(gateway, "cut_frame")
    data = rest(client)
    (length,) = struct.unpack(">I", data[:4])
    assert (data[4:7], 4 < len(data) < 4 + length) == (b"99\0", True)
    with RawClient(gateway) as again:
        again.start()
        assert again.read_until(9)


def test_as_many_bytes_of_a_frame_as_asked_for(gateway, client):
    do(gateway, "cut_frame", qty=2)
    assert len(rest(client)) == 2


def test_frames_are_split_and_stay_whole(gateway, client):
    do(gateway, "split_frames")
    halves = 0  # reads that ended inside a frame
    for number in range(5):
        client.send(frame(49, 1))
        client.send(frame(8, 1, number))
    client.socket.settimeout(2)
    data, kinds = b"", []
    while len(kinds) < 10:
        data += client.socket.recv(65536)
        while len(data) >= 4 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]:
            (length,) = struct.unpack(">I", data[:4])
            kinds.append(data[4 : 4 + length].split(b"\0")[0])
            data = data[4 + length :]
        halves += bool(data)
    assert kinds == [b"49", b"9"] * 5
    assert halves > 0


LENGTHS = {"huge": 0x7FFF_FFFF, "negative": 0xFFFF_FFFF, "empty": 0}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_sent_as_it_is(gateway, client, kind):
    do(gateway, "garbage", value=kind)
    data = rest(client)
    (length,) = struct.unpack(">I", data[:4])
    assert length == LENGTHS.get(kind, len(data) - 4)
    if kind == "utf8":
        with pytest.raises(UnicodeDecodeError):
            data[4:].decode()
    if kind == "unended":
        assert not data.endswith(b"\0")


def test_requests_are_ignored(gateway, client):
    do(gateway, "ignore_requests", requests=[49])
    client.send(frame(49, 1))
    client.send(frame(8, 1, 1))
    assert client.read()[0] == "9"
    do(gateway, "ignore_requests", on=False)
    client.send(frame(49, 1))
    assert client.read()[0] == "49"


@pytest.mark.parametrize(
    ("request_fields", "req_id"),
    [((97, 31, *MES, "AllLast", 0, 0), "31"), ((1, 11, 32, *MES, 0, "", 0, 0, ""), "32"), ((61, 1), "-1")],
)
def test_requests_are_refused_under_their_id(gateway, client, request_fields, req_id):
    do(gateway, "refuse_requests", requests=[request_fields[0]], code=10190)
    client.send(frame(*request_fields))
    assert client.read()[:5] == ["4", "2", req_id, "10190", "Max number of tick-by-tick requests has been reached."]


def test_fewer_messages_a_second(gateway, client):
    do(gateway, "limit_messages", qty=3)
    for _ in range(4):  # the start was the first
        client.send(frame(8, 1, 1))
    assert [client.read()[0] for _ in range(3)] == ["9", "9", "4"]


def test_order_ids_begin_again_and_everybody_is_told(gateway, client):
    gateway.call(lambda served: served.desk._last_ids.update({1: 500}))
    client.send(frame(8, 1, 1))
    assert client.read() == ["9", "1", "501"]
    do(gateway, "reset_order_ids")
    assert client.read() == ["9", "1", "1"]


def test_a_client_id_is_taken_by_nobody_one_can_see(gateway):
    do(gateway, "take_client_id", client_id=4)
    with RawClient(gateway) as one:
        one.start(4)
        assert one.read_until(4)[3] == "326"
        assert one.read() is None
    do(gateway, "take_client_id", client_id=4, on=False)
    with RawClient(gateway) as one:
        one.start(4)
        assert one.read_until(9)


def told_s(client):
    client.send(frame(49, 1))
    return int(client.read_until(49)[2])


def test_the_clock_steps_ahead_with_the_market(gateway, client):
    before = told_s(client)
    do(gateway, "step_clock", ms=600_000)
    assert 600 <= told_s(client) - before < 630
    assert gateway.call(lambda served: served.clock.now_s()) - before >= 600
    with pytest.raises(UsageError, match="at least 0"):
        do(gateway, "step_clock", ms=-5)


@pytest.mark.parametrize("ms", [-90_000, 90_000])
def test_the_told_time_is_skewed_and_the_market_is_not(gateway, client, ms):
    do(gateway, "skew_clock", ms=ms)
    told, market = told_s(client), gateway.call(lambda served: served.clock.now_s())
    assert abs(told - market - ms // 1000) < 30  # 10 market seconds a second


def tick_kinds(client, count):
    return {client.read_until(99)[2] for _ in range(count)}


def test_one_kind_of_stream_stops_and_the_other_goes_on(gateway, client):
    client.send(frame(97, 31, 0, *front(gateway), "AllLast", 0, 0))
    client.send(frame(97, 32, 0, *front(gateway), "BidAsk", 0, 0))
    do(gateway, "stop_stream", value="AllLast")
    told_s(client)  # what was on its way comes before this
    assert tick_kinds(client, 30) == {"3"}
    do(gateway, "stop_stream", on=False)
    assert "2" in tick_kinds(client, 200)


def front(gateway):
    def row(served):
        from trading_bot.domain.instruments import INSTRUMENTS

        return served.contracts.front(INSTRUMENTS["MES"]).local_symbol

    return ["", "FUT", "", 0.0, "", "", "CME", "", "USD", gateway.call(row), ""]


@pytest.mark.parametrize(("action", "codes"), [("farm_blip", ["2103", "2104"]), ("competing_session", ["10197"])])
def test_data_go_and_come_back(gateway, client, action, codes):
    do(gateway, action)
    assert gateway.call(lambda served: served.faults.data_stopped) is True
    do(gateway, action, on=False)
    assert gateway.call(lambda served: served.faults.data_stopped) is False
    assert [client.read_until(4)[3] for _ in codes] == codes


def test_a_farm_comes_back_over_dead_streams(gateway, client):
    client.send(frame(97, 31, 0, *front(gateway), "AllLast", 0, 0))
    client.read_until(99)
    do(gateway, "farm_blip", lost=True, for_s=1.0)
    client.read_until(4)
    while client.read()[0:4:3] != ["4", "2104"]:
        pass
    assert rest(client) == b""


@pytest.mark.parametrize(
    ("action", "values", "found"),
    [
        ("stop_stream", {"value": "Quotes"}, f"expected one of {', '.join(STREAM_NAMES)}"),
        ("reject_leg", {"leg": "Q", "code": 201}, "leg is 'Q'; expected one of E, S, T, X"),
        ("order_by_hand", {"side": "LONG", "qty": 1}, "side is 'LONG'"),
        ("give_position", {"qty": 1, "symbol": "XYZ"}, "symbol 'XYZ'"),
        ("drop_leg", {}, "needs leg"),
        ("price_band", {"code": 109}, "needs ticks"),
        ("limit_messages", {"qty": -1}, "at least 0"),
    ],
)
def test_a_step_that_means_nothing(gateway, action, values, found):
    with pytest.raises(UsageError) as raised:
        do(gateway, action, **values)
    assert found in str(raised.value)
