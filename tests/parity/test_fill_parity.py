"""Fills scored against the simulator: one tape by hand from docs/simulator.md, and a simulated run against itself."""

import json
from html.parser import HTMLParser

import msgspec
import pytest

from tests.parity import tape
from tests.parity.tape import BEGIN
from trading_bot.build_digest import build_digest
from trading_bot.cli import main
from trading_bot.core import apply
from trading_bot.domain.effects import Alert, CancelOrder, PlaceExit, PlaceOrder
from trading_bot.domain.events import OrderAcknowledged, OrderRejected, TimerFired
from trading_bot.domain.orders import ApprovedOrder, Leg, Side
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.research.fill_parity import FillParity, measured_ns, presets, round_trips
from trading_bot.research.fill_scores import ORDERS_MIN, Fills, closest, model_fill, model_score
from trading_bot.research.parity import ParityReport, parity
from trading_bot.research.parity_page import parity_page

MS = 1_000_000


def at(ms):
    return BEGIN + ms * MS


def entry(order_id, ms, side, limit_ticks, stop_ticks, target_ticks):
    # Only the safety gate builds approved orders in the product; a log gives them back as values.
    order = msgspec.convert(
        {
            "order_id": order_id,
            "instrument_id": tape.MES.id,
            "template": "K1",
            "side": side.value,
            "qty": 1,
            "limit_ticks": limit_ticks,
            "stop_price_ticks": stop_ticks,
            "target_price_ticks": target_ticks,
            "expires_ns": at(ms + 10_000),
            "risk_uusd": 1,
            "checks_passed": 0,
        },
        ApprovedOrder,
    )
    return tape.message(PlaceOrder(ts_ns=at(ms), order=order))


def filled(order_id, ms, leg, side, price_ticks, exec_id, **changes):
    values = {
        "ts_ns": at(ms),
        "order_id": order_id,
        "leg": leg,
        "side": side,
        "qty": 1,
        "price_ticks": price_ticks,
        "remaining": 0,
        "final": True,
        "commission_uusd": 0,
        "exec_id": exec_id,
        "hypothetical": False,
    }
    return tape.message(OrderFilled(**values | changes))


def market(*rows):
    """Quotes (ms, bid, ask), five lots on each side."""
    return tape.span(*(tape.quote(at(ms), bid, 5, ask, 5) for ms, bid, ask in rows))


FIRST, SECOND, THIRD = (10, 0), (20, 0), (30, 0)
LOG = [
    tape.started(),
    market((0, 100, 101)),
    entry(FIRST, 1_000, Side.BUY, 101, 90, 120),
    tape.message(OrderAcknowledged(ts_ns=at(1_080), order_id=FIRST)),
    market((1_050, 102, 103)),  # before an order of the pessimistic preset arrives, after those of the others
    filled(FIRST, 1_200, Leg.ENTRY, Side.BUY, 101, "0001.01.01"),
    filled(FIRST, 1_210, Leg.ENTRY, Side.BUY, 101, "0001.01.01"),  # told again
    tape.message(PlaceExit(ts_ns=at(3_000), order_id=FIRST, side=Side.SELL, qty=1, limit_ticks=None, cause="TIME")),
    filled(FIRST, 3_200, Leg.EXIT, Side.SELL, 101, "0002.01.01"),
    market((4_000, 102, 103)),
    entry(SECOND, 5_000, Side.SELL, 102, 110, 90),
    tape.message(OrderRejected(ts_ns=at(5_020), order_id=SECOND, code=201, text="margin")),
    market((6_000, 102, 103)),
    entry(THIRD, 7_000, Side.BUY, 95, 90, 120),
    tape.message(CancelOrder(ts_ns=at(8_000), order_id=THIRD, reason="TIME")),
    market((9_000, 102, 103)),
]


def judged(items=LOG, **changes):
    found = FillParity("20261125", presets(None), **changes)
    for item in items:
        found.take(item)
    return found


@pytest.fixture(scope="module")
def rows():
    return {(row.order, row.what): row for row in judged().rows()}


def test_an_entry_that_both_filled_differs_by_price_and_time(rows):
    row = rows["10-0", "ENTRY"]
    assert (row.real, row.qty, row.price_ticks, row.legs) == ("FILLED", 1, 101.0, ("ENTRY",))
    # 25 ms there, taken at the ask of 101, 25 ms back; the broker's fill came 200 ms after the order.
    assert row.models["configured"].verdict == "both"
    assert (row.models["configured"].price_diff_ticks, row.models["configured"].time_diff_ms) == (0, 150)
    assert (row.models["optimistic"].price_diff_ticks, row.models["optimistic"].time_diff_ms) == (0, 180)
    assert (row.models["model"].price_diff_ticks, row.models["model"].time_diff_ms) == (0, 150)


