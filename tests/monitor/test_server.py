"""The monitor's pages over a real socket: who gets what, and what happens to whoever asks for nonsense."""

import asyncio
import json
import threading

import pytest

pytest.importorskip("prometheus_client", reason="the extra `monitor` is not installed")

from prometheus_client.parser import text_string_to_metric_families

from trading_bot.monitor import server
from trading_bot.monitor.server import CONNECTIONS_MAX, HEAD_BYTES_MAX, Monitor
from trading_bot.monitor.sight import Watcher

TOKEN = "t" * 43


class Served:
    """A monitor in a thread of its own."""

    def __init__(self, data_dir, host="127.0.0.1"):
        self.ready, self.port = threading.Event(), 0
        self.loop = self.stop = None
        self.monitor = Monitor(Watcher(data_dir), host=host, port=0, token=TOKEN)
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.thread.start()
        assert self.ready.wait(10)

    async def _serve(self):
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()

        def told(port):
            self.port = port
            self.ready.set()

        await self.monitor.serve(self.stop, told)

    def close(self):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(10)
        assert not self.thread.is_alive()

    def raw(self, request):
        async def ask():
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(request)
            await writer.drain()
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            await writer.wait_closed()
            return answer

        return asyncio.run(ask())

    def get(self, path, *, token=None, method="GET"):
        header = f"Authorization: Bearer {token}\r\n" if token else ""
        answer = self.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body.decode(), head.decode()

    def looked(self):
        """Wait for the first look."""
        for _ in range(200):
            status, body, _ = self.get("/health")
            if "first time" not in body:
                return status, json.loads(body)
            threading.Event().wait(0.05)
        raise AssertionError


@pytest.fixture
def served(run):
    one = Served(run[0])
    yield one
    one.close()


def test_health_is_open_and_answers_503_when_a_check_fails(served):
    status, found = served.looked()
    assert status == 503  # the run has ended
    assert found["status"] == "fail"
    bot = next(one for one in found["checks"] if one["name"] == "bot")
    assert "no bot runs" in bot["reason"]
    assert {"name", "level", "reason", "age_s", "limit_s"} <= set(bot)


def test_everything_else_needs_the_token(served):
    served.looked()
    for path in ("/metrics", "/status", "/", "/nothing"):
        status, body, head = served.get(path)
        assert (status, "token" in body) == (401, True)
        assert "WWW-Authenticate: Bearer" in head
        assert served.get(path, token="t" * 42 + "u")[0] == 401
    assert served.get("/nothing", token=TOKEN)[0] == 404
    status, body, _ = served.get("/status", token=TOKEN)
    assert status == 200
    assert json.loads(body)["status"]["mode"] == "SIM"


def test_metrics_are_what_the_run_counted(served, run):
    served.looked()
    status, body, head = served.get("/metrics", token=TOKEN)
    assert status == 200
    assert "text/plain; version=0.0.4" in head
    found = {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }
    summary = run[1]
    assert found["trading_bot_fills_total", ()] == summary["fills"]
    assert found["trading_bot_up", ()] == 0
    for reason, count in summary["skips_by_reason"].items():
        assert found["trading_bot_decisions_total", tuple(sorted(("SKIP", reason)))] == count
    assert found["trading_bot_pnl_net_usd", ("hypothetical",)] == pytest.approx(summary["pnl_hypothetical"])
    assert ("trading_bot_rule_distance_usd", ("RULE_DAILY_LOSS",)) in found
    assert ("trading_bot_limit_distance_usd", ("WEEKLY_HALT",)) in found


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /health HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /health SPDY/3\r\n\r\n", b"400"),
        (b"\x00\xff\xfe\r\n\r\n", b"400"),
        (b"GET /" + b"a" * (2 * HEAD_BYTES_MAX) + b" HTTP/1.1\r\n\r\n", b"431"),
    ],
)
def test_nonsense_gets_an_answer(served, request_bytes, status):
    assert served.raw(request_bytes).split(b" ")[1] == status


def test_more_than_it_takes_are_sent_away_and_a_silent_one_is_let_go(served, monkeypatch):
    monkeypatch.setattr(server, "TIMEOUT_S", 2.0)

    async def crowd():
        silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(CONNECTIONS_MAX)]
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /health HTTP/1.1\r\n\r\n")
        turned_away = await asyncio.wait_for(reader.read(), 5)
        let_go = [await asyncio.wait_for(one.read(), 5) for one, _ in silent]
        for _, one in [*silent, (reader, writer)]:
            one.close()
            await one.wait_closed()
        return turned_away, let_go

    turned_away, let_go = asyncio.run(crowd())
    assert b"503" in turned_away
    assert b"too many connections" in turned_away
    assert set(let_go) == {b""}
    served.looked()


def test_where_others_reach_it_health_needs_the_token_too(run):
    one = Served(run[0], host="0.0.0.0")
    try:
        assert one.get("/health")[0] == 401
    finally:
        one.close()


def test_a_port_that_is_taken_is_a_sentence(served, run):
    from trading_bot.domain.errors import UsageError

    other = Monitor(Watcher(run[0]), host="127.0.0.1", port=served.port, token=TOKEN)
    with pytest.raises(UsageError, match="choose another --port"):
        asyncio.run(other.serve(asyncio.Event(), lambda _: None))
