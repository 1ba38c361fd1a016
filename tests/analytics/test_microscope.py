"""The cost microscope (docs/microscope.md; NV05, AN05): a day by hand whose every figure is worked out in the test."""

import msgspec
import pytest

from tests.reports import day_log
from tests.reports.day_log import at, quote
from trading_bot.analytics.microscope import microscope
from trading_bot.analytics.scope_records import HORIZONS_MS
from trading_bot.cli import main
from trading_bot.domain import events, trade_events
from trading_bot.domain.latency_events import OrderTimed
from trading_bot.domain.learning import TradeOutcome
from trading_bot.domain.orders import Leg, Side
from trading_bot.reports.trade_facts import read_facts

MS = 1_000_000


def order(seq, seconds, side, limit):
    body = msgspec.msgpack.decode(day_log.placed(seconds, seq, seconds + 10))
    body["order"] |= {"side": side.value, "limit_ticks": limit}
    return msgspec.msgpack.encode(body)


def acknowledged(seq, seconds):
    return events.OrderAcknowledged(ts_ns=at(seconds), order_id=(seq, 0))


def closed(seq, side, span_s, ticks, reason, net_usd, slippage):
    outcome = TradeOutcome(
        template="S1", pnl_usd=net_usd + 2.5, trade_id=f"{seq}-0", decision_seq=seq, instrument="MES", side=side,
        entry_ticks=ticks[0], exit_ticks=ticks[1], entry_ts_ns=at(span_s[0]), exit_ts_ns=at(span_s[1]),
        exit_reason=reason, mae_ticks=1.0, mfe_ticks=3.0, slippage_ticks=slippage, slippage_expected_ticks=0.5,
        spread_ticks=1.0, commission_round_trip=2.5, hypothetical=True,
    )  # fmt: skip
    return trade_events.TradeClosed(ts_ns=at(span_s[1]), order_id=(seq, 0), outcome=outcome, ledger=b"")


def long_trade(timed):
    """Decided at 100 s with 1000/1001, sent to lift 1001, heard at 100.05, filled at 1002 at 100.2 with 1001/1003
    standing; left at 110 s at 1004 with 1004/1005.
    """
    entry = (1, 100.2, Leg.ENTRY, Side.BUY, 1_002)
    return [
        quote(at(99), 1_000, 1_001),
        order(1, 100, Side.BUY, 1_001), acknowledged(1, 100.05),
        quote(at(100.1), 1_001, 1_003),
        day_log.filled(entry[1], 1, Leg.ENTRY, Side.BUY, 1_002),
        day_log.opened(100.2, 1, 1_002, 994),
        quote(at(100.25), 1_001, 1_002),  # 100 ms later: mid 1001.5
        quote(at(101), 999, 1_000),  # 1 s later: 999.5, the worst bid
        quote(at(104), 1_005, 1_006),  # 5 s later: 1005.5, the best bid
        quote(at(109), 1_004, 1_005),
        *timed,
        day_log.filled(110, 1, Leg.TARGET, Side.SELL, 1_004),
        closed(1, Side.BUY, (100.2, 110), (1_002, 1_004), "TARGET", 0.0, 1.0),
        quote(at(120), 1_010, 1_011),  # 30 s after entry and 30 s after exit
        quote(at(300), 1_010, 1_011),
    ]  # fmt: skip


def scoped(tmp_path, *records):
    return microscope(read_facts(day_log.write(tmp_path / "log", [day_log.started(), day_log.carried(), *records])))


def test_one_trade_figure_by_figure(tmp_path):
    timed = OrderTimed(
        ts_ns=at(105), order_id=(1, 0), leg=Leg.ENTRY, decode_ns=5_000, decide_ns=3_000, gate_ns=20_000, write_ns=9_000,
        ack_ns=40 * MS, fill_ns=180 * MS,
    )  # fmt: skip
    (trade,) = scoped(tmp_path, *long_trade([timed])).trades
    assert (trade.trade_id, trade.template, trade.hypothetical) == ("1-0", "S1", True)
    way = trade.way
    assert (way.log_ack_ns, way.log_fill_ns, way.simulated) == (50 * MS, 200 * MS, True)
    assert (way.write_ns, way.ack_ns, way.fill_ns, way.tick_to_write_ns) == (29_000, 40 * MS, 180 * MS, 37_000)
    assert way.timed_seq > 0
    # 1002 paid where the mid was (1001 + 1003)/2; 1004 got where it was 1004.5.
    assert (trade.entry_cost_ticks, trade.exit_cost_ticks) == (0.0, 0.5)
    assert (trade.slippage_ticks, trade.slippage_expected_ticks) == (1.0, 0.5)
    assert (trade.commission_uusd, trade.commission_ticks, trade.net_uusd) == (2_500_000, 2.0, 0)
    assert [mark.horizon_ms for mark in trade.entry_markouts] == [100, 1_000, 5_000, 30_000]
    assert [mark.ticks for mark in trade.entry_markouts] == [-0.5, -2.5, 3.5, 8.5]
    assert [mark.drift_ticks for mark in trade.entry_markouts] == [-0.5, -2.5, 3.5, 8.5]  # the mid was the price
    # Of the sale at 1004 (mid 1004.5): nothing changes for 5 s, after 30 s the mid is 1010.5.
    assert [mark.ticks for mark in trade.exit_markouts] == [-0.5, -0.5, -0.5, -6.5]
    assert [mark.drift_ticks for mark in trade.exit_markouts] == [0.0, 0.0, 0.0, -6.0]
    assert (trade.mae.ticks, trade.mae.ts_ns) == (3.0, at(101))
    assert (trade.mfe.ticks, trade.mfe.ts_ns) == (3.0, at(104))
    assert (trade.told_mae_ticks, trade.told_mfe_ticks) == (1.0, 3.0)


