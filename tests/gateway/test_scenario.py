"""Every action that concerns the connection, by what an unmodified library sees of it; what a scenario file may say.

What orders and market data make of their faults is tested beside them.
"""

import asyncio
import time

import pytest

from tests.gateway.clients import RawClient, connected, frame, until
from trading_bot.adapters.gateway.actions import ACTIONS, Step, check
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.gateway.scenario import read_steps
from trading_bot.adapters.ibkr.library import library
from trading_bot.domain.errors import UsageError


@pytest.fixture
def gateway():
    with running_gateway(speed=10.0) as running:
        yield running


def do(gateway, action, **values):
    gateway.call(lambda served: served.scenario.do(action, **values))


def link_codes(ib):
    return [code for code in ib.heard.codes() if 1100 <= code <= 1102]


async def fails_to_connect(gateway):
    ib = library().IB()
    with pytest.raises((OSError, TimeoutError)):
        await ib.connectAsync("127.0.0.1", gateway.port, clientId=9, timeout=0.2)


def test_drop_clients_breaks_connections_and_takes_new_ones(gateway):
    async def main():
        async with connected(gateway, 1) as first, connected(gateway, 2) as second:
            do(gateway, "drop_clients")
            await until(lambda: not first.isConnected() and not second.isConnected())
        async with connected(gateway, 1) as again:
            assert again.isConnected()

    asyncio.run(main())


def test_refuse_connections_leaves_those_that_stand(gateway):
    async def main():
        async with connected(gateway, 1) as ib:
            do(gateway, "refuse_connections")
            await fails_to_connect(gateway)
            assert await ib.reqCurrentTimeAsync()
            do(gateway, "refuse_connections", on=False)
            async with connected(gateway, 2):
                pass

    asyncio.run(main())


def test_a_stalled_gateway_accepts_sockets_and_answers_nothing_until_it_goes_on(gateway):
    async def main():
        async with connected(gateway, 1) as ib:
            do(gateway, "stall")
            waiting = asyncio.ensure_future(ib.reqCurrentTimeAsync())
            with RawClient(gateway) as other:
                other.socket.settimeout(0.15)
                with pytest.raises(TimeoutError):
                    other.read()
                assert not waiting.done()
                do(gateway, "stall", on=False)
                other.socket.settimeout(3)
                assert other.read()[0] == "178"
            assert await asyncio.wait_for(waiting, 3)

    asyncio.run(main())


def test_a_stall_may_end_by_itself(gateway):
    async def main():
        async with connected(gateway, 1) as ib:
            began = time.perf_counter()
            do(gateway, "stall", for_s=5.0)  # half a second of the wall
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 3)
            return time.perf_counter() - began

    assert asyncio.run(main()) > 0.4


def test_a_restart_closes_the_port_for_a_while_and_opens_the_same(gateway):
    async def main():
        port = gateway.port
        async with connected(gateway, 1) as ib:
            do(gateway, "restart", wall_s=1.0)
            await until(lambda: not ib.isConnected())
            with pytest.raises(ConnectionRefusedError):
                RawClient(gateway)
        await asyncio.sleep(1.1)
        assert gateway.port == port
        async with connected(gateway, 1) as again:
            assert again.isConnected()

    asyncio.run(main())


def test_what_was_on_its_way_when_a_stall_began_waits_with_the_rest(gateway):
    with RawClient(gateway) as client:
        client.start()
        client.read_until(9)
        for _ in range(3):
            client.read()  # the farms

        def send_and_stall(served):
            served.clients[1].error(-1, 2104, "before")
            served.scenario.do("stall")

        gateway.call(send_and_stall)
        client.socket.settimeout(0.15)
        with pytest.raises(TimeoutError):
            client.read()
        do(gateway, "stall", on=False)
        client.socket.settimeout(3)
        assert client.read()[4] == "before"


def test_an_id_may_linger_after_its_client(gateway):
    """Field notes A: each attempt with the same client id can give 326 while the old socket lingers."""

    async def main():
        async with connected(gateway, 9):
            do(gateway, "linger_ids")
            do(gateway, "drop_clients")
        await fails_to_connect(gateway)
        do(gateway, "linger_ids", on=False)
        async with connected(gateway, 9) as again:
            assert again.isConnected()

    asyncio.run(main())


