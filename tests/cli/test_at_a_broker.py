"""The bot at a gateway, from its command line: runs and their logs, restarts, and what is refused with nothing sent."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import msgspec
import pytest

from tests.ibkr.rig import connected
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.core.event_log import LogReader, MessageFrame
from trading_bot.core.log_walk import TickSpan
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.events import HistoryLoaded, InstrumentBound, LinkStatus
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD

OPEN_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z, the regular open
SPEED = 60.0
FAST = ("--clock", "feed", "--speed", "60")


@pytest.fixture
def gateway():
    with running_gateway(seed=7, speed=SPEED, start_ns=OPEN_NS) as running:
        yield running


@pytest.fixture
def bot(run_main, gateway):
    """Runs the command against the gateway; the exit code and the document it printed."""

    def run(*arguments):
        code, out, _ = run_main("--port", gateway.port, "--json", *arguments)
        return code, json.loads(out)

    return run


def refused(answer, code, *parts):
    """The command ended with `code` and a sentence that has these parts."""
    found, document = answer
    assert found == code, document
    error = document["error"]
    assert error["code"] == code
    for part in parts:
        assert part in error["message"]


def orders_at(gateway):
    """(reference, side, filled) of every order the gateway has heard of."""
    return gateway.call(
        lambda real: [
            (order.request.order_ref, order.request.action, order.filled) for order in real.desk._orders.values()
        ]
    )


def position_at(gateway):
    return gateway.call(lambda real: sum(position.qty for position in real.desk.account.positions.values()))


def heard(gateway, event):
    return [values for name, values in gateway.told if name == event]


def records(log_path):
    for log in session_logs(log_path):
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    yield log_records.decode(item.payload)


def instruments_seen(log_path):
    """Ids that the market records of a run carry."""
    found = set()
    for log in session_logs(log_path):
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, TickSpan):
                    found |= {row[5] for row in TICK_RECORD.iter_unpack(item.buffer[: item.count * FRAME_ALIGN])}
    return found


# --- runs -------------------------------------------------------------------------------------------------------------


def test_observe_decides_on_the_brokers_market_and_sends_nothing(bot, gateway, run_main, tmp_path):
    code, summary = bot("--account", "DUSIM1", *FAST, "--duration", "6")
    assert code == 0, summary
    assert (summary["mode"], summary["adapter"], summary["exit_reason"]) == ("OBSERVE", "ibkr", "DURATION")
    assert summary["orders"] == 0
    assert summary["decisions"] > 0
    assert summary["quotes"] > 500
    assert summary["rejected_inputs"] == {}
    # --duration is wall time, the log's span market time.
    assert (summary["ts_last_ns"] - summary["ts_first_ns"]) / 1e9 == pytest.approx(6 * SPEED, rel=0.01)
    assert orders_at(gateway) == []
    found = list(records(tmp_path / summary["log_path"]))
    bound = next(record for record in found if isinstance(record, InstrumentBound))
    listed = gateway.call(lambda real: real.contracts.front(INSTRUMENTS["MES"]))
    assert (bound.con_id, bound.expiry) == (listed.con_id, 20261218)
    assert sum(isinstance(record, HistoryLoaded) for record in found) == 21
    assert any(isinstance(record, LinkStatus) and record.up for record in found)
    assert "WARM_UP" not in summary["skips_by_reason"]
    code, out, _ = run_main("replay", summary["log_path"], "--json")
    assert code == 0, out


def test_es_is_seen_and_mes_is_traded(bot, gateway, run_main, tmp_path):
    (tmp_path / "bot.toml").write_text('[ibkr]\nsignal_instrument = "ES"\n')
    arguments = ("--mode", "PAPER", "--account", "DUSIM1", *FAST, "--duration", "12", "--config", "bot.toml")
    code, summary = bot(*arguments)
    assert code == 0, summary
    assert summary["instrument"] == "MES"
    log = tmp_path / summary["log_path"]
    assert instruments_seen(log) == {INSTRUMENTS["ES"].id, INSTRUMENTS["MES"].id}
    mes = gateway.call(lambda real: real.contracts.front(INSTRUMENTS["MES"]).con_id)
    bound = next(record for record in records(log) if isinstance(record, InstrumentBound))
    assert (bound.symbol, bound.con_id) == ("MES", mes)
    orders = gateway.call(lambda real: [order.request for order in real.desk._orders.values()])
    assert all(order.contract.con_id == mes for order in orders)
    assert position_at(gateway) == 0
    code, out, _ = run_main("replay", summary["log_path"], "--json")
    assert code == 0, out


def test_a_signal_instrument_with_other_prices_ends_with_2(bot, gateway, tmp_path):
    (tmp_path / "bot.toml").write_text('[ibkr]\nsignal_instrument = "MNQ"\n')
    refused(bot("--config", "bot.toml"), 2, "ibkr.signal_instrument MNQ is NDX", "the same prices")
    assert orders_at(gateway) == []


def test_a_clock_that_differs_from_the_gateways_is_told(bot, tmp_path):
    code, summary = bot("--account", "DUSIM1", "--duration", "1")
    assert code == 0, summary
    told = [record.text for record in records(tmp_path / summary["log_path"]) if isinstance(record, BrokerNotice)]
    assert any("the gateway's clock is" in text and "--clock feed" in text for text in told), told


def test_paper_ends_flat_with_every_order_of_ours_at_the_broker(bot, gateway, run_main, tmp_path):
    code, summary = bot("--mode", "PAPER", "--account", "DUSIM1", *FAST, "--duration", "12")
    assert code == 0, summary
    assert summary["position_qty"] == position_at(gateway) == 0
    placed = orders_at(gateway)
    assert sum(reference.endswith("-E") for reference, *_ in placed) == summary["orders"]
    assert summary["naked_ms_max"] <= 250
    code, out, _ = run_main("replay", summary["log_path"], "--json")
    assert code == 0, out
    # Written unasked when the run has ended, after its log is closed.
    ending = json.loads((tmp_path / "data" / "reports" / "eod-20261125.json").read_text())
    assert (ending["flat"], ending["real"]["net_usd"]) == (True, summary["pnl_net_usd"])
    # The name that the broker's statement has leads to what the broker said about each order, and to its trade.
    for reference in [reference for reference, *_ in placed if reference.endswith("-E")][:3]:
        code, out, _ = run_main("explain", summary["log_path"], reference, "--json")
        assert code == 0, out
        told = [line["what"] for line in json.loads(out)["story"]]
        assert told.index("PLACE_ORDER") < told.index("ORDER_ACKNOWLEDGED")
        assert "ORDER_TIMED" in told
        assert ("TRADE_CLOSED" in told) == ("ORDER_FILLED" in told)


def test_record_writes_the_feed_and_decides_nothing(gateway, run_main):
    code, out, _ = run_main("record", "--port", gateway.port, *FAST, "--duration", "3", "--json")
    summary = json.loads(out)
    assert code == 0, summary
    assert summary["quotes"] > 200
    assert summary["decisions"] == summary["approvals"] == 0
    assert orders_at(gateway) == []
    code, out, _ = run_main("log", "verify", summary["log_path"], "--json")
    assert code == 0, out


def test_ticks_download_writes_what_the_gateway_has(gateway, run_main, tmp_path):
    pytest.importorskip("pyarrow", reason="the research extra is not installed here")
    with connected(gateway) as session:
        session.run(_sleep(2.0))  # two minutes of the market
    span = ("--start", "2026-11-25T14:30:00Z", "--end", "2026-11-25T14:31:00Z")
    code, out, _ = run_main("ticks", "download", "--port", gateway.port, "--out", tmp_path / "t", *span, "--json")
    assert code == 0, out
    done = json.loads(out)
    assert (done["contract"], done["what"]) == ("MESZ6", "TRADES")
    assert done["ticks"] > 20
    assert [path.name for path in (tmp_path / "t").glob("*.parquet")] == [
        "MESZ6-trades-20261125T143000Z-20261125T143100Z.parquet"
    ]


async def _sleep(seconds):
    import asyncio

    await asyncio.sleep(seconds)


def runs_on(process, data_dir):
    """Wait until this process publishes its status: it is connected, and its log is open."""
    (data_dir / "status.json").unlink(missing_ok=True)
    deadline_s = time.monotonic() + 60
    while not (data_dir / "status.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, "no status within a minute"
        time.sleep(0.05)


def test_a_run_that_is_killed_with_a_position_goes_on_and_sends_nothing_twice(gateway, run_main, tmp_path):
    command = [sys.executable, "-m", "trading_bot.cli", "--mode", "PAPER", "--account", "DUSIM1", *FAST, "--json"]
    command += ["--port", str(gateway.port), "--data-dir", str(tmp_path / "data")]
    first = subprocess.Popen([*command, "--duration", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        end_s = time.monotonic() + 60
        while position_at(gateway) == 0:
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < end_s, "no position within a minute"
            time.sleep(0.01)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    second = subprocess.Popen([*command, "--duration", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    runs_on(second, tmp_path / "data")
    time.sleep(4)  # two minutes of the market
    second.send_signal(signal.SIGINT)
    out, err = second.communicate(timeout=60)
    summary = json.loads(out)
    assert (second.returncode, summary["position_qty"]) == (0, 0), (summary, err)
    assert position_at(gateway) == 0
    runs = list((tmp_path / "data" / "runs").iterdir())
    assert [run.name for run in runs] == [summary["run_id"]]
    references = [reference for reference, *_ in orders_at(gateway) if not reference.endswith("-X")]
    assert len(references) == len(set(references))
    code, out, _ = run_main("replay", runs[0], "--json")
    assert code == 0, out


# --- refused, with nothing sent ---------------------------------------------------------------------------------------


def test_a_taken_client_id_ends_with_3(bot, gateway):
    with connected(gateway, client_id=5):
        refused(bot("--client-id", "5"), 3, "client id 5 is taken", "--client-id")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (
            ("--mode", "PAPER", "--account", "U123"),
            ("--mode PAPER with account U123", "paper account ids start with D"),
        ),
        (("--mode", "LIVE", "--account", "U123"), ("must be armed", "--arm")),
        (("--mode", "LIVE", "--arm"), ("--mode LIVE needs --account",)),
        (
            ("--mode", "LIVE", "--arm", "--account", "DUSIM1"),
            ("that is a paper account; nothing was sent. Use --mode PAPER",),
        ),
        (("--mode", "OBSERVE", "--arm"), ("--arm", "belongs to --mode LIVE")),
        (("--account", "DU77", *FAST), ("--clock feed with account DU77", "leave --clock and --speed out")),
    ],
)
def test_account_mode_and_arming_disagree_before_anything_connects(bot, gateway, arguments, parts):
    refused(bot(*arguments), 2, *parts)
    assert heard(gateway, "client_started") == []


@pytest.mark.parametrize("arguments", [("--account", "DU77"), ("--mode", "LIVE", "--arm", "--account", "U123")])
def test_an_account_that_the_login_does_not_have_ends_with_2(bot, gateway, arguments):
    refused(bot(*arguments), 2, f"--account {arguments[-1]}: the login has DUSIM1")
    assert orders_at(gateway) == []


def login_has(gateway, account):
    """Another account than a simulator may have, so that what protects a real one can be seen."""

    def change(real):
        real.config = SimpleNamespace(**(msgspec.structs.asdict(real.config) | {"account": account}))

    gateway.call(change)


@pytest.mark.parametrize(
    ("account", "arguments", "part"),
    [
        ("U123", ("--mode", "PAPER"), "--mode PAPER with account U123"),
        ("DU77", FAST, "--clock feed with account DU77"),
    ],
)
def test_the_account_of_the_login_counts_when_none_is_typed(bot, gateway, account, arguments, part):
    login_has(gateway, account)
    refused(bot(*arguments), 2, part)
    assert orders_at(gateway) == []


def test_an_expired_contract_ends_with_2(bot, gateway, tmp_path):
    (tmp_path / "bot.toml").write_text('[ibkr]\ncontract = "MESU6"\n')
    refused(bot("--mode", "PAPER", "--config", "bot.toml"), 2, "MESU6 has expired", "ibkr.contract")
    assert orders_at(gateway) == []


def test_a_grid_that_differs_from_the_registry_ends_with_2(bot, gateway, monkeypatch):
    coarse = msgspec.structs.replace(INSTRUMENTS["MES"], tick_size_e9=500_000_000)
    gateway.call(lambda real: monkeypatch.setattr(real.contracts, "market_rule", lambda _number: coarse))
    refused(bot("--mode", "PAPER"), 2, "is 0.5 at the broker and 0.25 in the registry", "nothing was sent")
    assert orders_at(gateway) == []


def test_a_live_run_that_is_refused_leaves_no_arming_behind(bot, gateway, tmp_path):
    login_has(gateway, "U123")
    (tmp_path / "bot.toml").write_text('[ibkr]\ncontract = "MESU6"\n')
    live = ("--mode", "LIVE", "--arm", "--account", "U123", "--config", "bot.toml")
    refused(bot(*live), 2, "MESU6 has expired")
    assert not (tmp_path / "data" / "ARMED").exists()


def continued(tmp_path, gateway, *arguments):
    command = [sys.executable, "-m", "trading_bot.cli", "--account", "DUSIM1", *FAST, "--json", *arguments]
    command += ["--port", str(gateway.port), "--data-dir", str(tmp_path / "data")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_run_is_not_continued_before_its_end_or_by_another_client(gateway, tmp_path):
    killed = continued(tmp_path, gateway)
    deadline_s = time.monotonic() + 30
    while not list((tmp_path / "data").glob("runs/*/*/seg-*")):
        assert time.monotonic() < deadline_s, "no log within half a minute"
        time.sleep(0.05)
    time.sleep(3)  # some minutes of the market
    killed.kill()
    killed.communicate()
    other = continued(tmp_path, gateway, "--client-id", "9")
    out, _ = other.communicate(timeout=30)
    refused((other.returncode, json.loads(out)), 2, "had --client-id 1", "give --client-id 1, found 9")
    with running_gateway(seed=7, speed=SPEED, start_ns=OPEN_NS - 600 * 10**9) as earlier:
        early = continued(tmp_path, earlier)
        out, _ = early.communicate(timeout=30)
    refused((early.returncode, json.loads(out)), 2, "ends at 2026-11-25T14:3", "choose another --data-dir")


def test_a_second_signal_ends_a_bot_that_waits_for_a_broker_that_is_gone(gateway, tmp_path):
    waiting = continued(tmp_path, gateway, "--mode", "PAPER")
    try:
        deadline_s = time.monotonic() + 30
        while not heard(gateway, "client_started"):
            assert time.monotonic() < deadline_s, "not connected within half a minute"
            time.sleep(0.05)
        runs_on(waiting, tmp_path / "data")
        time.sleep(1)
        gateway.call(lambda real: real.scenario.do("refuse_connections"))
        gateway.call(lambda real: real.scenario.do("drop_clients"))
        time.sleep(0.5)
        waiting.send_signal(signal.SIGTERM)
        time.sleep(2)
        assert waiting.poll() is None, "unknown is not flat"
        waiting.send_signal(signal.SIGTERM)
        out, err = waiting.communicate(timeout=20)
    finally:
        waiting.kill()
    refused((waiting.returncode, json.loads(out)), 5, "second signal", "look at position and orders")
    assert b"SOCKET_LOST" in err, "the person at the terminal sees that the link is gone"
