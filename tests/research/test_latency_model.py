"""NV06: a latency model fitted from logs: logs by hand, quantiles against NumPy, a run that knows its own model."""

import json
import random

import msgspec
import numpy as np
import pytest

from tests.core.worlds import quote, trade
from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import EventLog
from trading_bot.domain import effects, events, log_records, trade_events
from trading_bot.domain.errors import UsageError
from trading_bot.domain.latency_events import OrderTimed
from trading_bot.domain.latency_model import LatencyBucket, LatencyModel, LatencySource
from trading_bot.domain.orders import ApprovedOrder, Leg, Side
from trading_bot.latency_files import write_latency_model
from trading_bot.research.latency_model import LogSamples, Sample, fit, read_samples, split

S, MS = 1_000_000_000, 1_000_000
T0 = 1_795_617_600 * S
NOW = "2026-11-21T15:00:00Z"


class Tape:
    """A log by hand: a line each."""

    def __init__(self, folder, *, hypothetical=False, **documents):
        self.path = folder
        self.log = EventLog.create(folder, b"by hand", 1 << 20)
        docs = msgspec.structs.replace(RunDocuments.default(), **documents)
        self.add(
            events.RunStarted(
                ts_ns=T0, schema=1, run_id=folder.name, mode="PAPER", adapter="ibkr", instrument="MES",
                trade_date=20261125, config_hash="", kernel_build="", documents=docs.pack(), digests={},
                hypothetical=hypothetical,
            )
        )  # fmt: skip

    def add(self, record):
        frame = log_records.frame_class(record)
        self.log.append_message(frame, record.ts_ns, 0, 0, log_records.encode(record))
        return self

    def ticks(self, *offsets_ns, instrument=1):
        for index, offset_ns in enumerate(offsets_ns):
            record = bytearray(trade(T0 + offset_ns, 26_000) if index % 2 else quote(T0 + offset_ns, 26_000, 26_001))
            record[18:20] = instrument.to_bytes(2, "little")
            self.log.writer.append_record(bytes(record))
        return self

    def place(self, number, at_ns):
        order = ApprovedOrder(
            order_id=(number, 0), instrument_id=1, template="t", side=Side.BUY, qty=1, limit_ticks=26_000,
            stop_price_ticks=25_990, target_price_ticks=26_010, expires_ns=T0 * 2, risk_uusd=1, checks_passed=1,
        )  # fmt: skip
        return self.add(effects.PlaceOrder(ts_ns=T0 + at_ns, order=order))

    def acknowledged(self, number, at_ns):
        return self.add(events.OrderAcknowledged(ts_ns=T0 + at_ns, order_id=(number, 0)))

    def read(self):
        self.log.close()
        return read_samples(self.path)


def test_a_sample_is_half_the_way_there_and_back_and_the_ticks_of_the_second_before(tmp_path):
    tape = Tape(tmp_path / "run")
    tape.ticks(0, S - 1, S, S + 5, 2 * S).place(1, 2 * S).ticks(2 * S).acknowledged(1, 2 * S + 41 * MS + 1)
    tape.ticks(5 * S).place(2, 9 * S).acknowledged(2, 9 * S + 30 * MS)
    found = tape.read()
    # In (1 s, 2 s] and before the order: those at 1 s + 5 ns and at 2 s.
    assert found.samples == (
        Sample(burst=2, entry_ns=20_500_001, response_ns=20_500_000),
        Sample(burst=0, entry_ns=15 * MS, response_ns=15 * MS),
    )
    assert found.source == LatencySource(run_id="run", trade_date=20261125, mode="PAPER", orders=2, samples=2)
    assert (found.instrument, found.simulated) == ("MES", False)


def test_another_instruments_ticks_are_no_burst(tmp_path):
    tape = Tape(tmp_path / "run").ticks(0, 1, 2, instrument=2).ticks(3).place(1, 10).acknowledged(1, 20)
    assert [sample.burst for sample in tape.read().samples] == [1]


def test_market_time_that_runs_fast_is_turned_into_wall_time(tmp_path):
    """At sixty times, 3 s of market time are 50 ms; the second before is a minute of the market."""
    tape = Tape(tmp_path / "run", wall_speed_e3=60_000)
    tape.ticks(0, 30 * S, 61 * S).place(1, 61 * S).acknowledged(1, 64 * S)
    found = tape.read()
    assert found.samples == (Sample(burst=2, entry_ns=25 * MS, response_ns=25 * MS),)
    assert found.source.wall_speed_e3 == 60_000


