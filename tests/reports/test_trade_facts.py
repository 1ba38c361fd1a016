"""Facts of trading against logs written by hand, whose numbers are in the tests, and against a run's own summary."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.reports import day_log as day
from tests.reports.fact_log import FEE_UUSD, Tape, candidate, started
from trading_bot.analytics.analysis import analyse
from trading_bot.analytics.exit_touches import exit_touches
from trading_bot.core.replay import session_logs
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.orders import Leg, Side
from trading_bot.reports.trade_facts import logs_below, read_facts

ROOT = Path(__file__).resolve().parents[2]
TICK_UUSD = 1_250_000  # MES


def entered(tape, *, qty=1, side=Side.BUY, template="B", limit=24_001):
    """An outcome with two candidates, of which the better one, `template`, is ordered: number 0 of its cause."""
    better, worse = (1, 0) if template == "B" else (0, 1)
    sign = 1 if side is Side.BUY else -1
    outcome = tape.outcome(candidate(worse, -sign, 500_000), candidate(better, sign, 1_000_000, edge_e6=4_200_000))
    tape.decision(outcome, template, sign)
    tape.place(outcome, 0, template, side, limit, qty)
    return (outcome, 0)


def test_a_round_trip_has_its_money_its_prices_and_the_number_of_each_record(tmp_path):
    """Two lots in two executions at 24 001 and 24 002, both out at 24 010: 9 + 8 = 17 ticks of 1.25 dollars."""
    tape = Tape()
    order = entered(tape, qty=2)
    one = tape.fill(order, Leg.ENTRY, Side.BUY, 24_001, remaining=1)
    tape.measured(one, order, Leg.ENTRY, "ENTRY", 0)
    opened = tape.add(msgspec.structs.replace(day.opened(1, 0, 24_001, 23_993), order_id=order, ts_ns=tape.now_ns), one)
    two = tape.fill(order, Leg.ENTRY, Side.BUY, 24_002)
    tape.measured(two, order, Leg.ENTRY, "ENTRY", 1)
    out = tape.fill(order, Leg.STOP, Side.SELL, 24_010, qty=2)
    tape.measured(out, order, Leg.STOP, "STOP", 3)
    end = tape.closed(
        out, order, "B", Side.BUY, 2, pnl_usd=17 * 1.25, commission_round_trip=4 * 0.62, entry_ticks=24_002,
        exit_ticks=24_010, entry_ts_ns=day.at(6), exit_ts_ns=day.at(11), exit_reason="TRAILING",
    )  # fmt: skip
    facts = read_facts(tape.write(tmp_path / "log"))
    (trade,) = facts.trades
    assert (trade.gross_uusd, trade.commission_uusd, trade.net_uusd) == (21_250_000, 2_480_000, 18_770_000)
    assert (trade.entry_cost_ticks, trade.exit_value_ticks, trade.qty) == (48_003, 48_020, 2)
    assert (trade.outcome_seq, trade.decision_seq, trade.place_seq) == (2, 3, 4)
    assert (trade.opened_seq, trade.closed_seq, trade.fill_seqs) == (opened, end, (one, two, out))
    assert trade.seqs == (2, 3, 4, one, opened, two, out, end)
    # B takes the other side: its limit is the ask, the bid is the spread below.
    assert (trade.bid_ticks, trade.ask_ticks, trade.passive) == (24_000, 24_001, False)
    assert (trade.edge_e6, trade.p_e6, trade.cost_e6, trade.target_ticks, trade.stop_ticks) == (
        4_200_000, 600_000, 2_200_000, 12, 8,
    )  # fmt: skip
    assert (trade.entry_slippage_ticks, trade.exit_slippage_ticks) == (0.5, 3.0)
    assert (trade.trade_id, trade.told, trade.shadow, trade.win) == ("2-0", True, False, True)
    assert [row.trade_closed_seq for row in facts.fills] == [end] * 3
    (entry,) = facts.orders
    assert (entry.filled_qty, entry.end, entry.end_seq, entry.decision_seq) == (2, "FILLED", two, 3)
    assert facts.net_uusd(hypothetical=False) == 18_770_000
    assert facts.net_uusd(hypothetical=True) == 0
    assert facts.stray_fills == ()


def test_a_passive_entry_was_decided_at_its_own_side_of_the_book(tmp_path):
    tape = Tape()
    order = entered(tape, template="A", side=Side.SELL, limit=24_001)
    fill = tape.fill(order, Leg.ENTRY, Side.SELL, 24_001)
    out = tape.fill(order, Leg.TARGET, Side.BUY, 23_989)
    tape.closed(out, order, "A", Side.SELL, 1, pnl_usd=15.0, exit_reason="TARGET", entry_ts_ns=1, exit_ts_ns=2)
    (trade,) = read_facts(tape.write(tmp_path / "log")).trades
    assert (trade.bid_ticks, trade.ask_ticks, trade.passive, trade.sign) == (24_000, 24_001, True, -1)
    assert trade.fill_seqs == (fill, out)


def test_commissions_that_come_later_are_the_trades_whenever_they_come(tmp_path):
    """Estimated .62 a side. The entry's report (+.25) comes before the close and is in TRADE_CLOSED; the exit's (−.02)
    after it. A third is of an execution in none of the logs: it is in the summary's net, and in no trade.
    """
    tape = Tape()
    order = entered(tape)
    tape.fill(order, Leg.ENTRY, Side.BUY, 24_001, exec_id="in", commission_estimated=True)
    tape.corrected(order, "in", 250_000, closed=False)
    out = tape.fill(order, Leg.TARGET, Side.SELL, 24_011, exec_id="out", commission_estimated=True)
    tape.closed(
        out, order, "B", Side.BUY, 1, pnl_usd=12.5, commission_round_trip=1.49, exit_reason="TARGET", entry_ts_ns=1,
        exit_ts_ns=2,
    )  # fmt: skip
    later = tape.corrected(order, "out", -20_000, closed=True)
    tape.corrected((77, 0), "yesterday", 100_000, closed=True)
    facts = read_facts(tape.write(tmp_path / "log"))
    (trade,) = facts.trades
    assert (trade.commission_uusd, trade.net_uusd, trade.correction_seqs) == (1_470_000, 11_030_000, (later,))
    assert [row.commission_uusd for row in facts.fills] == [870_000, 600_000]
    assert [row.told_commission_uusd for row in facts.fills] == [FEE_UUSD, FEE_UUSD]
    assert [row.estimated for row in facts.fills] == [False, False]
    assert [(row.delta_uusd, row.after_close, row.trade_closed_seq > 0) for row in facts.corrections] == [
        (250_000, False, False),
        (-20_000, True, True),
        (100_000, True, False),
    ]
    # What the run's counters do: 12.50 − 1.49 + .02 − .10
    assert facts.net_uusd(hypothetical=False) == 10_930_000


def test_a_commission_of_yesterdays_trade_is_the_trades_where_both_logs_are_read(tmp_path):
    first = Tape(started(trade_date=20261124))
    order = entered(first)
    first.fill(order, Leg.ENTRY, Side.BUY, 24_001, exec_id="in", commission_estimated=True)
    out = first.fill(order, Leg.TARGET, Side.SELL, 24_011, exec_id="out")
    first.closed(out, order, "B", Side.BUY, 1, pnl_usd=12.5, commission_round_trip=1.24, entry_ts_ns=1, exit_ts_ns=2)
    second = Tape(started(ts_ns=day.at(86_400)))
    second.corrected(order, "in", 250_000, closed=True)
    run = tmp_path / "run"
    logs = [first.write(run / "20261124"), second.write(run / "20261125")]
    (trade,) = read_facts(run).trades
    assert (trade.commission_uusd, trade.correction_seqs) == (1_490_000, ())  # the number is of another log
    assert read_facts(logs[0]).net_uusd(hypothetical=False) == 12_500_000 - 1_240_000
    today = read_facts(run, trade_date=20261125)
    assert (today.trades, today.net_uusd(hypothetical=False)) == ((), -250_000)


def test_executions_told_again_or_corrected_are_in_no_book(tmp_path):
    tape = Tape()
    order = entered(tape)
    tape.fill(order, Leg.ENTRY, Side.BUY, 24_001, exec_id="a.b.01.01")
    tape.fill(order, Leg.ENTRY, Side.BUY, 24_001, exec_id="a.b.01.01")
    tape.fill(order, Leg.ENTRY, Side.BUY, 24_000, exec_id="a.b.01.02")
    tape.add(events.StateCarried(ts_ns=tape.now_ns, state=msgspec.msgpack.encode({"executions": [["old", None]]})))
    tape.fill((9, 0), Leg.ENTRY, Side.BUY, 24_000, exec_id="old")
    facts = read_facts(tape.write(tmp_path / "log"))
    assert [row.counted for row in facts.fills] == [True, False, False, False]
    assert facts.orders[0].filled_qty == 1
    assert "2-0 open, +1" in facts.notes[0]


@pytest.mark.parametrize("restart", [None, "full"])
def test_a_trade_the_process_did_not_live_to_tell_is_worked_out_from_its_fills(tmp_path, restart):
    tape = Tape()
    order = entered(tape, side=Side.SELL, limit=24_000)
    tape.fill(order, Leg.ENTRY, Side.SELL, 24_000)
    tape.exit_sent(1, order, Side.BUY, "THESIS")
    out = tape.fill(order, Leg.EXIT, Side.BUY, 24_003)
    if restart:
        tape.add(events.EffectsAbandoned(ts_ns=tape.now_ns, cause_seq=out, kept=0))
        tape.process(restart)
    facts = read_facts(tape.write(tmp_path / "log"))
    (trade,) = facts.trades
    assert (trade.told, trade.closed_seq, trade.exit_reason, trade.mae_ticks) == (False, out, "THESIS", None)
    assert (trade.gross_uusd, trade.commission_uusd) == (-3 * TICK_UUSD, 2 * FEE_UUSD)
    assert trade.edge_e6 == 4_200_000
    assert "2-0" in facts.notes[0]


def test_an_entry_that_fills_again_after_its_trade_is_a_second_trade(tmp_path):
    """The rest of an entry came while its withdrawal was under way: the same order, another round trip."""
    tape = Tape()
    order = entered(tape, qty=2)
    ends = []
    for price in (24_001, 24_000):
        tape.fill(order, Leg.ENTRY, Side.BUY, price, remaining=1)
        out = tape.fill(order, Leg.STOP, Side.SELL, 23_993)
        gross_usd = (23_993 - price) * 1.25
        ends.append(tape.closed(out, order, "B", Side.BUY, 1, pnl_usd=gross_usd, entry_ts_ns=1, exit_ts_ns=2))
    facts = read_facts(tape.write(tmp_path / "log"))
    assert [(row.trade_id, row.closed_seq, row.entry_cost_ticks) for row in facts.trades] == [
        ("2-0", ends[0], 24_001),
        ("2-0", ends[1], 24_000),
    ]
    assert [row.trade_closed_seq for row in facts.fills] == [ends[0], ends[0], ends[1], ends[1]]
    assert facts.net_uusd(hypothetical=False) == -15 * TICK_UUSD - round(2 * 2.5e6)


def test_a_trade_told_again_after_a_restart_counts_once(tmp_path):
    tape = Tape()
    order = entered(tape)
    tape.fill(order, Leg.ENTRY, Side.BUY, 24_001)
    out = tape.fill(order, Leg.TARGET, Side.SELL, 24_003)
    abandoned = tape.add(events.EffectsAbandoned(ts_ns=tape.now_ns, cause_seq=out, kept=0))
    tape.measured(abandoned, order, Leg.TARGET, "RESTING", 0)
    end = tape.closed(abandoned, order, "B", Side.BUY, 1, pnl_usd=2.5, entry_ts_ns=1, exit_ts_ns=2)
    tape.process("full")
    facts = read_facts(tape.write(tmp_path / "log"))
    assert [(row.told, row.closed_seq) for row in facts.trades] == [(True, end)]
    assert (facts.fills[-1].fill_kind, facts.sessions[0].restarts, facts.notes) == ("RESTING", 1, ())


def test_a_cold_start_knows_of_no_trade_and_its_fills_are_strays(tmp_path):
    tape = Tape()
    order = entered(tape)
    tape.fill(order, Leg.ENTRY, Side.BUY, 24_001)
    tape.process("facts")
    tape.fill(order, Leg.STOP, Side.SELL, 23_993)
    facts = read_facts(tape.write(tmp_path / "log"))
    assert facts.trades == ()
    assert len(facts.stray_fills) == 2
    assert any("open, +1" in note for note in facts.notes)


def test_a_shadow_trade_is_told_and_is_in_no_account(tmp_path):
    tape = Tape()
    outcome = tape.outcome(candidate(1, 1, 1_000_000))
    placed = tape.add(
        effects.PlaceShadow(
            ts_ns=tape.now_ns, order_id=(outcome, 0), template="B", side=Side.BUY, limit_ticks=24_001, target_ticks=12,
            stop_ticks=8, hold_ns=1, life_ns=1,
        ),
        outcome,
    )  # fmt: skip
    fills = [
        tape.add(
            trade_events.ShadowFilled(
                ts_ns=tape.now_ns,
                order_id=(outcome, 0),
                leg=leg,
                side=side,
                price_ticks=price,
                commission_uusd=FEE_UUSD,
            )
        )
        for leg, side, price in ((Leg.ENTRY, Side.BUY, 24_002), (Leg.STOP, Side.SELL, 23_993))
    ]
    facts = read_facts(tape.write(tmp_path / "log"))
    (trade,) = facts.trades
    assert (trade.shadow, trade.place_seq, trade.fill_seqs, trade.exit_reason) == (True, placed, tuple(fills), "STOP")
    assert (trade.gross_uusd, trade.net_uusd) == (-9 * TICK_UUSD, -9 * TICK_UUSD - 2 * FEE_UUSD)
    assert (trade.entry_slippage_ticks, trade.edge_e6) == (1.0, 3_600_000)
    assert facts.entered() == ()
    assert facts.net_uusd(hypothetical=False) == 0


def test_decisions_and_refusals_name_their_candidates(tmp_path):
    tape = Tape()
    outcome = tape.outcome(candidate(0, 1, 500_000), candidate(1, -1, 900_000, belief_e6=810_000, episode=4))
    refused = tape.add(
        events.SafetyVerdict(
            ts_ns=tape.now_ns, verdict="safety_gate_blocked", order_id=(outcome, 0), failed=(1, 7), detail="why"
        ),
        outcome,
    )
    skip = tape.decision(outcome, "B", -1, "SKIP", reason="SAFETY_GATE_KILL_SWITCH", episode=4)
    tape.outcome(code=8)  # a price gap: episodes are numbered from 1 again
    tape.decision(tape.outcome(candidate(0, 1, 1)), "A", 1, "SKIP", reason="EUC_LOW")
    facts = read_facts(tape.write(tmp_path / "log"))
    (refusal,) = facts.refusals
    assert (refusal.seq, refusal.template, len(refusal.failed), refusal.detail) == (refused, "B", 2, "why")
    first, second = facts.decisions
    assert (first.seq, first.outcome_seq, first.candidate.belief_e6, first.run) == (skip, outcome, 810_000, 0)
    assert (second.template, second.run) == ("A", 1)


def test_an_order_is_followed_to_its_end(tmp_path):
    tape = Tape()
    order = entered(tape)
    acknowledged = tape.add(events.OrderAcknowledged(ts_ns=tape.now_ns, order_id=order))
    tape.add(
        trade_events.OrderWorking(ts_ns=tape.now_ns, order_id=order, leg=Leg.ENTRY, price_ticks=24_001, remaining=1)
    )
    rejected = tape.add(events.OrderRejected(ts_ns=tape.now_ns, order_id=order, code=201, text="margin"))
    (row,) = read_facts(tape.write(tmp_path / "log")).orders
    assert (row.acknowledged_seq, row.end, row.end_seq, row.end_text) == (
        acknowledged,
        "REJECTED",
        rejected,
        "201 margin",
    )
    assert (row.filled_qty, row.first_fill_ns, row.limit_ticks) == (0, None, 24_001)


def test_logs_are_found_wherever_they_are_named_and_read_in_their_order(tmp_path):
    data = tmp_path / "data"
    late = Tape(started(ts_ns=day.at(86_400), run_id="late", trade_date=20261126)).write(data / "runs" / "a" / "log-1")
    early = Tape(started(run_id="early")).write(data / "runs" / "b" / "log-1")
    for place in (data, data / "runs", [late, early], [data / "runs" / "a", data / "runs" / "b"]):
        assert [row.run_id for row in read_facts(place).sessions] == ["early", "late"]
    assert logs_below([late, late]) == [late]
    assert [row.run_id for row in read_facts(data, trade_date=20261126).sessions] == ["late"]
    with pytest.raises(UsageError, match=r"\[20261125, 20261126\], expected one with the trade date 20261101"):
        read_facts(data, trade_date=20261101)
    for nothing in (tmp_path / "nowhere", tmp_path, []):
        with pytest.raises(UsageError):
            read_facts(nothing)


def test_documents_that_are_none_are_refused(tmp_path):
    log = Tape(started(documents=b"rubbish")).write(tmp_path / "log")
    with pytest.raises(LogCorrupt, match="do not decode"):
        read_facts(log)


CONFIG = """
[simulator]
history_sessions = 2
reject_every = 5
[lockouts]
spread_ticks = 100
slippage_ticks = 100.0
"""


def run_sim(folder, config):
    options = ["--mode", "SIM", "--adapter", "sim", "--seed", "3", "--duration", "3600", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", *options, "--config", str(config), "--data-dir", str(folder)],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_a_run_cut_behind_the_end_of_a_trade_agrees_with_its_summary_before_and_after(tmp_path):
    """Money to the micro-dollar: of the run, cut behind a trade's last fill, and when a second process goes on."""
    config, data = tmp_path / "bot.toml", tmp_path / "data"
    config.write_text(CONFIG)
    summary = run_sim(data, config)
    whole = read_facts(data)
    assert len(whole.trades) == summary["trades_closed"] > 5
    assert whole.net_uusd(hypothetical=True) == round(summary["pnl_hypothetical"] * 1_000_000)
    assert whole.net_uusd(hypothetical=False) == round(summary["pnl_net_usd"] * 1_000_000) == 0
    assert sum(row.counted for row in whole.fills) == summary["fills"]
    assert all(trade.belief_e6 == 0 or trade.edge_e6 is not None for trade in whole.trades)
    for trade in whole.trades:  # the terms on the order and in the outcome come from the same candidate
        assert (trade.exit_value_ticks - trade.entry_cost_ticks) * trade.sign * TICK_UUSD == trade.gross_uusd
        assert trade.ask_ticks - trade.bid_ticks == trade.spread_ticks
    book = analyse(whole, touches=exit_touches(whole)).book(hypothetical=True)
    assert book.net_uusd == book.equity[-1].equity_uusd == whole.net_uusd(hypothetical=True)
    assert book.decomposition.residual_max_ticks <= 1.0  # AN03
    assert book.decomposition.told == len(whole.trades)
    assert book.fees.total_uusd == book.metrics.commission_uusd
    assert round(book.decomposition.net_ticks * TICK_UUSD) == book.net_uusd
    cut = whole.trades[3]
    (log,) = session_logs(next((data / "runs").iterdir()))
    cut_behind(log, cut.fill_seqs[-1])
    facts = read_facts(data)
    assert [row.net_uusd for row in facts.trades] == [row.net_uusd for row in whole.trades[:4]]
    assert [row.told for row in facts.trades] == [True, True, True, False]
    again = run_sim(data, config)
    resumed = read_facts(data)
    assert resumed.sessions[0].restarts == 1
    assert all(trade.told for trade in resumed.trades)
    assert resumed.net_uusd(hypothetical=True) == round(again["pnl_hypothetical"] * 1_000_000)
    assert resumed.net_uusd(hypothetical=True) == whole.net_uusd(hypothetical=True)


def cut_behind(log, seq):
    """As a process leaves a log that was killed when record `seq` was its newest."""
    from tests.core.test_restart import record_ends

    (segment,) = log.glob("seg-*.tbl")
    data = segment.read_bytes()
    segment.write_bytes(data[: record_ends(data)[seq - 1]])