def test_without_accounts_a_library_never_becomes_ready(gateway):
    async def main():
        do(gateway, "hide_accounts")
        await fails_to_connect(gateway)
        do(gateway, "hide_accounts", on=False)
        async with connected(gateway, 9) as again:
            assert again.managedAccounts() == ["DUSIM1"]

    asyncio.run(main())


def test_any_frame_can_be_sent(gateway):
    async def main():
        async with connected(gateway, 1) as ib:
            do(gateway, "send", fields=["4", "2", "-1", "321", "a text", ""])
            await until(lambda: ib.heard[-1] == (-1, 321, "a text"))

    asyncio.run(main())


def test_a_message_reaches_every_client(gateway):
    async def main():
        async with connected(gateway, 1) as first, connected(gateway, 2) as second:
            do(gateway, "error", code=2110)
            do(gateway, "error", code=999, text="anything", req_id=5)
            text = "Connectivity between Trader Workstation and server is broken. It will be restored automatically."
            for ib in (first, second):
                await until(lambda ib=ib: 999 in ib.heard.codes())
                assert ib.heard[-2:] == [(-1, 2110, text), (5, 999, "anything")]

    asyncio.run(main())


def test_a_message_about_streams_goes_to_each_stream(gateway):
    async def main():
        async with connected(gateway, 1) as ib:
            gateway.call(lambda served: served.clients[1].subscriptions.update({31: None, 30: None}))
            do(gateway, "error", code=10197)
            await until(lambda: 10197 in ib.heard.codes())
            assert [(req_id, code) for req_id, code, _ in ib.heard[-2:]] == [(30, 10197), (31, 10197)]
            gateway.call(lambda served: served.clients[1].subscriptions.clear())

    asyncio.run(main())


@pytest.mark.parametrize(("lost", "codes"), [(False, [1100, 1102]), (True, [1100, 1101])])
def test_an_outage_says_so_and_ends(gateway, lost, codes):
    async def main():
        async with connected(gateway, 1) as ib:
            gateway.call(lambda served: served.clients[1].subscriptions.update({30: None}))

            def begin(served):
                served.scenario.do("outage", for_s=2.0, lost=lost)
                return served.faults.data_stopped

            assert gateway.call(begin) is True
            await until(lambda: link_codes(ib) == codes)
            assert gateway.call(lambda served: served.faults.data_stopped) is False
            assert gateway.call(lambda served: bool(served.clients[1].subscriptions)) is not lost

    asyncio.run(main())


# What a lasting fault leaves in gateway.faults: (action, its values, field, begun, ended).
LASTING = [
    ("hide_accounts", {}, "accounts_hidden", True, False),
    ("linger_ids", {}, "ids_linger", True, False),
    ("stop_data", {}, "data_stopped", True, False),
    ("delayed_data", {}, "data_type", 3, 1),
    ("halt", {}, "halt", 1, 0),
    ("halt", {"qty": 2}, "halt", 2, 0),
    ("one_sided", {"side": "SELL"}, "side_missing", "SELL", ""),
    ("other_hours", {"ms": -3_600_000}, "hours_early_ms", -3_600_000, 0),
    ("mute_orders", {}, "orders_muted", True, False),
    ("delay_orders", {"ms": 250}, "order_delay_ms", 250, 0),
    ("reject_orders", {"code": 201, "text": "margin"}, "reject_code", 201, 0),
    ("reject_orders", {"code": 201, "text": "margin"}, "reject_text", "margin", ""),
    ("lose_acks", {}, "acks_lost", True, False),
    ("duplicate_status", {}, "status_duplicated", True, False),
    ("delay_commission", {"ms": 40}, "commission_delay_ms", 40, 0),
    ("fill_before_ack", {}, "fill_before_ack", True, False),
    ("inform_order", {"code": 399, "text": "held"}, "inform_code", 399, 0),
    ("inform_order", {"code": 399, "text": "held"}, "inform_text", "held", ""),
]


