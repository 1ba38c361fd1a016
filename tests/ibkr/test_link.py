"""The four states of the link against the gateway simulator (docs/ibkr.md 5; specification 8.1, check 3)."""

from itertools import pairwise

import msgspec

from tests.ibkr.rig import WAIT_S, rig
from trading_bot.adapters.ibkr import link as link_module

UP = (True, True, True, True)


def test_ready_only_after_a_tick_on_each_stream():
    with rig(started=False) as one:
        one.do("stop_data")
        one.link.start(one.subscriptions)
        one.until(lambda: len(one.streams()) == 3)
        one.pump(0.3)
        assert one.state.socket
        assert not one.state.up
        one.do("resume_data")
        one.until(lambda: one.state.up)
        quotes, trades = sorted(one.ids[-1])
        assert {quotes, trades} <= set(one.ticks)
        assert one.changes[0] == ("CONNECTED", True, True, True, False)
        assert one.changes[-1] == ("TICKS", *UP)


def test_one_stream_alone_is_not_enough():
    with rig(started=False) as one:
        # The gateway refuses the second tick-by-tick stream of a client (10190); the first gives ticks.
        one.gateway.call(lambda gateway: setattr(gateway, "config", _with(gateway.config, tick_by_tick_max=1)))
        one.link.start(one.subscriptions)
        one.until(lambda: len(one.ticks) > 20)
        assert not one.state.flowing
        assert "TICKS" not in [reason for reason, *_ in one.changes]
        assert 10190 in [notice.code for notice in one.notices]
        one.gateway.call(lambda gateway: setattr(gateway, "config", _with(gateway.config, tick_by_tick_max=5)))
        before = one.subscriptions.stream(min(one.ids[-1])).request_id
        one.until(lambda: one.state.up)
        # Only the refused one was asked for again: the other never stopped.
        assert before in one.ids[-1]


def _with(config, **changes):
    return msgspec.structs.replace(config, **changes)


def test_the_kind_of_data_is_unknown_until_it_is_told():
    with rig(started=False) as one:
        assert one.state.data_type == 0
        one.start()
        one.until(lambda: one.state.data_type == 1)


def test_1100_takes_the_broker_and_1102_with_ticks_gives_it_back():
    with rig() as one:
        ids = one.ids[-1]
        one.do("outage", for_s=8.0)  # 0.4 s of the wall
        one.until(lambda: not one.state.broker)
        assert one.state.socket
        one.until(lambda: one.state.up)
        assert one.changes[-3:] == [
            ("CODE_1100", True, False, True, False),
            ("CODE_1102", True, True, True, False),
            ("TICKS", *UP),
        ]
        assert one.ids[-1] == ids  # kept, and they did tick


def test_1102_over_dead_streams_asks_for_them_again(monkeypatch):
    monkeypatch.setattr(link_module, "_KEPT_S", 0.4)
    with rig(stale_s=60.0) as one:
        ids = one.ids[-1]
        one.do("lose_subscriptions")
        one.do("error", code=1100)
        one.do("error", code=1102)
        one.until(lambda: not one.state.up)
        one.until(lambda: one.state.up)
        assert not one.ids[-1] & ids
        assert set(one.streams()) >= one.ids[-1]


def test_1101_asks_for_every_stream_again_with_new_ids():
    with rig(stale_s=60.0) as one:
        ids = one.ids[-1]
        one.do("outage", for_s=4.0, lost=True)
        one.until(lambda: one.state.broker and not one.state.flowing and "CODE_1101" in str(one.changes))
        one.until(lambda: one.state.up)
        assert not one.ids[-1] & ids
        assert [reason for reason, *_ in one.changes[-3:]] == ["CODE_1100", "CODE_1101", "TICKS"]


def test_2103_takes_the_farm_and_a_tick_gives_it_back():
    with rig() as one:
        one.do("stop_data")
        one.do("error", code=2103)
        one.until(lambda: not one.state.farm)
        one.pump(0.3)
        assert one.changes[-1] == ("CODE_2103", True, True, False, False)  # what ticked before it proves nothing
        one.do("error", code=2104)
        one.pump(0.3)
        assert not one.state.farm  # said to be well: not believed without a tick
        one.do("resume_data")
        one.until(lambda: one.state.up)


def test_streams_that_die_between_2103_and_2104_are_asked_for_again(monkeypatch):
    monkeypatch.setattr(link_module, "_KEPT_S", 0.4)
    with rig(stale_s=60.0) as one:
        ids = one.ids[-1]
        one.do("lose_subscriptions")
        one.do("error", code=2103)
        one.do("error", code=2104)
        one.until(lambda: not one.state.farm)
        one.until(lambda: one.state.up)
        assert not one.ids[-1] & ids


