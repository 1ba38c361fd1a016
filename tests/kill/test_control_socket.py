"""The control socket beside a desk: who may ask, what is done, and that nobody can hold it up (SF02, SF10)."""

import contextlib
import json
import socket
import stat
import time

import pytest

from trading_bot.adapters import control_client, control_socket
from trading_bot.adapters.control_address import read_token
from trading_bot.adapters.control_protocol import request_line
from trading_bot.adapters.control_socket import CONNECTIONS_MAX, ControlSocket
from trading_bot.core import operator_files
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import FlattenRequested, KillRequested


@pytest.fixture
def data(tmp_path):
    """Deeper than a socket's address has room for."""
    folder = tmp_path / ("d" * 100) / "data"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def desk(data):
    return OperatorDesk(data)


@pytest.fixture
def control(desk):
    opened = ControlSocket(desk)
    assert opened.failure == ""
    opened.start()
    yield opened
    opened.close()


def connected(data):
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(5)
    with contextlib.chdir(data):
        channel.connect("control.sock")
    return channel


def said(channel, line):
    """The answer to a line, and whether the connection stands after it."""
    channel.sendall(line)
    answer = b""
    while not answer.endswith(b"\n"):
        chunk = channel.recv(65_536)
        if not chunk:
            return None
        answer += chunk
    return json.loads(answer)


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def journal(folder):
    return [json.loads(line)["event"] for line in (folder / "logs" / "operator.jsonl").read_text().splitlines()]


# --- who may ask ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("control")
def test_socket_and_token_are_of_this_user_alone(data):
    assert stat.S_ISSOCK((data / "control.sock").lstat().st_mode)
    assert (mode(data / "control.sock"), mode(data / "control.token")) == (0o600, 0o600)
    assert len((data / "control.token").read_text()) == 64


def test_every_start_has_its_own_token_and_takes_it_away(desk, data):
    tokens = set()
    for _ in range(2):
        opened = ControlSocket(desk)
        tokens.add(read_token(data))
        opened.close()
        assert [path.name for path in data.iterdir()] == []
    assert len(tokens) == 2


def test_a_socket_that_a_dead_process_left_is_replaced(desk, data):
    old = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.chdir(data):
        old.bind("control.sock")
    old.close()
    opened = ControlSocket(desk)
    assert opened.failure == ""
    opened.close()


def test_what_is_no_socket_stays_and_the_watch_goes_on_without_one(desk, data):
    (data / "control.sock").write_text("mine")
    opened = ControlSocket(desk)
    assert "no socket lies there" in opened.failure
    opened.start()
    (data / "KILLSWITCH").touch()
    wait_for(lambda: desk.stopped_by)
    opened.close()
    assert (data / "control.sock").read_text() == "mine"


@pytest.mark.parametrize("token", ["", "0" * 64, "a", "x" * 100])
def test_another_token_does_nothing_and_ends_the_connection(control, desk, data, token):
    with connected(data) as channel:
        answer = said(channel, request_line(token, "kill", "not me"))
        assert answer == {"ok": False, "error": "the token is not the one in control.token; nothing was done"}
        assert channel.recv(1) == b""
    assert (desk.stopped_by, control.refused) == ("", 1)
    assert not (data / "KILLSWITCH").exists()


@pytest.mark.usefixtures("control")
def test_a_token_that_others_can_read_is_not_used(data):
    (data / "control.token").chmod(0o644)
    with pytest.raises(UsageError, match="mode 0644; expected 0600"):
        read_token(data)
    assert control_client.ask(data, "status") is None


# --- what is done --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("control")
def test_kill_latches_stops_entries_and_reaches_the_loop_at_its_next_look(desk, data):
    assert desk.poll(1) is None
    answer = control_client.ask(data, "kill", "enough")
    assert answer == {"ok": True, "command": "kill", "latched": True, "already": False, "written": True}
    assert operator_files.latched(data).reason == desk.stopped_by == "enough"
    assert desk.poll(2) == KillRequested(ts_ns=2, reason="enough", source="socket"), "without waiting for the pace"
    assert desk.poll(3) is None
    assert control_client.ask(data, "kill", "again")["already"] is True
    desk.look_soon()
    assert desk.poll(4) is None
    assert journal(data) == ["kill", "kill_taken"]


