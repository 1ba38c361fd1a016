"""What the gates saved or cost (docs/gates.md): tapes by hand, and a simulated run against the reference."""

import json
from collections import Counter

import msgspec
import pytest
import scipy.stats

from tests.conftest import ROOT
from tests.exchange.reference_market import Market
from tests.reports import day_log
from tests.reports.day_log import at, quote
from trading_bot.cli import main
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, log_records
from trading_bot.domain.config import BotConfig
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.orders import Leg
from trading_bot.domain.reasons import GateReason, SafetyCheck
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session_table import parse_calendar
from trading_bot.research.clustered import clustered_mean
from trading_bot.research.gate_ledger import gate_ledger
from trading_bot.research.gate_records import Fate, Verdict

MS = 1_000_000
CALENDARS = ROOT / "data" / "calendars"
TICK_UUSD = 1_250_000  # specification 1: MES
ROUND_TRIP_UUSD = 2_500_000
TEMPLATE = {
    "on": True,
    "title": "by hand",
    "cadence": "bar",
    "entry": "marketable",
    "target_ticks": 8,
    "stop_ticks": 6,
    "hold_s": 60,
    "weights": {"mom_1s": 1.0},
}


def documents(calendar="", **template):
    templates = {"K1": msgspec.convert(TEMPLATE | template, TemplateConfig)}
    return RunDocuments(
        config=BotConfig(), templates=templates, instrument=INSTRUMENTS["MES"], calendar=calendar
    ).pack()


def started(**changes):
    return day_log.started(**({"documents": documents()} | changes))


def candidate(side=1, episode=1, **changes):
    names = [field.name for field in msgspec.structs.fields(Candidate) if field.required]
    fields = dict.fromkeys(names, 0) | {"side": side, "episode": episode, "target_ticks": 8, "stop_ticks": 6}
    return Candidate(**(fields | {"missing": False} | changes))


def decision(seconds, reason, *, side=1, episode=1, mask=None, action="SKIP"):
    mask = 1 << GateReason[reason] if mask is None else mask
    return events.DecisionMade(
        ts_ns=at(seconds), action=action, reason=reason, mask=mask, template="K1", side=side, episode=episode, text=""
    )


def refused(seconds, reason, *, side=1, episode=1, mask=None, **changes):
    """An outcome with one candidate, and what was decided about it."""
    outcome = events.OutcomeReached(
        ts_ns=at(seconds), code=1, at_grid=True, dvs_c=100, dvs_band=3, exit_mask=0,
        candidates=(candidate(side, episode, **changes),),
    )  # fmt: skip
    return [outcome, decision(seconds, reason, side=side, episode=episode, mask=mask)]


def entered(seconds, *, side=1, episode=1):
    return [
        refused(seconds, "EUC_LOW", side=side, episode=episode)[0],
        decision(seconds, "ENTER", side=side, episode=episode, mask=0, action="ENTER"),
    ]


def rises(seconds, start=1000):
    """Within four seconds the market goes up by twenty ticks: a buy at `start` + 1 meets its target."""
    return [quote(at(seconds + 0.2 * step), start + step, start + 1 + step) for step in range(1, 21)]


def ledger(tmp_path, *records):
    log = day_log.write(tmp_path / "log", [started(), day_log.carried(), *records])
    return gate_ledger(log)


def row(found, gate):
    return next(one for one in found.rows if one.gate == gate)


def test_a_gate_that_blocks_only_losers_saves_and_one_that_blocks_only_winners_costs(tmp_path):
    """Each half hour the market rises by 20 ticks from 1000/1001. Buys (8 up, 6 down) were refused by COST_SHARE, sales
    by EUC_LOW. A buy at 1001 leaves at 1009: 8 ticks, 10.00 USD less 2.50 is 7.50 of 2.50 × 3. A sale at 1000 leaves by
    its stop at 1006, where nothing prints; the quote that stands when the clock ends it has an ask of 1021: 21 ticks
    lost, 26.25 + 2.50 = 28.75.
    """
    days = []
    for number in range(4):
        second = 60 + 1_800 * number
        days += [quote(at(second), 1_000, 1_001), *refused(second, "COST_SHARE", episode=number + 1)]
        days += [
            *refused(second, "EUC_LOW", side=-1, episode=number + 1),
            *rises(second),
            quote(at(second + 70), 1020, 1021),
        ]
    found = ledger(tmp_path, *days, quote(at(9_000), 1_000, 1_001))
    winners, losers = row(found, "COST_SHARE"), row(found, "EUC_LOW")
    assert (winners.first.candidates, winners.first.filled, winners.first.wins) == (4, 4, 4)
    assert winners.first.net_uusd == 4 * 7_500_000
    assert winners.saved_uusd == -30_000_000
    assert winners.first.verdict is Verdict.COST
    assert (losers.first.filled, losers.first.wins, losers.first.gross_ticks) == (4, 0, -84)
    assert losers.saved_uusd == 4 * 28_750_000
    assert losers.first.verdict is Verdict.SAVED
    assert (losers.first.clusters, found.clustered_by) == (4, "half hour")
    assert found.hypothetical
    assert found.entered.candidates == 0


