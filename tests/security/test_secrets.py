"""SF10: secrets stay where they are: not in logs, events, errors, status or answers (docs/security.md)."""

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from trading_bot.adapters.control_protocol import request_line
from trading_bot.adapters.ibkr.arming import ARMED_FILE, arm
from trading_bot.config_files import load_config
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.secret_names import SECRET_PARTS

CANARY = "c4n4ry-5ecret-"
VARIABLES = ("TRADING_BOT_MONITOR_TOKEN", "IB_PASSWORD", "TELEGRAM_BOT_TOKEN", "AWS_SECRET_ACCESS_KEY")
START_S = 20.0
PRIVATE = {"control.token", "control.sock", "monitor.token", "context.sock", "ARMED"}


def environment():
    return {**os.environ, **{name: f"{CANARY}{name:_<40}" for name in VARIABLES}}


def command(*words):
    return [sys.executable, "-m", "trading_bot.cli", *map(str, words)]


def told(*words):
    done = subprocess.run(command(*words), env=environment(), capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def contents(folder):
    """Everything a data directory holds, by file; sockets hold nothing."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A bot that was asked, by right and by wrong tokens, and killed over its socket: (tokens, texts, files, modes)."""
    data = tmp_path_factory.mktemp("data")
    words = ("--mode", "SIM", "--adapter", "sim", "--seed", 7, "--speed", 20, "--duration", 3_600, "--data-dir", data)
    out = data.parent / f"{data.name}.out"
    with out.open("w") as file, subprocess.Popen(command(*words), env=environment(), stdout=file, stderr=file) as bot:
        try:
            token = waited(data / "control.token", bot)
            modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in data.iterdir() if path.name in PRIVATE}
            wrong = f"{CANARY}{'w' * (64 - len(CANARY))}"
            answers = [asked(data, request_line(key, what)) for key in (wrong, token) for what in ("status", "flatten")]
            answers.append(asked(data, b'{"token":"' + token.encode() + b'","command":"' + CANARY.encode() + b'"}\n'))
            shown = told("status", "--data-dir", data) + told("config", "show", "--data-dir", data)
            during = contents(data)
            asked(data, request_line(token, "kill", "over"))
            bot.wait(START_S)
        finally:
            bot.kill()
    logs = told("log", "show", next(data.glob("runs/*")), "--limit", 0, "--json", "--data-dir", data)
    during.pop("control.token")
    return token, [out.read_text(), shown, logs, *answers], [during, contents(data)], modes


def waited(path, bot):
    end_s = time.monotonic() + START_S
    while not path.exists() or not (path.parent / "status.json").exists():
        assert bot.poll() is None, "the bot ended before it could be asked"
        assert time.monotonic() < end_s, f"no {path.name}"
        time.sleep(0.02)
    return path.read_text()


def asked(data, line):
    folder = Path.cwd()
    os.chdir(data)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(START_S)
            channel.connect("control.sock")
            channel.sendall(line)
            return channel.recv(1 << 20).decode()
    finally:
        os.chdir(folder)


def test_no_secret_is_in_a_file_an_answer_or_on_a_terminal(lived):
    token, texts, folders, _ = lived
    for secret in (CANARY, token):
        for text in texts:
            assert secret not in text
        for files in folders:
            assert [name for name, content in files.items() if secret.encode() in content] == []


def test_the_wrong_token_did_nothing_and_the_right_one_did(lived):
    _, texts, folders, _ = lived
    refused, answered = texts[3:5], texts[5:7]
    assert all('"ok":false' in text for text in refused)
    assert all('"ok":true' in text for text in answered)
    assert "KILLSWITCH" in folders[1]


def test_what_opens_a_door_is_of_the_user_alone(lived):
    *_, modes = lived
    assert modes == dict.fromkeys(("control.token", "control.sock"), 0o600)


def test_the_secret_of_an_arming_is_in_its_file_alone(tmp_path):
    arming = arm(tmp_path, "U1", "U1", now_ns=1, trade_date=20261125, expires_ns=2)
    path = tmp_path / ARMED_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text('{"secret": "' + CANARY + '"')
    assert CANARY not in arming.why_not(1)
    path.write_text('{"secret": "' + CANARY + '"}')
    assert "another start" in (why := arming.why_not(1))
    assert CANARY not in why


@pytest.mark.parametrize(
    "text",
    [
        f'[ibkr]\npassword = "{CANARY}"\n',
        f'[secrets]\nanything = "{CANARY}"\n',
        f'bot_token = "{CANARY}"\n',
        f'password = "{CANARY}\n',
    ],
    ids=["unknown key", "unknown table", "unknown at the top", "no TOML"],
)
def test_a_secret_that_strayed_into_a_configuration_is_refused_unquoted(text, tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("part", SECRET_PARTS)
def test_a_strategy_is_not_made_with_a_secret(part, tmp_path):
    shipped = (ROOT / "configs" / "strategies.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(shipped + f'\n[template.Z1.params]\nmy_{part} = "{CANARY}"\n')
    with pytest.raises(ConfigError, match=r"Z1\.params") as caught:
        load_config(strategies=path)
    assert CANARY not in str(caught.value)


def test_an_unknown_variable_is_named_without_its_value():
    with pytest.raises(ConfigError, match="TRADING_BOT__IBKR__PASSWORD") as caught:
        load_config(environment={"TRADING_BOT__IBKR__PASSWORD": CANARY})
    assert CANARY not in str(caught.value)
