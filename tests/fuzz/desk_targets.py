"""Files in the data directory: requests, the latch, the status, a run's attributes, the arming."""

import json

from tests.fuzz.kit import Target
from trading_bot.adapters.ibkr.arming import arm
from trading_bot.core import operator_files as files
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain.events import FlattenRequested, KillRequested
from trading_bot.run_folders import earlier_runs, find_unfinished, runs_of

NOW_NS = 1_795_617_000_000_000_000
ATTRIBUTES = {"mode": "SIM", "adapter": "sim", "instrument": "MES", "seed": 7, "config_hash": "0" * 64}


def sound(_folder):
    latch = {"reason": "test", "source": "cli", "when": "2026-11-25T14:30:00Z"}
    return [json.dumps(latch).encode(), b"", b"by hand\n", json.dumps({**latch, "latch": latch}).encode()]


def operate(data, folder):
    """A request always counts, whatever its file says; what is shown of it is one short printable line."""
    for name in (files.KILL_FILE, files.FLATTEN_FILE, files.CLEARED_FILE, files.STATUS_FILE, files.LOCK_FILE):
        (folder / name).write_bytes(data)
    latch = files.latched(folder)
    assert latch is not None
    for text in (latch.reason, latch.source, latch.when):
        assert text.isprintable()
        assert 0 < len(text) <= files.REASON_CHARS_MAX
    files.cleared(folder)
    status, why = files.read_status(folder)
    assert (status is None) == bool(why)
    files.bot_pid(folder)
    desk = OperatorDesk(folder)
    found = [desk.poll(NOW_NS), desk.poll(NOW_NS + 1), desk.poll(NOW_NS + 2)]
    assert any(isinstance(one, KillRequested) for one in found)
    assert all(one is None or isinstance(one, KillRequested | FlattenRequested) for one in found)
    assert files.clear(folder, "fuzz", "fuzz") is not None
    assert files.latched(folder) is None


def status(_folder):
    values = {
        **dict.fromkeys(("run_id", "mode", "adapter", "instrument", "session_state", "log_path"), "x"),
        **dict.fromkeys(("ts_market_ns", "working_entries", "dvs_c", "eqs_c", "trades", "position_qty"), 1),
        **dict.fromkeys(("position_avg_ticks", "kill_reason", "stopping", "last_exit")),
        "pnl_net_usd": 1.5,
        "hypothetical": False,
        "breakers": [],
        "throttled": {},
    }
    return [json.dumps(values).encode()]


def read_status(data, folder):
    (folder / files.STATUS_FILE).write_bytes(data)
    found, why = files.read_status(folder)
    assert (found is None) == bool(why)


def attributes(_folder):
    return [json.dumps(ATTRIBUTES).encode()]


def runs(data, folder):
    run = folder / "runs" / "20261125T142000Z-0000"
    run.mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_bytes(data)
    runs_of(folder, "MES")
    earlier_runs(folder, ATTRIBUTES)
    find_unfinished(folder, ATTRIBUTES)


def armed(folder):
    arming = _arm(folder)
    return [arming._path.read_bytes()]


def _arm(folder):
    return arm(folder, "U1234567", "U1234567", now_ns=NOW_NS, trade_date=20261125, expires_ns=NOW_NS + 10**12)


def hold_armed(data, folder):
    """Another process writes the arming file: entries stop, unless it says exactly what it said."""
    arming = _arm(folder)
    was = arming._path.read_bytes()
    arming._path.replace(folder / "kept")
    arming._path.write_bytes(data)
    try:
        same = json.loads(data).get("secret") == json.loads(was)["secret"]
    except (ValueError, AttributeError, RecursionError):
        same = False
    assert (arming.why_not(NOW_NS) == "") == same


TARGETS = (
    Target("operator", sound, operate),
    Target("status", status, read_status),
    Target("run_attributes", attributes, runs),
    Target("arming", armed, hold_armed),
)