def test_a_stop_ends_a_shadow_where_a_print_reaches_it(tmp_path):
    sale = TICK_RECORD.pack(
        0, 64, 0, FrameKind.TRADE, 1, 1, 0, at(62), at(62), 1_006, 0, 1, 0, 1, 0, 0, 0
    )  # fmt: skip
    found = ledger(
        tmp_path,
        quote(at(60), 1_000, 1_001), *refused(60, "EUC_LOW", side=-1), quote(at(61.9), 1_005, 1_006), sale,
        quote(at(63), 1_005, 1_006), quote(at(70), 1_005, 1_006),
    )  # fmt: skip
    (trade,) = found.trades
    assert (trade.entry_ticks, trade.exit_ticks, trade.exit_leg, trade.fate) == (1_000, 1_006, "STOP", Fate.FILLED)
    assert (trade.gross_uusd, trade.fees_uusd) == (-6 * TICK_UUSD, ROUND_TRIP_UUSD)
    assert (trade.entry_ts_ns, trade.exit_ts_ns) == (at(60) + 50 * MS, at(62) + 25 * MS)  # 25 ms each way


def test_an_episode_is_followed_once_for_each_gate_that_refused_it_first(tmp_path):
    found = ledger(
        tmp_path,
        quote(at(60), 1_000, 1_001),
        *refused(60, "EUC_LOW"), *refused(61, "FREQUENCY_HOUR"), *refused(62, "EUC_LOW"),
        *refused(63, "EUC_LOW", episode=2),
        *rises(64), quote(at(200), 1_020, 1_021),
    )  # fmt: skip
    assert Counter((trade.gate, trade.episode) for trade in found.trades) == {
        ("EUC_LOW", 1): 1, ("FREQUENCY_HOUR", 1): 1, ("EUC_LOW", 2): 1,
    }  # fmt: skip
    assert found.decisions == 4


def test_what_was_entered_later_was_only_delayed(tmp_path):
    found = ledger(
        tmp_path,
        quote(at(60), 1_000, 1_001), *refused(60, "EUC_LOW"), *entered(61), *refused(62, "POSITION_OPEN"),
        *rises(64), quote(at(200), 1_020, 1_021),
    )  # fmt: skip
    assert (row(found, "EUC_LOW").delayed, row(found, "EUC_LOW").first.candidates) == (1, 0)
    assert (row(found, "POSITION_OPEN").delayed, row(found, "POSITION_OPEN").first.filled) == (0, 1)
    assert (found.entered.filled, found.entered.net_uusd) == (1, 7_500_000)


def test_refused_alone_and_with_others(tmp_path):
    both = 1 << GateReason.EUC_LOW | 1 << GateReason.SIZE_ZERO
    found = ledger(
        tmp_path,
        quote(at(60), 1_000, 1_001), *refused(60, "EUC_LOW", mask=both), *refused(61, "EUC_LOW", episode=2),
        *rises(64), quote(at(200), 1_020, 1_021),
    )  # fmt: skip
    low = row(found, "EUC_LOW")
    assert (low.said_no, low.first.candidates, low.alone.candidates) == (2, 2, 1)
    assert (row(found, "SIZE_ZERO").said_no, row(found, "SIZE_ZERO").first.candidates) == (1, 0)
    assert low.alone.seqs == ((found.logs[0], found.trades[1].decision_seq),)


