"""NV12 in a whole run: the flat-by time comes, trading ends for the day, and a replay finds the same to the bit."""

import json

import pytest
import structlog

from tests.core.worlds import OPEN_NS
from trading_bot import log_setup
from trading_bot.cli import main
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.effects import PlaceOrder
from trading_bot.domain.rule_events import RuleChanged
from trading_bot.domain.units import NS_PER_MIN

PACK = """
schema = 1
name = "tight"
account_usd = 10000.0
[[rule]]
kind = "daily_loss"
limit_usd = 200.0
[[rule]]
kind = "flat_by"
time_et = "09:42"
lead_min = 1
entries_end_min = 2
"""


@pytest.fixture
def run(tmp_path, capfdbinary):
    (tmp_path / "tight.toml").write_text(PACK)
    options = ("--adapter", "sim", "--mode", "SIM", "--seed", "3", "--duration", "1400", "--json")
    code = main([*options, "--rules", str(tmp_path / "tight.toml"), "--data-dir", str(tmp_path / "data")])
    if (lines := log_setup.current_lines()) is not None:
        lines.close()
    log_setup._started.clear()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    summary = json.loads(capfdbinary.readouterr().out)
    assert code == summary["exit_code"] == 0
    [log] = session_logs(tmp_path / "data" / "runs" / summary["run_id"])
    return log, summary


def test_a_day_ends_with_its_rule_and_is_the_same_in_a_replay(run, capfdbinary):
    log, summary = run
    with LogReader(log) as reader:
        records = [log_records.decode(item.payload) for item in reader.spans() if isinstance(item, MessageFrame)]
    entries_end, flat_by = (record for record in records if isinstance(record, RuleChanged))
    assert (entries_end.rule, flat_by.rule) == ("RULE_FLAT_BY_ENTRIES", "RULE_FLAT_BY")
    assert (entries_end.ts_ns, flat_by.ts_ns) == (OPEN_NS + 10 * NS_PER_MIN, OPEN_NS + 11 * NS_PER_MIN)
    after = records[records.index(entries_end) :]
    assert [record for record in records if isinstance(record, PlaceOrder)], "it traded before"
    assert not [record for record in after if isinstance(record, PlaceOrder)], "and entered nothing afterwards"
    assert summary["position_qty"] == 0
    assert main(["replay", str(log), "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["state_digest"] == summary["state_digest"]
