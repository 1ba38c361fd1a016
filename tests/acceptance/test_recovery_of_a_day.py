"""A whole day's log is replayed, compared and open again within five seconds (issue "Safety and survival", 6)."""

import json
import subprocess
import sys
import time

from trading_bot._fast import ExchangeSim
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.build_digest import build_digest
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader
from trading_bot.core.recovery import recover_run, unfinished
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.engines.exchange_config import exchange_config

RECOVERY_S = 5.0
SEED = 3
CUT_BYTES = 4096 + 64  # the end, its seal, and some of the last records


def test_a_full_day_is_recovered_within_five_seconds_of_the_processor(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", "--mode", "SIM", "--adapter", "sim", "--seed", str(SEED),
         "--start", "2026-11-24T14:25:00Z", "--data-dir", str(tmp_path), "--json"],
        capture_output=True, check=True, timeout=240,
    )  # fmt: skip
    summary = json.loads(done.stdout)
    assert summary["events"] > 250_000
    assert summary["trades_closed"] > 10
    (run,) = (tmp_path / "runs").iterdir()
    log = session_logs(run)[-1]
    segment = max(log.glob("seg-*.tbl"))
    segment.write_bytes(segment.read_bytes()[:-CUT_BYTES])
    with LogReader(log) as reader:
        started = log_records.decode(next(iter(reader.spans())).payload)
    documents = RunDocuments.unpack(started.documents, where="the first record")

    def sink():
        exchange = ExchangeSim(exchange_config(documents.config.simulator, documents.instrument, SEED, None))
        return SimBroker(exchange, suppress=False, instrument_id=documents.instrument.id), exchange

    # Of this process alone: what else runs on the machine is no property of the recovery.
    begin_s = time.process_time()
    assert unfinished(run)
    recovered = recover_run(run, build=build_digest(), config_hash=started.config_hash, sink=sink)
    took_s = time.process_time() - begin_s
    assert recovered.full
    assert recovered.player.last_seq > 250_000
    assert recovered.log is not None
    recovered.log.abandon()
    assert took_s < RECOVERY_S