@pytest.mark.usefixtures("control")
def test_kill_works_where_no_disk_takes_the_latch(desk, data, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(operator_files, "pull", full)
    assert control_client.ask(data, "kill", "disk full")["written"] is False
    assert desk.poll(1) == KillRequested(ts_ns=1, reason="disk full", source="socket")
    monkeypatch.undo()
    desk.latch("disk full", "socket")  # what the core answers
    assert operator_files.latched(data).reason == "disk full"


@pytest.mark.usefixtures("control")
def test_flatten_is_the_same_request_as_by_file(desk, data):
    desk.poll(1)
    assert control_client.ask(data, "flatten", "lunch") == {"ok": True, "command": "flatten", "asked": True}
    assert desk.poll(2) == FlattenRequested(ts_ns=2, reason="lunch", source="socket")
    assert desk.poll(3) is None


@pytest.mark.usefixtures("control")
def test_status_says_how_long_the_loop_has_been_busy(desk, data):
    desk.publish(lambda: {"trades": 7}, final=True)
    desk.poll(1)
    time.sleep(0.05)
    answer = control_client.ask(data, "status")
    assert (answer["status"]["trades"], answer["latched"], answer["stopped_by"]) == (7, None, "")
    assert 50 <= answer["loop_age_ms"] < 5_000


@pytest.mark.usefixtures("control")
def test_one_connection_may_ask_again(data):
    with connected(data) as channel:
        for _ in range(3):
            assert said(channel, request_line(read_token(data), "status"))["ok"] is True


# --- the watch beside a loop that is busy --------------------------------------------------------------------------


def wait_for(condition, limit_s=5.0):
    """Seconds until it holds."""
    begin_s = time.monotonic()
    while not condition():
        assert time.monotonic() - begin_s < limit_s
        time.sleep(0.002)
    return time.monotonic() - begin_s


@pytest.mark.usefixtures("control")
def test_a_latch_pulled_elsewhere_stops_entries_although_the_loop_does_not_look(desk, data):
    operator_files.pull(data, "from outside", "cli")
    assert wait_for(lambda: desk.stopped_by) < 1.0
    assert desk.stopped_by == "from outside"
    assert desk.poll(1) == KillRequested(ts_ns=1, reason="from outside", source="cli"), "a kill seen is a kill"


@pytest.mark.usefixtures("control")
def test_a_kill_by_signal_is_persisted_although_the_loop_does_not_look(desk, data):
    desk.ask_to_kill("SIGUSR1", "signal")
    wait_for((data / "KILLSWITCH").exists)
    latch = operator_files.latched(data)
    assert (latch.reason, latch.source) == ("SIGUSR1", "signal")
    assert desk.poll(1) == KillRequested(ts_ns=1, reason="SIGUSR1", source="signal")


# --- nobody can hold it up -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize(
    "line", [b"junk\n", b"\x00" * 100 + b"\n", b"x" * 10_000, b"{}\n{}\n", request_line("t", "kill") * 2]
)
def test_bad_lines_are_answered_and_end_their_connection_alone(data, line):
    with connected(data) as other, connected(data) as channel:
        answer = said(channel, line)
        assert (answer["ok"], isinstance(answer["error"], str)) == (False, True)
        with contextlib.suppress(ConnectionResetError):  # what it sent beyond was never read
            assert channel.recv(1) == b""
        assert said(other, request_line(read_token(data), "status"))["ok"] is True


@pytest.mark.usefixtures("control")
def test_one_connection_too_many_is_told_so(data):
    held = [connected(data) for _ in range(CONNECTIONS_MAX)]
    token = read_token(data)
    assert all(said(channel, request_line(token, "status"))["ok"] for channel in held)
    with connected(data) as late:
        assert "connections are open already" in json.loads(late.recv(4_096))["error"]
    for channel in held:
        channel.close()
    wait_for(lambda: control_client.ask(data, "status") is not None)


def test_who_says_nothing_is_hung_up_on(desk, data, monkeypatch):
    monkeypatch.setattr(control_socket, "SILENCE_S", 0.1)
    opened = ControlSocket(desk)
    opened.start()
    with connected(data) as channel:
        channel.sendall(b'{"token":')
        assert channel.recv(1) == b""
    opened.close()


@pytest.mark.usefixtures("control")
def test_who_reads_nothing_is_not_waited_for(desk, data):
    desk.shown = {"text": "x" * 5_000_000}
    with connected(data) as channel:
        channel.sendall(request_line(read_token(data), "status"))
        desk.shown = {}
        wait_for(lambda: control_client.ask(data, "status") is not None)


def test_nobody_there_is_no_answer(data):
    assert control_client.ask(data, "status") is None