@pytest.mark.parametrize(("action", "values", "field", "begun", "ended"), LASTING)
def test_a_lasting_fault_begins_and_ends(gateway, action, values, field, begun, ended):
    def read(served):
        return getattr(served.faults, field)

    assert gateway.call(read) == ended
    do(gateway, action, **values)
    assert gateway.call(read) == begun
    do(gateway, action, on=False)
    assert gateway.call(read) == ended


def test_resume_data_ends_stop_data(gateway):
    do(gateway, "stop_data")
    do(gateway, "resume_data")
    assert gateway.call(lambda served: served.faults.data_stopped) is False


SCENARIO = """
[[step]]
at_s = 3.0
do = "error"
code = 1102

[[step]]
at_s = 1.0
do = "error"
code = 1100

[[step]]
at_s = 2.0
do = "stop_data"
for_s = 0.5
"""


def test_a_file_is_played_in_market_time_from_the_first_client_on(tmp_path):
    path = tmp_path / "outage.toml"
    path.write_text(SCENARIO)

    async def main(gateway):
        await asyncio.sleep(0.4)  # 4 s of market time, had the clock run
        async with connected(gateway, 1) as ib:
            began = time.perf_counter()
            await until(lambda: 1102 in ib.heard.codes())
            assert link_codes(ib) == [1100, 1102]
            return time.perf_counter() - began

    with running_gateway(speed=10.0, scenario=path) as gateway:
        assert asyncio.run(main(gateway)) > 0.15
        done = [(values["do"], values["begins"]) for event, values in gateway.told if event == "scenario"]
    assert done == [("error", True), ("stop_data", True), ("stop_data", False), ("error", True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[step]]\ndo = "drop_client"', "step 1: unknown action 'drop_client'; expected one of drop_clients"),
        ('[[step]]\ndo = "stop_data"\n[[step]]\ndo = "error"', "step 2: error needs code"),
        ('[[step]]\ndo = "error"\ncode = 4711', "step 1: error 4711 needs a text"),
        ('[[step]]\ndo = "drop_clients"\nfor_s = 3.0', "step 1: drop_clients does not take for_s"),
        ('[[step]]\ndo = "delay_orders"', "step 1: delay_orders needs ms"),
        ('[[step]]\ndo = "outage"\nat_s = -1.0', "at least 0"),
        ('[[step]]\ndo = "stop_data"\nseconds = 3', "seconds"),
        ("[[step", "expected"),
        ("[[action]]", "action"),
    ],
)
def test_a_scenario_that_means_nothing_is_refused_with_its_place(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"bad\.toml") as raised:
        read_steps(path)
    assert message in str(raised.value)


def test_every_action_says_what_it_does_and_can_be_carried_out(gateway):
    """With the least it needs, and again with `on = false` where it lasts."""
    least = {"code": 2104, "ms": 5, "wall_s": 0.01, "fields": ["4", "2", "-1", "1", "x"], "leg": "E", "side": "BUY"}
    least |= {"qty": 1, "ticks": 5, "client_id": 9, "value": "1", "requests": [96]}
    for name, action in ACTIONS.items():
        assert action.says
        values = least | ({"value": action.values[0]} if action.values else {})
        do(gateway, name, **{key: values[key] for key in action.needs})
        if action.end is not None:
            do(gateway, name, on=False)
    time.sleep(0.1)  # the restart
    with RawClient(gateway) as client:
        client.start()
        client.read_until(9)
        client.send(frame(49, 1))
        assert client.read_until(49)


@pytest.mark.parametrize("values", [{"ms": "5"}, {"milliseconds": 5}, {}])
def test_a_step_of_a_test_is_checked_too(gateway, values):
    with pytest.raises(UsageError, match=r"scenario\.do\('delay_orders'\)"):
        do(gateway, "delay_orders", **values)


def test_a_step_without_its_action_is_named():
    with pytest.raises(UsageError, match="here: unknown action ''"):
        check(Step(do=""), "here")
