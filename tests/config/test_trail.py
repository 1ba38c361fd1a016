"""The audit trail of the configuration: each change between starts, the layer that made it, and no secret (PR09)."""

import os

import msgspec
import pytest

from tests.log import tape
from trading_bot import config_trail
from trading_bot.config_files import RunOptions, load_config
from trading_bot.config_trail import RECORD_FILE, config_history
from trading_bot.wiring import run

SIM = {"run.mode": "SIM", "run.adapter": "sim"}


@pytest.fixture
def start(tmp_path):
    """Lives twenty seconds of a simulated market under a name and a configuration."""

    def start_run(run_id, file="", **given):
        path = None
        if file:
            path = tmp_path / "bot.toml"
            path.write_text(file, encoding="utf-8")
        loaded = load_config(path, overrides=SIM, **given)
        return run(RunOptions(loaded=loaded, data_dir=tmp_path / "data", run_id=run_id, seed=1, duration_s=20.0))

    return start_run


def told(start):
    return [(one.key, one.old, one.new, one.origin) for one in start.changes]


def test_each_change_names_its_layer(start, tmp_path):
    first = start("20261120T100000Z-aaaa")
    start("20261120T110000Z-bbbb")
    start(
        "20261120T120000Z-cccc",
        file="[safety]\nspread_ticks_max = 1\n",
        environment={"TRADING_BOT__SESSION__CLOSE_BUFFER_MIN": "20"},
    )
    last = start("20261120T130000Z-dddd", profile="conservative")
    found = config_history(tmp_path / "data")
    assert found.unread == ()
    assert [one.run_id[-4:] for one in found.starts] == ["aaaa", "bbbb", "cccc", "dddd"]
    assert [one.config_hash for one in found.starts][::3] == [first.config_hash, last.config_hash]
    assert all(one.hash_holds for one in found.starts)
    assert found.starts[0].changes == ()
    assert found.starts[1].changes == ()
    assert told(found.starts[2]) == [
        ("safety.spread_ticks_max", "2", "1", f"file {tmp_path / 'bot.toml'}"),
        ("session.close_buffer_min", "15", "20", "environment TRADING_BOT__SESSION__CLOSE_BUFFER_MIN"),
    ]
    back = {key: (old, new, origin) for key, old, new, origin in told(found.starts[3])}
    assert back["safety.spread_ticks_max"] == ("1", "2", "default")
    assert back["run.profile"][1:] == ("conservative", "command line")
    assert back["safety.entries_per_day_max"] == ("40", "2", "profile conservative")


def test_the_values_are_the_logs_and_a_lost_file_loses_only_the_layers(start, tmp_path):
    start("20261120T100000Z-aaaa")
    folder = tmp_path / "data" / "runs" / "20261120T110000Z-bbbb"
    start(folder.name, environment={"TRADING_BOT__SESSION__OPEN_DELAY_MIN": "6"})
    (folder / RECORD_FILE).write_text("{")
    assert told(config_history(tmp_path / "data").starts[1]) == [("session.open_delay_min", "5", "6", "not recorded")]


def test_another_strategy_file_is_a_change(start, tmp_path):
    start("20261120T100000Z-aaaa")
    shipped = load_config().strategies_path.read_text(encoding="utf-8")
    changed = tmp_path / "mine.toml"
    changed.write_text(shipped.replace("belief_enter = ", "belief_enter = 0.9 # ", 1), encoding="utf-8")
    start("20261120T110000Z-bbbb", strategies=changed)
    changes = told(config_history(tmp_path / "data").starts[1])
    ((key, _, new, origin),) = [row for row in changes if row[0].endswith("belief_enter")]
    assert (key.split(".")[0], new, origin) == ("template", "0.9", f"file {changed}")


def test_a_damaged_log_is_named_and_the_others_are_read(start, tmp_path):
    start("20261120T100000Z-aaaa")
    start("20261120T110000Z-bbbb")
    runs = tmp_path / "data" / "runs"
    segment = tape.segment(next(one for one in (runs / "20261120T100000Z-aaaa").iterdir() if one.is_dir()), 1)
    content = bytearray(segment.read_bytes())
    content[5_000] ^= 1
    segment.write_bytes(content)
    found = config_history(tmp_path / "data")
    assert [one.run_id[-4:] for one in found.starts] == ["bbbb"]
    assert "20261120T100000Z-aaaa" in found.unread[0]


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("web.api_token", "hunter2", "[redacted]"),
        ("database.password", "hunter2", "[redacted]"),
        ("journal.url", "postgresql://bot:hunter2@localhost/journal", "postgresql://[redacted]@localhost/journal"),
        ("run.mode", "SIM", "SIM"),
        ("run.hours", ("09:30",), '["09:30"]'),
    ],
)
def test_a_secret_is_never_shown(key, value, shown):
    assert config_trail._text(key, value) == shown


def test_the_command(start, tmp_path, capfdbinary, monkeypatch):
    from trading_bot.cli import main

    for name in [name for name in os.environ if name.startswith("TRADING_BOT__")]:
        monkeypatch.delenv(name)
    data = str(tmp_path / "data")
    assert main(["config", "history", "--data-dir", data, "--json"]) == 2
    start("20261120T100000Z-aaaa")
    start("20261120T110000Z-bbbb", profile="conservative")
    capfdbinary.readouterr()
    assert main(["config", "history", "--data-dir", data, "--key", "session", "--json"]) == 0
    document = msgspec.json.decode(capfdbinary.readouterr().out)
    assert [[change["key"] for change in one["changes"]] for one in document["starts"]] == [
        [],
        ["session.open_delay_min"],
    ]
    assert main(["config", "history", "--data-dir", data]) == 0
    assert b"session.open_delay_min" in capfdbinary.readouterr().out
