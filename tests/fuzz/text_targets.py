"""Files a person writes or copies: configuration, strategies, events, maps, models, hours; variables and arguments."""

import contextlib
import io
import json
import math
import os
import sys
import zlib
from pathlib import Path

from tests.config.test_event_files import GOOD as EVENTS
from tests.config.test_latency_models import MODEL
from tests.config.test_maps import MAP
from tests.conftest import ROOT
from tests.fuzz.kit import Target
from tests.fuzz.log_targets import one_segment, rewritten, whole_run
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.scenario import read_steps
from trading_bot.cli import main
from trading_bot.config_files import load_config, read_toml
from trading_bot.config_keys import KEYS
from trading_bot.core import learning_file
from trading_bot.domain.config import canonical
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.event_files import read_events
from trading_bot.latency_files import read_latency_model, write_latency_model
from trading_bot.map_files import map_files, read_map, read_maps
from trading_bot.rule_files import read_rules

SHIPPED = ROOT / "configs"
MES = INSTRUMENTS["MES"]
_WORDS = (
    b"\n[run]\n",
    b"\n[[event]]\n",
    b" = ",
    b"schema = 2\n",
    b'"\\u0000"',
    b'"\\u001b[2J"',
    b"nan",
    b"inf",
    b"1979-05-27",
    b"07:32:00",
)
KEY_WORDS = tuple(key.encode() for key in list(KEYS)[::7]) + _WORDS


def in_file(name, read):
    """A target's `feed`: the input as a file of this name, read by `read`."""

    def feed(data, folder):
        path = folder / name
        path.write_bytes(data)
        read(path)

    return feed


def shipped(*names):
    return lambda _folder: [(ROOT / name).read_bytes() for name in names]


def texts(*samples):
    return lambda _folder: [text.encode() for text in samples]


def set_to_defaults(_folder):
    """A file that sets every key to what it is anyway, a section each, and the one that is shipped."""
    rows = {}
    for key, spec in KEYS.items():
        table, _, name = key.rpartition(".")
        if not isinstance(spec.default, float) or math.isfinite(spec.default):
            default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
            rows.setdefault(table, []).append(f"{name} = {json.dumps(default)}")
    sections = ["\n".join(([f"[{table}]"] if table else []) + lines) for table, lines in rows.items()]
    return [
        b"schema = 1\n",
        *("\n".join([*sections[at : at + 6], ""]).encode() for at in range(0, len(sections), 6)),
        (SHIPPED / "default.toml").read_bytes(),
    ]


def load(path):
    loaded = load_config(path, environment={})
    assert loaded.config_hash == load_config(path, environment={}).config_hash


def environment(data, _folder):
    """Each line is a variable and its value, parted by a blank."""
    rows = (line.partition(" ") for line in data.decode("utf-8", "surrogateescape").split("\n"))
    load_config(environment={f"TRADING_BOT__{name}": value for name, _, value in rows})


def variables(_folder):
    rows = [f"{spec.environment_name.removeprefix('TRADING_BOT__')} {spec.default}" for spec in KEYS.values()]
    return ["\n".join(rows[at : at + 40]).encode() for at in range(0, len(rows), 40)]


def map_at(path):
    read_map(path)
    loaded = load_config(environment={})
    read_maps(map_files(path), templates=loaded.templates, instrument=MES)


def model(folder):
    write_latency_model(folder / "line.json", MODEL)
    return [(folder / "line.json").read_bytes()]


def learned(folder):
    path = folder / learning_file.FILE_NAME
    learning_file.save_learning(path, {"templates": {"K1": {"trades": 4, "p": 0.25}}, "list": [1, 2.5, None]}, seq=9)
    return [path.read_bytes()]


def load_learned(path):
    document = learning_file.load_learning(path)
    assert canonical(document.state)


def hours(data, folder):
    (folder / "calendars").mkdir(exist_ok=True)
    (folder / "calendars" / "us_index.csv").write_bytes(data)
    (folder / "calendars" / "us_index_overrides.toml").unlink(missing_ok=True)
    load_calendar("us_index.csv", folder)


def overridden_hours(data, folder):
    (folder / "calendars").mkdir(exist_ok=True)
    (folder / "calendars" / "us_index.csv").write_bytes((ROOT / "data/calendars/us_index.csv").read_bytes())
    (folder / "calendars" / "us_index_overrides.toml").write_bytes(data)
    load_calendar("us_index.csv", folder)


def some_hours(_folder):
    lines = (ROOT / "data/calendars/us_index.csv").read_bytes().splitlines(keepends=True)
    return [b"".join(lines[:60]), b"".join(lines[:3])]