def test_the_bots_own_stamps_are_taken_where_they_are(tmp_path):
    tape = Tape(tmp_path / "run").place(1, S).acknowledged(1, S + 50 * MS)
    stages = {"decode_ns": 1_000, "decide_ns": 2_000, "gate_ns": 30_000, "write_ns": 7_000}
    tape.add(OrderTimed(ts_ns=T0 + 2 * S, order_id=(1, 0), leg=Leg.ENTRY, ack_ns=48 * MS, **stages))
    for number, ack_ns in ((2, 10 * MS), (3, 60 * MS), (4, None)):
        tape.place(number, number * S).acknowledged(number, number * S + 50 * MS)
        tape.add(OrderTimed(ts_ns=T0 + number * S, order_id=(number, 0), leg=Leg.ENTRY, ack_ns=ack_ns))
    # Of 50 ms from the tick to the answer, 48 were on the way: half of them back, and all the rest out.
    assert tape.read().samples == (
        Sample(burst=0, entry_ns=26 * MS, response_ns=24 * MS, measured=True),
        Sample(burst=0, entry_ns=45 * MS, response_ns=5 * MS, measured=True),
        Sample(burst=0, entry_ns=30 * MS, response_ns=30 * MS, measured=True),
        Sample(burst=0, entry_ns=25 * MS, response_ns=25 * MS),
    )


def test_what_is_no_latency_is_counted_and_not_used(tmp_path):
    def filled(number, at_ns, leg):
        return trade_events.OrderFilled(
            ts_ns=T0 + at_ns, order_id=(number, 0), leg=leg, side=Side.BUY, qty=1, price_ticks=26_000, remaining=0,
            final=True, commission_uusd=0, exec_id="e", hypothetical=False,
        )  # fmt: skip

    tape = Tape(tmp_path / "run").place(1, S).place(2, 2 * S).place(3, 3 * S).place(4, 4 * S)
    tape.add(events.OrderRejected(ts_ns=T0 + 5 * S, order_id=(1, 0), code=201, text="no", leg=Leg.ENTRY))
    tape.add(filled(2, 5 * S, Leg.STOP))  # another leg's answer
    tape.add(filled(2, 6 * S, Leg.ENTRY))
    tape.add(events.LinkStatus(ts_ns=T0 + 7 * S, up=False)).acknowledged(3, 8 * S)
    tape.add(effects.PlaceExit(ts_ns=T0 + 9 * S, order_id=(2, 0), side=Side.SELL, qty=1, limit_ticks=None, cause="t"))
    tape.add(effects.PlaceExit(ts_ns=T0 + 10 * S, order_id=(2, 0), side=Side.SELL, qty=1, limit_ticks=1, cause="t"))
    tape.add(filled(2, 11 * S, Leg.EXIT))
    found = tape.read()
    assert [sample.entry_ns + sample.response_ns for sample in found.samples] == [4 * S, 2 * S]
    assert (found.unanswered, found.rejected, found.interrupted, found.source.orders) == (1, 1, 1, 5)


@pytest.mark.parametrize(
    ("hypothetical", "account", "simulated"),
    [(True, "", True), (False, "DUSIM1", True), (False, "DU1234567", False), (False, "U1234567", False)],
)
def test_who_answered_is_known(tmp_path, hypothetical, account, simulated):
    tape = Tape(tmp_path / "run", hypothetical=hypothetical, feed={"account": account} if account else {})
    assert tape.read().simulated is simulated


# --- the fit


def log_of(samples, **changes):
    source = LatencySource(run_id="r", trade_date=20261125, mode="PAPER", orders=len(samples), samples=len(samples))
    row = {"instrument": "MES", "simulated": False, "unanswered": 0, "rejected": 0, "interrupted": 0}
    return LogSamples(source=source, samples=tuple(samples), **{**row, **changes})


def drawn(seed, count):
    rng = random.Random(seed)
    return [
        Sample(burst=int(rng.expovariate(0.05)), entry_ns=rng.randint(0, 10**9), response_ns=rng.randint(0, 10**8))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("seed", "count"), [(1, 50), (2, 51), (3, 777)])
def test_tables_are_the_sample_quantiles_of_numpy(seed, count):
    samples = drawn(seed, count)
    model = fit([log_of(samples)], buckets_max=1, fitted_at=NOW)
    chances = np.array(model.points) / 1e6
    for name in ("entry_ns", "response_ns"):
        expected = np.quantile([getattr(sample, name) for sample in samples], chances)
        np.testing.assert_allclose(getattr(model.buckets[0], name), np.floor(expected + 1e-3), atol=1)
    assert model.fitted_at == "2026-11-21T15:00:00Z"
    assert (model.samples, model.buckets[0].samples) == (count, count)


@pytest.mark.parametrize("seed", range(8))
def test_buckets_part_the_orders_and_each_has_enough(seed):
    rng = random.Random(seed)
    samples = [
        Sample(burst=rng.choice([0, 1, 5, 5, 40]), entry_ns=n, response_ns=n) for n in range(rng.randint(50, 700))
    ]
    parts = split(samples, rng.randint(1, 8))
    edges = [least for least, _ in parts]
    assert edges[0] == 0
    assert edges == sorted(set(edges))
    assert sorted(sample.entry_ns for _, rows in parts for sample in rows) == list(range(len(samples)))
    for (least, rows), end in zip(parts, [*edges[1:], 10**6], strict=True):
        assert len(rows) >= 50
        assert all(least <= sample.burst < end for sample in rows)