def test_streams_that_die_in_silence_are_noticed_and_asked_for_again():
    with rig(stale_s=1.0) as one:
        ids = one.ids[-1]
        one.do("lose_subscriptions")
        one.until(lambda: not one.state.flowing)
        assert one.changes[-1][0].startswith("SILENT_")
        assert one.changes[-1][1:] == (True, True, True, False)
        one.until(lambda: one.state.up)
        assert not one.ids[-1] & ids


def test_silence_of_a_market_that_is_shut_means_nothing():
    with rig(stale_s=1.0) as one:
        one.patience = 0
        one.do("stop_data")
        one.pump(1.5)
        assert one.state.up
        one.patience = 1  # it opens: the silence before does not count
        one.pump(0.5)
        assert one.state.up
        one.until(lambda: not one.state.flowing)


def test_a_dead_stream_of_trades_is_seen_by_the_witness():
    with rig(stale_s=1.0) as one:
        trades = next(stream for stream in one.subscriptions._ticks if stream.kind == "Last")
        quotes = next(stream for stream in one.subscriptions._ticks if stream.kind == "BidAsk")
        before = quotes.request_id
        one.gateway.call(
            lambda gateway: [gateway.market.drop(client, trades.request_id) for client in gateway.clients.values()]
        )
        one.until(lambda: not one.state.flowing)
        assert one.changes[-1][0] == "SILENT_Last"
        one.until(lambda: one.state.up)
        assert quotes.request_id == before  # what flows is left alone


def test_10197_blocks_until_the_other_login_has_gone():
    with rig(stale_s=1.0) as one:
        one.do("stop_data")
        one.do("error", code=10197)
        one.until(lambda: not one.state.flowing)
        assert one.changes[-1][0] == "CODE_10197"
        first = one.ids[-1]
        one.until(lambda: one.ids[-1] not in ({*()}, first))  # polled
        assert len([notice for notice in one.notices if notice.code == 10197]) == 1  # three streams, one message
        one.do("resume_data")
        one.until(lambda: one.state.up)


def test_delayed_data_are_told_at_once():
    with rig() as one:
        one.until(lambda: one.state.data_type == 1)
        witness = one.subscriptions._witness.request_id
        one.do("error", code=10167, req_id=witness, text="delayed")
        one.until(lambda: one.state.data_type == 3)
        one.pump(0.5)
        assert one.statuses[-1].data_type == 3


def test_data_are_live_again_once_the_broker_says_so(monkeypatch):
    monkeypatch.setattr(link_module, "_DATA_TYPE_AGAIN_S", 0.5)
    with rig(started=False) as one:
        one.do("delayed_data")
        one.link.start(one.subscriptions)
        one.until(lambda: one.state.data_type == 3)  # message 354: no subscription
        one.pump(1.0)
        assert one.state.data_type == 3  # also when asked again
        one.do("delayed_data", on=False)
        one.until(lambda: one.state.data_type == 1)


def test_a_message_about_another_request_changes_nothing():
    with rig() as one:
        before = one.state
        for code in (162, 200, 201, 354, 10167, 99999):
            one.do("error", code=code, req_id=987_654, text="not ours")
        one.pump(0.2)
        assert one.state == before
        assert not [notice for notice in one.notices if notice.text == "not ours"]


def test_what_the_gateway_says_while_a_client_connects_counts():
    with rig(started=False) as one:
        one.do("error", code=1100)
        one.pump(0.2)
        assert one.changes == []  # nothing is told before the run has begun
        one.link.start(one.subscriptions)
        one.pump(0.5)
        assert not one.state.broker
        assert not one.state.up
        one.do("error", code=1102)
        one.until(lambda: one.state.up)


def test_a_stream_is_not_asked_for_twice_within_its_wait():
    with rig() as one:
        asked = []
        client = one.session.ib.client
        real = client.reqTickByTickData
        client.reqTickByTickData = lambda request_id, *rest: (
            asked.append((rest[1], one.session.clock.wall_s())),
            real(request_id, *rest),
        )
        one.subscriptions.renew()
        one.until(lambda: len(asked) == 2)
        for _ in range(8):
            one.subscriptions.renew()
            one.pump(0.05)
        assert not one.subscriptions.flowing  # the old streams still tick, and have been given up
        one.until(lambda: one.subscriptions.flowing)
        quotes = [when for kind, when in asked if kind == "BidAsk"]
        assert len(quotes) >= 2
        assert all(later - before >= WAIT_S for before, later in pairwise(quotes))
        assert 10186 not in [notice.code for notice in one.notices]