SCENARIO = """
[[step]]
do = "disconnect"
at_s = 5.0

[[step]]
do = "reject_orders"
at_s = 1.0
for_s = 30
"""
COMMANDS = (
    "log show {log}",
    "log verify {log} --json",
    "replay {log} --json --until 9",
    "explain {log} 1230-0",
    "config show --json",
    "config explain risk.max_position",
    "status --json",
    "kill --reason fuzz",
    "unkill --reason fuzz",
    "flatten --reason fuzz --json",
    "latency show {log}",
    "parity {log} --out {log}",
    "reconcile --explain",
    "--mode SIM --adapter sim --seed 7 --duration 0 --start 2026-11-25T14:20:00Z",
    "--mode OBSERVE --adapter files --input {log} --date 2026-11-25 --columns {log}",
    "--mode LIVE --arm --account U1 --config {log}",
    "--strategies {log} --profile scalper --json --instrument MES",
)
OPTIONS = tuple(
    f" --{name} ".encode()
    for name in (
        "json",
        "data-dir",
        "config",
        "mode",
        "adapter",
        "seed",
        "duration",
        "help",
        "until",
        "host",
        "port",
        "speed",
    )
)


def arguments(data, folder):
    """A command line; its process is this one. What would connect, serve or run for long is left out."""
    words = (
        data.decode("utf-8", "surrogateescape").replace("{log}", str(folder / "runs")).replace("\0", "").split()[:40]
    )
    outside = {"gateway-sim", "record", "ticks", "chaos", "doctor", "fit", "curve", "monitor", "watch", "deadman"}
    runs = not any(word in COMMAND_NAMES for word in words) and "--duration" not in words and "-h" not in words
    if outside & set(words) or (runs and not {"LIVE", "files"} & set(words)):
        return
    if any(("PAPER" in word or "ibkr" in word) for word in words):
        return
    out, code = quietly(["--data-dir", str(folder), *words])
    assert code in {0, 2, 3, 4, 5, 6}, (code, out[-2_000:])
    assert "Traceback" not in out, out[-2_000:]
    shown = [letter for letter in out if not letter.isprintable() and letter not in "\n\t"]
    assert not shown, f"control characters on the terminal: {shown[:5]!r} in {out[:500]!r}"


READERS = (
    "log show {log}",
    "log show {log} --json",
    "log verify {log} --json",
    "replay {log} --json",
    "explain {log} 9 --json",
    "explain {log} 9-0",
    "bundle {log} --out {out}.tar.gz --json",
    "latency show {log} --json",
    "parity {log} --json",
    "log export {log} --parquet {out} --json",
)


def read_with_a_command(data, folder):
    """A log whose messages say something else, and one of the commands that read logs: which one, its bytes say."""
    run = folder / "runs" / "20261125T142000Z-0000"
    run.mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_bytes(b"{}")
    one_segment(data, run / "20261125")
    words = READERS[zlib.crc32(data) % len(READERS)].replace("{log}", str(run)).replace("{out}", str(folder / "out"))
    out, code = quietly(["--data-dir", str(folder), *words.split()])
    assert code in {0, 2, 4, 6}, (words, code, out[-2_000:])
    assert "Traceback" not in out, out[-2_000:]
    shown = [letter for letter in out if not letter.isprintable() and letter not in "\n\t"]
    assert not shown, f"control characters on the terminal: {shown[:5]!r} in {out[:500]!r}"


COMMAND_NAMES = frozenset(
    {"log", "config", "replay", "explain", "kill", "unkill", "flatten", "status", "parity", "reconcile", "latency"}
)


def quietly(words):
    """What a command line printed, and its exit code."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    before = Path.cwd()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(words)
        finally:
            os.chdir(before)
    sys.stdout.flush()
    return out.buffer.getvalue().decode("utf-8", "replace"), code


TARGETS = (
    Target("config", set_to_defaults, in_file("bot.toml", load), KEY_WORDS),
    Target("environment", variables, environment, (b"TRUE", b",", b"\n", b" , ", b"RUN__MODE LIVE")),
    Target(
        "strategies",
        shipped("configs/strategies.toml", "configs/globex_research.toml"),
        in_file("mine.toml", lambda path: load_config(strategies=path, environment={})),
        (*_WORDS, b"weights", b"triggers = [", b"[template.K9]\n", b"min = ", b"plugin = 'x'\n"),
    ),
    Target(
        "events", texts(EVENTS), in_file("events.toml", lambda path: read_events(str(path), read_toml(path))), _WORDS
    ),
    Target(
        "rule_packs",
        shipped(*(f"configs/rule_packs/{path.name}" for path in sorted((SHIPPED / "rule_packs").glob("*.toml")))),
        in_file("mine.toml", lambda path: read_rules(str(path), read_toml(path))),
        _WORDS,
    ),
    Target("maps", texts(MAP), in_file("k1.toml", map_at), _WORDS),
    Target("map_json", texts(json.dumps({"schema": 1, "normal": [{"belief": 0.6}]})), in_file("k1.json", map_at)),
    Target("latency_model", model, in_file("line.json", read_latency_model)),
    Target("learning", learned, in_file(learning_file.FILE_NAME, load_learned)),
    Target("calendar", some_hours, hours),
    Target("calendar_overrides", shipped("data/calendars/us_index_overrides.toml"), overridden_hours, _WORDS),
    Target("scenario", texts(SCENARIO), in_file("chaos.toml", read_steps), _WORDS),
    Target("log_commands", whole_run, read_with_a_command, shape=rewritten),
    Target("arguments", texts(*COMMANDS), arguments, OPTIONS),
)