def test_four_even_bursts_give_four_buckets():
    samples = [Sample(burst=burst, entry_ns=burst, response_ns=0) for burst in (0, 10, 20, 30) for _ in range(50)]
    assert [(b.burst_min, b.samples, set(b.entry_ns)) for b in fit([log_of(samples)], fitted_at=NOW).buckets] == [
        (0, 50, {0}),
        (10, 50, {10}),
        (20, 50, {20}),
        (30, 50, {30}),
    ]


def test_too_few_orders_are_refused_with_the_number_that_is_needed():
    with pytest.raises(UsageError, match=r"2 runs with 49 answered orders.*needs 50.*1 more"):
        fit([log_of(drawn(1, 40)), log_of(drawn(2, 9))], fitted_at=NOW)


def test_a_simulators_answers_are_refused_unless_asked_for():
    logs = [log_of(drawn(1, 60), simulated=True)]
    with pytest.raises(UsageError, match=r"r: a simulator answered.*--simulated"):
        fit(logs, fitted_at=NOW)
    assert fit(logs, simulated=True, fitted_at=NOW).simulated


def test_logs_of_two_markets_are_refused():
    with pytest.raises(UsageError, match="ES and MES"):
        fit([log_of(drawn(1, 60)), log_of(drawn(2, 60), instrument="ES")], fitted_at=NOW)


def test_the_buckets_asked_for_are_in_range():
    with pytest.raises(UsageError, match="--buckets is 9"):
        fit([log_of(drawn(1, 60))], buckets_max=9, fitted_at=NOW)


def test_the_command_writes_a_file_that_the_simulator_takes(tmp_path, monkeypatch, capfdbinary):
    """Sixty orders of 40 ms: p99 of 20 ms each way. With ten fewer than fifty nothing is written."""
    from trading_bot.cli import main
    from trading_bot.config_files import load_config

    monkeypatch.chdir(tmp_path)
    for name, orders in (("many", 60), ("few", 40)):
        tape = Tape(tmp_path / name)
        for number in range(orders):
            tape.place(number + 1, number * S).acknowledged(number + 1, number * S + 40 * MS)
        tape.log.close()
    assert main(["latency", "fit", "few", "--out", "few.json"]) == 2
    assert b"needs 50" in capfdbinary.readouterr().err
    assert not (tmp_path / "few.json").exists()
    # A log named twice counts once.
    assert main(["latency", "fit", "many", str(tmp_path / "many"), "--out", "line.json", "--json"]) == 0
    said = json.loads(capfdbinary.readouterr().out)
    assert said["model"]["samples"] == 60
    assert said["file"] == "line.json"
    (tmp_path / "bot.toml").write_text('[simulator]\nlatency_model = "line.json"\n')
    model = load_config(tmp_path / "bot.toml").latency
    assert set(model.buckets[0].entry_ns) == set(model.buckets[0].response_ns) == {20 * MS}
    assert msgspec.to_builtins(model) == msgspec.to_builtins(msgspec.convert(said["model"], LatencyModel))


# --- a run that knows its model


@pytest.fixture(scope="module")
def known():
    """Calm orders take 20 ms each way, those after ten ticks or more 90 ms."""
    rows = [
        LatencyBucket(burst_min=least, samples=1, entry_ns=(ns, ns), response_ns=(ns, ns))
        for least, ns in ((0, 20 * MS), (10, 90 * MS))
    ]
    return LatencyModel(
        instrument="MES", fitted_at="2026-11-21T15:00:00Z", points=(0, 1_000_000), buckets=tuple(rows), samples=2
    )


def test_a_log_counts_the_burst_that_the_simulator_drew_by(tmp_path, known, monkeypatch):
    """The kernel's ring of ticks and the walk over the log agree on every order: who is busy took the busy way out."""
    from trading_bot.cli import main

    monkeypatch.chdir(tmp_path)
    write_latency_model(tmp_path / "known.json", known)
    (tmp_path / "bot.toml").write_text('[simulator]\nlatency_model = "known.json"\n')
    arguments = [
        "--mode",
        "SIM",
        "--adapter",
        "sim",
        "--seed",
        "3",
        "--duration",
        "3600",
        "--config",
        "bot.toml",
        "--json",
    ]
    assert main([*arguments, "--data-dir", "d"]) == 0
    run = next((tmp_path / "d" / "runs").iterdir())
    samples = read_samples(run).samples
    assert len(samples) > 15
    for sample in samples:
        # The answer may fall into another burst than the order.
        out_ms = 90 if sample.burst >= 10 else 20
        assert (sample.entry_ns + sample.response_ns) // MS in {out_ms + 20, out_ms + 90}
    assert {sample.burst >= 10 for sample in samples} == {True, False}
    assert main(["replay", str(run), "--json"]) == 0
    summary = json.loads((run / "summary.json").read_text())
    assert main([*arguments, "--data-dir", "again"]) == 0
    again = json.loads((next((tmp_path / "again" / "runs").iterdir()) / "summary.json").read_text())
    assert again["effects_digest"] == summary["effects_digest"]
