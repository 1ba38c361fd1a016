"""Where the money of a trade came from, by hand (features AN03, AN07)."""

import msgspec
import pytest

from tests.analytics.ten_trades import trade
from trading_bot.analytics.decomposition import decompose, efficiency, total_of
from trading_bot.domain.orders import Leg, Side
from trading_bot.reports.fact_records import FillFact, OrderFact


def fill(seq, leg, side, price, qty=1, slippage=None):
    return FillFact(
        log="log", seq=seq, ts_ns=seq, instrument="MES", tick_value_uusd=1_250_000, order_id="1-0", leg=leg.value,
        side=side, qty=qty, price_ticks=price, commission_uusd=0, told_commission_uusd=0, estimated=False,
        exec_id=str(seq), perm_id=0, hypothetical=False, counted=True, slippage_ticks=slippage,
    )  # fmt: skip


def exit_order(seq):
    return OrderFact(
        log="log", seq=seq, ts_ns=seq, order_id="1-0", leg="EXIT", outcome_seq=1, decision_seq=2, template="S1",
        side=Side.SELL, qty=1, limit_ticks=None, stop_price_ticks=None, target_price_ticks=None, expires_ns=None,
        risk_uusd=None, cause="THESIS",
    )  # fmt: skip


def parts_of(found):
    return found.edge_ticks, found.spread_ticks, found.slippage_ticks, found.gross_ticks, found.fees_ticks


def test_a_marketable_long_that_is_stopped():
    """Bid 24 000, ask 24 001 at the decision: mid 24 000.5. Bought at 24 002 (1 through the ask), stop at 23 993 filled
    at 23 991. Spread: half a tick in, half a tick out. Slippage: 1 + 2. Gross −11: the market moved −11 + 1 + 3 = −7,
    from 24 000.5 to the mid of the stop, 23 993.5. Fees of 2.50 are 2 ticks.
    """
    fills = [fill(3, Leg.ENTRY, Side.BUY, 24_002), fill(5, Leg.STOP, Side.SELL, 23_991, slippage=2)]
    row = trade(1, -11, passive=False, entry_cost_ticks=24_002, exit_value_ticks=23_991)
    found = decompose(row, fills)
    assert parts_of(found) == (-7.0, 1.0, 3.0, -11.0, 2.0)
    assert (found.net_ticks, found.residual_ticks, found.told) == (-13.0, 0.0, 1)


def test_a_passive_short_at_its_target_earns_the_spread_twice():
    """Sold at the ask 24 001 with the mid at 24 000.5; bought at the limit 23 990, half below that mid of 23 990.5."""
    fills = [fill(3, Leg.ENTRY, Side.SELL, 24_001), fill(5, Leg.TARGET, Side.BUY, 23_990, slippage=0)]
    row = trade(1, 11, side=Side.SELL, entry_cost_ticks=24_001, exit_value_ticks=23_990)
    assert parts_of(decompose(row, fills)) == (10.0, -1.0, 0.0, 11.0, 2.0)


def test_an_exit_at_the_market_is_measured_against_the_quote_it_was_sent_at():
    """Long at the bid 24 000 (−.5 spread). Sent to leave at 24 005/24 007: half a spread of 1 and, sold at 24 004, one
    tick slipped. Gross 4 = move 5.5 − spread .5 − slippage 1, the move being 24 006 − 24 000.5.
    """
    fills = [fill(3, Leg.ENTRY, Side.BUY, 24_000), fill(8, Leg.EXIT, Side.SELL, 24_004)]
    row = trade(1, 4, entry_cost_ticks=24_000, exit_value_ticks=24_004)
    touches = {("log", 6): (24_001, 24_002), ("log", 7): (24_005, 24_007), ("log", 9): (1, 2)}
    found = decompose(row, fills, [exit_order(6), exit_order(7), exit_order(9)], touches)
    assert parts_of(found) == (5.5, 0.5, 1.0, 4.0, 2.0)
    # Without the quote: half the spread of the decision, and no slippage is claimed.
    assert parts_of(decompose(row, fills, [exit_order(7)])) == (4.0, 0.0, 0.0, 4.0, 2.0)


def test_lots_of_several_executions_count_each_with_its_own_price():
    """Two lots in at 24 001 and 24 003 against the ask 24 001, both out at the target: slippage 0 + 2."""
    fills = [
        fill(3, Leg.ENTRY, Side.BUY, 24_001),
        fill(4, Leg.ENTRY, Side.BUY, 24_003),
        fill(5, Leg.TARGET, Side.SELL, 24_011, qty=2, slippage=0),
    ]
    row = trade(1, 9, qty=2, passive=False, entry_cost_ticks=48_004, exit_value_ticks=48_022)
    found = decompose(row, fills)
    assert (found.slippage_ticks, found.spread_ticks, found.gross_ticks, found.lots) == (2.0, 0.0, 18.0, 2)
    assert found.edge_ticks - found.spread_ticks - found.slippage_ticks == found.gross_ticks


def test_what_the_prices_do_not_explain_is_the_residual():
    row = trade(1, 4, entry_cost_ticks=24_000, exit_value_ticks=24_003)
    fills = [fill(3, Leg.ENTRY, Side.BUY, 24_000), fill(5, Leg.TARGET, Side.SELL, 24_003, slippage=0)]
    found = total_of([decompose(row, fills), decompose(trade(2, 4), fills)])
    assert (found.residual_ticks, found.residual_max_ticks, found.trades) == (1.0, 1.0, 2)


def test_a_trade_without_a_touch_is_all_move():
    row = msgspec.structs.replace(trade(1, 4), bid_ticks=None, ask_ticks=None)
    found = decompose(row, [])
    assert (found.edge_ticks, found.spread_ticks, found.told) == (4.0, 0.0, 0)


def test_efficiency_is_what_was_earned_of_what_was_promised():
    """Edge 3, cost 2 each. One of 2 lots earns 4 ticks a lot, one loses 2, 1 of it slipped: (8 − 2 + 1)/(6 + 3) = 7/9
    before costs. After fees of 2 a lot: (8 − 4) + (−2 − 2) = 0 of (3 − 2)·3 = 3.
    """
    rows = [
        trade(1, 4, qty=2),
        trade(2, -2, passive=False, entry_cost_ticks=24_002, exit_value_ticks=24_000),
        trade(3, 9, edge_e6=None),
    ]
    parts = [
        decompose(rows[0], []),
        decompose(rows[1], [fill(3, Leg.ENTRY, Side.BUY, 24_002), fill(5, Leg.TARGET, Side.SELL, 24_000, slippage=0)]),
        decompose(rows[2], []),
    ]
    found = efficiency(rows, parts)
    assert (found.trades, found.lots) == (2, 3)
    assert found.edge_ratio == pytest.approx(7 / 9)
    assert found.net_ratio == 0.0
    assert (found.predicted_edge_ticks, found.predicted_net_ticks) == (3.0, 1.0)
    assert found.realised_edge_ticks == pytest.approx(7 / 3)
    assert efficiency([], []).edge_ratio is None
