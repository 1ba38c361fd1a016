"""What watches a bot from outside: the heartbeat's page, a damaged data directory, and strangers at the monitor."""

import asyncio

import msgspec
from rich.console import Console

from tests.fuzz.desk_targets import status
from tests.fuzz.kit import Target
from tests.fuzz.log_targets import one_segment, rewritten, whole_run
from trading_bot.core import heartbeat
from trading_bot.core.heartbeat import Described, Heartbeat, read_pulse
from trading_bot.deadman.verdict import judge
from trading_bot.domain.config import DeadmanConfig
from trading_bot.monitor import metrics
from trading_bot.monitor.checks import health
from trading_bot.monitor.screen import document, frame
from trading_bot.monitor.server import Monitor
from trading_bot.monitor.sight import Watcher

KEY = "k" * 40
NOW_NS = 1_795_617_000_000_000_000


def page(folder):
    beat = Heartbeat(folder)
    beat.begin()
    values = {field.name: SOUND.get(field.type, "x") for field in msgspec.structs.fields(Described)}
    beat.describe(msgspec.convert(values, Described))
    beat.beat(5)
    return [(folder / heartbeat.HEARTBEAT_FILE).read_bytes()]


SOUND = {int: 1, bool: True, str: "x", float: 1.0}


def watch_pulse(data, folder):
    (folder / heartbeat.HEARTBEAT_FILE).write_bytes(data)
    pulse = read_pulse(folder)
    for locked in (True, False):
        judge(pulse, locked=locked, now_ns=NOW_NS, observed_ns=1, config=DeadmanConfig())


def watch(data, folder):
    """One half is the status file, the other the log; both may say anything."""
    said, _, log = data.partition(b"\0LOG\0")
    (folder / "status.json").write_bytes(said)
    run = folder / "runs" / "x"
    run.mkdir(parents=True, exist_ok=True)
    one_segment(log, run / "20261125")
    watcher = Watcher(folder)
    sight = watcher.look()
    found = health(sight, watcher.story)
    metrics.exposition(sight, watcher.story, found)
    msgspec.json.encode(msgspec.to_builtins(document(sight, found), str_keys=True))
    msgspec.json.encode(msgspec.to_builtins(sight.document(), str_keys=True))
    with (folder / "screen").open("w", encoding="utf-8") as out:
        Console(file=out, width=110).print(frame(sight, found, 110))
    shown = (folder / "screen").read_text(encoding="utf-8")
    assert "\x1b" not in shown, "what the bot said moves the terminal's cursor"


def watched(folder):
    (folder / "run").mkdir()
    (folder / "status").mkdir()
    said, log = status(folder / "status")[0], whole_run(folder / "run")[0]
    return [said + b"\0LOG\0" + log]


def spoilt_apart(data, dice):
    """The status as it was spoilt, and another log with sound frames."""
    return data if dice is None else data.partition(b"\0LOG\0")[0] + b"\0LOG\0" + rewritten(data, dice)


def ask(data, folder):
    """No page but /health opens without the token, whatever is asked."""
    monitor = Monitor(Watcher(folder), host="127.0.0.1", port=0, token=KEY)

    async def answered():
        reader = asyncio.StreamReader(limit=8_192)
        reader.feed_data(data)
        reader.feed_eof()
        return await monitor._answer(reader)

    loop = asyncio.new_event_loop()
    try:
        answer = loop.run_until_complete(answered())
    finally:
        loop.close()
    assert KEY.encode() not in answer.body
    assert KEY.encode() in data or answer.status in {400, 401, 405, 431, 503}, (answer, data[:300])


def requests(_folder):
    return [
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization: Bearer wrong\r\n\r\n",
        b"GET /status?x=1 HTTP/1.0\r\nauthorization: bearer " + KEY.encode() + b"\r\n\r\n",
    ]


TARGETS = (
    Target("pulse", page, watch_pulse),
    Target("watched", watched, watch, shape=spoilt_apart),
    Target("monitor", requests, ask, (b"\r\n", b"/metrics", b"/../status", b"%2e%2e", b"Bearer ", b"\r\n\r\n")),
)