def test_a_refusal_of_the_safety_gate_names_its_check_and_the_further_ones(tmp_path):
    outcome, told = refused(60, "EUC_LOW", mask=1 << GateReason.SAFETY_GATE)
    blocked = events.SafetyVerdict(
        ts_ns=at(60), verdict="safety_gate_blocked", order_id=(4, 0),
        failed=(SafetyCheck.PRICE, SafetyCheck.SPREAD), detail="",
    )  # fmt: skip
    told = msgspec.structs.replace(told, reason="SAFETY_GATE_PRICE")
    found = ledger(
        tmp_path, quote(at(60), 1_000, 1_001), outcome, blocked, told, *rises(64), quote(at(200), 1_020, 1_021)
    )
    (trade,) = found.trades
    assert (trade.gate, trade.others) == ("SAFETY_GATE_PRICE", ("SAFETY_GATE_SPREAD",))
    assert [one.gate for one in found.rows] == ["SAFETY_GATE_PRICE", "SAFETY_GATE_SPREAD"]


def test_a_passive_template_joins_its_own_side(tmp_path):
    """Buys at the bid of 1000, sales at the ask of 1001, which nobody takes: both end unfilled."""
    log = day_log.write(
        tmp_path / "log",
        [
            started(documents=documents(entry="passive")), quote(at(60), 1_000, 1_001),
            *refused(60, "EUC_LOW"), *refused(60.1, "EUC_LOW", side=-1), quote(at(90), 1_000, 1_001),
        ],
    )  # fmt: skip
    found = gate_ledger(log)
    assert [(trade.limit_ticks, trade.fate) for trade in found.trades] == [
        (1_000, Fate.UNFILLED),
        (1_001, Fate.UNFILLED),
    ]
    assert row(found, "EUC_LOW").first.unfilled == 2