def test_an_entry_that_a_slow_model_misses_is_the_brokers_alone(rows):
    assert rows["10-0", "ENTRY"].models["pessimistic"].verdict == "real_only"


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_an_equal_price_has_no_sign(side):
    fills = []
    for _ in range(2):
        one = Fills(side=side)
        one.add(Leg.ENTRY, 1, 101, at(0))
        fills.append(one)
    diff = model_fill(*fills, comparable=True).price_diff_ticks
    assert f"{diff:+g}" == "+0", "a page would show -0, as if the broker had been better"


def test_a_close_that_was_worse_than_the_model_counts_against_us(rows):
    row = rows["10-0", "CLOSE"]
    assert (row.side, row.legs, row.price_ticks) == (Side.SELL, ("EXIT",), 101.0)
    # Sold at the bid of 102 by the model, at 101 by the broker.
    assert (row.models["configured"].price_diff_ticks, row.models["configured"].time_diff_ms) == (1, 150)
    assert row.models["pessimistic"].verdict == "no_entry", "it had nothing to close"


def test_what_the_broker_rejected_and_the_model_fills_is_the_models_alone(rows):
    row = rows["20-0", "ENTRY"]
    assert (row.real, row.qty) == ("REJECTED", 0)
    assert (row.models["configured"].verdict, row.models["configured"].price_ticks) == ("sim_only", 102)


def test_an_order_away_from_the_market_fills_in_neither(rows):
    assert {model.verdict for model in rows["30-0", "ENTRY"].models.values()} == {"neither"}
    assert ("30-0", "CLOSE") not in rows


def test_the_score_of_a_model_adds_its_rows_up():
    found = judged()
    all_rows = found.rows()
    assert found.executions == 2, "an execution told again is one"
    score = model_score("configured", all_rows, queue_model="pessimistic", latencies_ms=(25, 25), refused=0)
    assert score.entries == {"both": 1, "sim_only": 1, "neither": 1}
    assert score.closes == {"both": 1}
    assert score.closes_same_leg == 1
    assert score.agreed_percent == pytest.approx(200 / 3)
    assert (score.price_diff_ticks_mean, score.price_diff_ticks_worst, score.price_diff_ticks_total) == (0.5, 1, 1)
    assert score.time_diff_ms_p50 == 150


def test_hypothetical_fills_are_not_the_brokers():
    hypothetical = filled(FIRST, 1_200, Leg.ENTRY, Side.BUY, 101, "sim-1", hypothetical=True)
    log = [*LOG[:5], hypothetical]
    assert judged(log).executions == 0
    assert judged(log, hypothetical=True).executions == 1


def test_the_closest_model_is_told_from_ten_entries_on():
    one = judged().rows()[0]
    names = ("optimistic", "pessimistic")

    def scores(count):
        return [model_score(name, [one] * count, queue_model="", latencies_ms=(0, 0), refused=0) for name in names]

    assert closest(scores(ORDERS_MIN - 1)) is None
    assert closest(scores(ORDERS_MIN)) == "optimistic"


def test_round_trips_are_from_the_order_to_its_acknowledgement_and_become_a_model():
    assert round_trips(LOG) == [80 * MS]
    assert round_trips([tape.started(hypothetical=True), *LOG[1:]]) == []
    assert measured_ns([80 * MS] * 9) is None
    assert measured_ns([n * MS for n in range(1, 12)]) == 6 * MS
    name, config = presets(80 * MS)[-1]
    assert (name, config.entry_latency_ns, config.response_latency_ns) == ("measured", 40 * MS, 40 * MS)
    assert config.queue_model == "probabilistic"