def test_a_sale_is_the_mirror_image_of_a_buy(tmp_path):
    """Sold at 1000 with 1000/1001, bought back at 1003 with 1002/1003: the ask was 1003 at worst, never below 1001."""
    (trade,) = scoped(
        tmp_path,
        quote(at(99), 1_000, 1_001), order(1, 100, Side.SELL, 1_000),
        day_log.filled(100, 1, Leg.ENTRY, Side.SELL, 1_000),
        day_log.opened(100, 1, 1_000, 1_008, side=Side.SELL),
        quote(at(105), 1_002, 1_003), day_log.filled(106, 1, Leg.STOP, Side.BUY, 1_003),
        closed(1, Side.SELL, (100, 106), (1_000, 1_003), "STOP", -6.25, 0.0),
        quote(at(107), 998, 999),
    ).trades  # fmt: skip
    assert (trade.entry_cost_ticks, trade.exit_cost_ticks) == (0.5, 0.5)
    assert (trade.mae.ticks, trade.mae.ts_ns, trade.mfe.ticks, trade.mfe.ts_ns) == (3.0, at(105), 0.0, None)
    # Sold at 1000: 5 s later the mid is 1002.5. Whether it was so 30 s later nobody knows: the log ends at 107 s.
    assert [mark.ticks for mark in trade.entry_markouts] == [-0.5, -0.5, -2.5, None]
    assert [mark.drift_ticks for mark in trade.entry_markouts] == [0.0, 0.0, -2.0, None]
    # Bought at 1003 (mid 1002.5): after 1 s the mid is 998.5.
    assert [mark.ticks for mark in trade.exit_markouts] == [-0.5, -4.5, None, None]
    assert trade.entry_markouts[3].seq == 0


def test_execution_by_template_with_what_became_of_the_missed_ones(tmp_path):
    """Three entries: one filled, one withdrawn unfilled while the market ran 4 ticks away, one rejected."""
    missed = [
        quote(at(400), 1_000, 1_001), order(50, 400, Side.BUY, 1_000), acknowledged(50, 400.05),
        quote(at(400.5), 1_004, 1_005), events.OrderCancelled(ts_ns=at(410), order_id=(50, 0)),
        order(60, 420, Side.BUY, 1_004),
        events.OrderRejected(ts_ns=at(420.05), order_id=(60, 0), code=201, text="margin"),
        quote(at(500), 1_004, 1_005),
    ]  # fmt: skip
    found = scoped(tmp_path, *long_trade([]), *missed)
    everything, only = found.templates
    assert (everything.template, only.template) == ("", "S1")
    assert msgspec.structs.replace(only, template="") == everything
    assert (only.entries, only.filled, only.missed_entries, only.rejected, only.trades) == (3, 1, 1, 1, 1)
    assert only.fill_rate == pytest.approx(1 / 3)
    assert (only.slippage_ticks, only.slippage_expected_ticks, only.commission_ticks) == (1.0, 0.5, 2.0)
    assert [(drift.horizon_ms, drift.count, drift.mean_ticks) for drift in only.adverse] == [
        (100, 1, -0.5), (1_000, 1, -2.5), (5_000, 1, 3.5), (30_000, 1, 8.5),
    ]  # fmt: skip
    assert [drift.mean_ticks for drift in only.missed] == [0.0, 4.0, 4.0, 4.0]


def test_a_day_without_trades_has_a_row_of_nothing(tmp_path):
    found = scoped(tmp_path, quote(at(60), 1_000, 1_001))
    assert found.trades == ()
    (row,) = found.templates
    assert (row.entries, row.fill_rate, row.slippage_ticks) == (0, None, None)
    assert [drift.mean_ticks for drift in row.adverse] == [None] * len(HORIZONS_MS)


def test_a_simulated_run(tmp_path):
    """What must hold whatever the market did, and the document that others read."""
    files = ("--strategies", "demo/strategies.toml", "--config", "demo/config.toml", "--data-dir", str(tmp_path))
    assert main(["--mode", "SIM", "--adapter", "sim", "--seed", "7", "--duration", "2400", *files, "--json"]) == 0
    facts = read_facts(tmp_path)
    found = microscope(facts, hypothetical=True)
    assert len(found.trades) == len(facts.entered(hypothetical=True)) >= 3
    for trade in found.trades:
        assert trade.way.log_ack_ns == 50 * MS  # 25 ms to the simulated exchange and 25 ms back
        assert trade.mae is not None
        assert trade.mfe is not None
        # Nothing is left at a better price than the best quoted one, but for the spread that a resting target earns.
        made_ticks = (trade.exit_ticks - trade.entry_ticks) * (1 if trade.side is Side.BUY else -1)
        assert made_ticks <= trade.mfe.ticks + trade.spread_ticks
    assert sum(trade.net_uusd for trade in found.trades) == facts.net_uusd(hypothetical=True)
    assert microscope(facts, hypothetical=False).trades == ()
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