def test_where_the_session_flattens_before_the_time_stop_it_ends_the_trade(tmp_path):
    """Specification 10: 2026-11-25 closes at 16:00 in New York, 6.5 hours after the open, and is flat by 15:55."""
    table = parse_calendar((CALENDARS / "us_index.csv").read_text(), source="us_index.csv").extract(20261125, 1)
    flatten_s = 6.5 * 3_600 - 300
    log = day_log.write(
        tmp_path / "log",
        [
            started(documents=documents(calendar=table, hold_s=1_200)), quote(at(60), 1_000, 1_001),
            *refused(60, "EUC_LOW"),
            *refused(flatten_s - 100, "SESSION_CLOSE_BUFFER", episode=2),
            *refused(flatten_s + 1, "SESSION_EXIT", episode=3), quote(at(flatten_s + 200), 1_000, 1_001),
        ],
    )  # fmt: skip
    assert [trade.hold_ns // NS_PER_S for trade in gate_ledger(log).trades] == [1_200, 100, 1_200]


@pytest.mark.parametrize("again", ["gap", "cold"])
def test_numbers_of_episodes_begin_again_after_a_price_gap_and_a_cold_start(tmp_path, again):
    records = {
        "gap": TICK_RECORD.pack(0, 64, 0, FrameKind.PRICE_GAP, 1, 1, 0, at(70), at(70), 1, 2, 0, 0, 0, 0, 0, 0),
        "cold": events.ProcessStarted(
            ts_ns=at(70), recovery="facts", config_hash="", kernel_build="", last_seq=1, torn_bytes=0,
            documents=documents(),
        ),
    }  # fmt: skip
    found = ledger(
        tmp_path,
        quote(at(60), 1_000, 1_001), *refused(60, "EUC_LOW"), records[again], quote(at(71), 1_000, 1_001),
        *refused(72, "EUC_LOW"), *entered(73), quote(at(200), 1_000, 1_001),
    )  # fmt: skip
    assert [(trade.gate, trade.delayed) for trade in found.trades] == [
        ("EUC_LOW", False), ("EUC_LOW", True), ("ENTERED", False),
    ]  # fmt: skip


def test_a_candidate_that_a_strategy_in_python_proposed(tmp_path):
    outcome = events.OutcomeReached(ts_ns=at(60), code=32, at_grid=True, dvs_c=100, dvs_band=3, exit_mask=0)
    proposed = events.StrategyProposed(ts_ns=at(60), template="K1", reason="", candidate=candidate(target_ticks=3))
    found = ledger(
        tmp_path,
        quote(at(60), 1_000, 1_001),
        outcome,
        proposed,
        decision(60, "EUC_LOW"),
        *rises(61),
        quote(at(99), 1, 2),
    )
    assert [(trade.target_ticks, trade.gross_ticks) for trade in found.trades] == [(3, 3)]


def test_days_are_the_groups_from_five_on_and_one_of_them_can_be_chosen(tmp_path):
    logs = []
    for day in range(5):
        records = [quote(at(60), 1_000, 1_001), *refused(60, "EUC_LOW"), *rises(61), quote(at(200), 1_020, 1_021)]
        opening = started(trade_date=20261123 + day)
        logs.append(day_log.write(tmp_path / str(day), [opening, day_log.carried(), *records]))
    assert (gate_ledger(logs[:4]).clustered_by, gate_ledger(logs).clustered_by) == ("half hour", "day")
    whole = gate_ledger(logs)
    assert (row(whole, "EUC_LOW").first.clusters, whole.trade_dates[0]) == (5, 20261123)
    assert row(gate_ledger(logs, trade_date=20261124), "EUC_LOW").first.seqs == ((str(logs[1]), 5),)


def test_a_log_that_was_cut_short_is_read_up_to_there(tmp_path):
    records = [
        started(),
        day_log.carried(),
        quote(at(60), 1_000, 1_001),
        *refused(60, "EUC_LOW"),
        quote(at(61), 1_000, 1_001),
    ]
    log = day_log.write(tmp_path / "log", records, close=False)
    segment = next(log.glob("*.tbl"))
    data = bytearray(segment.read_bytes())
    end = data.rindex(b"\x40\0\0\0")
    segment.write_bytes(data[: end + 10])
    with LogReader(log) as reader:
        assert sum(1 for _ in reader.frames()) == 5
        assert reader.torn_bytes == 14  # four of the checksum, ten of what follows it
    assert row(gate_ledger(log), "EUC_LOW").first.unfinished == 1


def test_what_cannot_be_placed_or_did_not_end_is_said_and_is_in_no_sum(tmp_path):
    found = ledger(
        tmp_path,
        *refused(59, "EUC_LOW", episode=1),  # before the first quote
        quote(at(60), 1_000, 1_001),
        *refused(60, "MISSING_REQUIRED_SIGNAL", episode=2, missing=True),
        *refused(61, "EUC_LOW", episode=3),
        quote(at(62), 1_000, 1_001),
    )  # fmt: skip
    assert [trade.fate for trade in found.trades] == [Fate.NO_TERMS, Fate.NO_TERMS, Fate.UNFINISHED]
    assert (row(found, "EUC_LOW").no_terms, row(found, "EUC_LOW").first.unfinished) == (1, 1)
    assert row(found, "EUC_LOW").first.net_uusd == 0
    assert "1 candidates were still working or open" in found.notes[0]


def test_one_position_at_a_time(tmp_path):
    """Three buys within the life of the first: whoever holds one lot has one of them."""
    skips = [record for number in range(3) for record in refused(60 + number / 10, "EUC_LOW", episode=number + 1)]
    found = ledger(tmp_path, quote(at(60), 1_000, 1_001), *skips, *rises(61), quote(at(200), 1_020, 1_021))
    first = row(found, "EUC_LOW").first
    assert (first.filled, first.net_uusd) == (3, 22_500_000)
    assert (first.single_trades, first.single_net_uusd) == (1, 7_500_000)


def test_intervals_are_those_of_student_and_know_groups():
    values = [3, -8, 5, 5, -2, 9, -4, 1]
    alone = clustered_mean(values, range(len(values)))
    low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (alone.low, alone.high) == (pytest.approx(low), pytest.approx(high))
    # Groups of equal size: the interval of the means of the groups.
    pairs = clustered_mean(values, [0, 0, 1, 1, 2, 2, 3, 3])
    low, high = scipy.stats.ttest_1samp([-2.5, 5, 3.5, -1.5], 0).confidence_interval(0.95)
    assert (pairs.mean, pairs.low, pairs.high, pairs.clusters) == (1.125, pytest.approx(low), pytest.approx(high), 4)
    assert clustered_mean([1, 2], ["a", "a"]).low is None
    assert clustered_mean([], []).mean is None


# --- a simulated run -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Ten minutes before the open and half an hour behind it under the demo's strategies, in this process."""
    data = tmp_path_factory.mktemp("gates")
    arguments = ("--mode", "SIM", "--adapter", "sim", "--seed", "7", "--duration", "2400")
    files = ("--strategies", "demo/strategies.toml", "--config", "demo/config.toml", "--data-dir", str(data))
    assert main([*arguments, *files, "--json"]) == 0
    (folder,) = (data / "runs").iterdir()
    return folder


def test_every_candidate_of_a_run_comes_out_as_the_reference_has_it(run):
    """The reference is written from docs/simulator.md; 25 ms each way is the default of simulator.*_latency_ms."""
    found = gate_ledger(run)
    config = ExchangeConfig(entry_latency_ns=25 * MS, response_latency_ns=25 * MS)
    market = Market(config)
    chosen = [trade for trade in found.trades if trade.fate is not Fate.NO_TERMS][::9]
    assert len(chosen) > 40
    waiting = {}
    for number, trade in enumerate(chosen):
        waiting.setdefault(trade.decision_seq, []).append((number, trade))
    (log,) = session_logs(run)
    with LogReader(log) as reader:
        for frame in reader.frames():
            if frame.kind in (FrameKind.QUOTE, FrameKind.TRADE):
                fields = TICK_RECORD.unpack(frame.payload)
                if frame.kind == FrameKind.QUOTE:
                    market.on_quote(fields[7], fields[9], fields[11], fields[10], fields[12])
                else:
                    market.on_trade(fields[7], fields[9], fields[11], fields[13])
            for number, trade in waiting.get(frame.seq, ()):
                life_ns = 10 * NS_PER_S  # specification 11: the default time to live
                market.place_shadow(
                    number, trade.ts_ns, trade.side, 1, trade.limit_ticks, trade.target_ticks, trade.stop_ticks,
                    trade.hold_ns, life_ns,
                )  # fmt: skip
    heard = {}
    for ts_ns, handle, leg, kind, _side, _qty, price, *_ in market.heard:
        heard.setdefault(handle, []).append((ts_ns, int(leg), int(kind), price))
    fates = Counter()
    for number, trade in enumerate(chosen):
        told = heard.get(number, [])
        fates[trade.fate] += 1
        if trade.fate is Fate.FILLED:
            entry, leaving = told
            assert (entry[0], entry[1], entry[3]) == (trade.entry_ts_ns, 0, trade.entry_ticks)
            assert (leaving[0], leaving[3]) == (trade.exit_ts_ns, trade.exit_ticks)
            assert ["ENTRY", "TARGET", "STOP", "EXIT"][leaving[1]] == trade.exit_leg
            assert trade.gross_uusd == (leaving[3] - entry[3]) * trade.side * TICK_UUSD
        elif trade.fate is Fate.UNFILLED:
            assert [(row[0], row[2]) for row in told] == [(trade.done_ts_ns, 5)]
    assert fates[Fate.FILLED] > 20
    assert fates[Fate.UNFILLED] > 5


def test_the_twin_of_an_entry_fills_when_and_where_the_order_itself_did(run):
    """One lot in the pessimistic queue, sent in the same moment over the same way: the first fill is the same one."""
    (log,) = session_logs(run)
    fills = {}
    with LogReader(log) as reader:
        for frame in reader.frames():
            if frame.kind == FrameKind.MESSAGE:
                record = log_records.decode(frame.payload)
                if isinstance(record, OrderFilled) and record.leg is Leg.ENTRY:
                    fills.setdefault(record.order_id[0], (record.ts_ns, record.price_ticks))
    twins = {trade.outcome_seq: trade for trade in gate_ledger(run).trades if trade.gate == "ENTERED"}
    assert len(fills) >= 3
    assert {seq: (twins[seq].entry_ts_ns, twins[seq].entry_ticks) for seq in fills} == fills


def test_sums_are_those_of_the_trades_and_the_log_is_as_it_was(run):
    before = {path: path.read_bytes() for path in sorted(run.rglob("*.tbl"))}
    found = gate_ledger(run)
    for gate in found.rows:
        own = [trade for trade in found.trades if trade.gate == gate.gate and trade.fate is Fate.FILLED]
        counted = [trade for trade in own if not trade.delayed]
        assert gate.first.net_uusd == sum(trade.gross_uusd - trade.fees_uusd for trade in counted)
        assert gate.first.filled == len(counted)
        assert all(trade.fees_uusd == ROUND_TRIP_UUSD for trade in own)
    assert {path: path.read_bytes() for path in sorted(run.rglob("*.tbl"))} == before
    assert gate_ledger([run]).ledger_digest == found.ledger_digest


def test_the_command_prints_one_document_or_tables(run, capsys):
    assert main(["gates", str(run), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["hypothetical"] is True
    assert sum(gate["first"]["candidates"] for gate in document["rows"]) > 100
    assert main(["gates", str(run)]) == 0
    text = capsys.readouterr().out
    assert "HYPOTHETICAL: what each gate refused first" in text
    assert "FREQUENCY_HOUR" in text
    assert main(["gates", str(run), "--date", "20200101"]) == 2
    assert "found no log of 20200101" in capsys.readouterr().err
    assert document["tick_value_uusd"] == TICK_UUSD