class Page(HTMLParser):
    """Open tags must close, and nothing may come from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag == "line", attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_closes_what_it_opens_escapes_texts_and_says_the_numbers():
    found = judged()
    rows = found.rows()
    scores = [
        model_score(model.name, rows, queue_model="<queue>", latencies_ms=(25, 25), refused=0) for model in found.models
    ]
    minute = {"bars": 12, "prints": 3, "lots_seen": 90, "lots_told": 100, "lots_missing": 10, "lots_extra": 0}
    minute |= {
        "begin_ns": BEGIN,
        "score": 80,
        "flagged": True,
        "ticks_unseen": 0,
        "volume_missing": 0,
        "lots_refused": 0,
    }
    report = msgspec.convert(
        {
            "log": "runs/<x>",
            "run_id": "r&1",
            "mode": "PAPER",
            "adapter": "ibkr",
            "instrument": "MES",
            "hypothetical": False,
            "replay": {
                "identical": False,
                "decisions": 7,
                "decisions_sha256": "ab",
                "records": 9,
                "effects": 3,
                "effects_digest": "",
                "state_digest": "",
                "first_difference_seq": 5,
                "torn_bytes": 0,
                "reason": "record 5 <differs>",
            },
            "fills": {
                "real_orders": 3,
                "real_executions": 2,
                "acknowledged": 0,
                "round_trip_ms_p50": None,
                "closest": None,
                "models": scores,
                "rows": rows,
            },
            "honesty": {
                "minutes": 1,
                "ok": 0,
                "flagged": 1,
                "unwitnessed": 0,
                "score_min": 80,
                "score_mean": 80.0,
                "rows": [minute],
            },
        },
        ParityReport,
        from_attributes=True,
    )
    page = Page(parity_page(report))
    assert page.open == []
    assert page.links == []
    for text in ("Parity of r&1", "diverged", "record 5 <differs>", "<queue>", "101 ENTRY, +0, +150 ms", "REJECTED"):
        assert text in page.texts, text
    assert any("10 of 100 lots missing" in text for text in page.texts)


def test_a_simulated_runs_own_configuration_gives_its_fills_again(tmp_path, capfdbinary, monkeypatch):
    """The report's simulator is driven by the log alone; what it fills must be what the run's was told, to the ns."""
    monkeypatch.chdir(tmp_path)
    arguments = ["--mode", "SIM", "--adapter", "sim", "--seed", "5", "--duration", "7200", "--start"]
    assert main([*arguments, "2026-11-25T14:30:00Z", "--json"]) == 0
    summary = json.loads(capfdbinary.readouterr().out)
    report = parity(tmp_path / summary["log_path"], build=build_digest(), hypothetical=True)
    assert report.replay.identical
    assert report.replay.effects_digest == summary["effects_digest"]
    assert report.replay.decisions == summary["decisions"]
    assert report.fills.real_executions == summary["fills"] > 20
    own = report.fills.models[0]
    assert own.name == "configured"
    assert (own.price_diff_ticks_total, own.price_diff_ticks_worst, own.time_diff_ms_p50) == (0, 0, 0)
    assert own.agreed_percent == 100
    # The other closes are those of entries that only another model filled.
    assert (
        own.closes["both"]
        == own.closes_same_leg
        == sum(row.what == "CLOSE" and row.qty > 0 for row in report.fills.rows)
    )
    *_, last = sorted((tmp_path / summary["log_path"]).rglob("seg-*"))
    last.write_bytes(last.read_bytes()[:-3_000])  # as a full disk leaves it
    cut = parity(tmp_path / summary["log_path"], build=build_digest(), hypothetical=True)
    assert cut.replay.identical
    assert cut.replay.torn_bytes > 0
    assert cut.replay.records < report.replay.records
    assert set(own.closes) <= {"both", "no_entry"}
    for row in report.fills.rows:
        found = row.models["configured"]
        assert (found.price_diff_ticks, found.time_diff_ms) in {(0, 0), (None, None)}, row
    other = {score.name: score for score in report.fills.models}["pessimistic"]
    assert other.time_diff_ms_p50 != 0, "another model answers at another time"


def test_code_that_decides_otherwise_ends_with_4_and_the_report_says_where(tmp_path, capfdbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--mode", "SIM", "--adapter", "sim", "--seed", "5", "--duration", "900", "--start"]
    assert main([*arguments, "2026-11-25T14:30:00Z", "--json"]) == 0
    log_path = json.loads(capfdbinary.readouterr().out)["log_path"]
    assert main(["parity", log_path, "--json"]) == 0
    same = json.loads(capfdbinary.readouterr().out)
    assert same["replay"]["identical"] is True
    assert same["fills"]["models"] == [], "a simulated run has no real fills"
    assert same["honesty"]["unwitnessed"] == same["honesty"]["minutes"] > 10
    as_before = apply._HANDLERS[TimerFired]

    def more(state, event, seq):
        return [*as_before(state, event, seq), Alert(ts_ns=event.ts_ns, level="info", code="NEW", text="of new code")]

    monkeypatch.setitem(apply._HANDLERS, TimerFired, more)
    assert main(["parity", log_path, "--json"]) == 4
    other = json.loads(capfdbinary.readouterr().out)
    assert other["replay"]["identical"] is False
    assert other["replay"]["first_difference_seq"] > 1
    assert "of new code" in other["replay"]["reason"]
    assert other["replay"]["decisions_sha256"] == same["replay"]["decisions_sha256"], "it is the log's"
    assert main(["parity", "nowhere"]) == 2
