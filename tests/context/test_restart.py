"""SG10 over a cut: a bot that goes on with its log takes each line once, and ends like one that never fell."""

import json

from tests.core.worlds import OPEN_NS, ListFeed, documents, messages, new_run, resumed_run, vanish, wavy_tape
from trading_bot.adapters.context import ContextInlet
from trading_bot.core.recovery import recover_run
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.domain.context import ContextReceived
from trading_bot.domain.units import NS_PER_S

CONTEXT = {"file": "context.jsonl", "sources": ["desk"], "slot_1": "sentiment", "lockouts": ["risk >= 0.5"]}
START_NS = OPEN_NS + 60 * NS_PER_S
TAPE = wavy_tape(START_NS, 1_200)  # five minutes
ROWS = [(10, "sentiment", 0.1), (70, "risk", 1.0), (100, "sentiment", 0.2), (160, "risk", 0.0), (250, "sentiment", 0.3)]


def inlet(docs, folder, known=None):
    return ContextInlet(docs.config.context, folder, recorded=True, known=known)


def received(run):
    return [(row.name, row.ts_ns) for _, row in messages(run) if isinstance(row, ContextReceived)]


def test_each_line_is_taken_once_and_at_its_time(tmp_path):
    docs = documents({"context": CONTEXT})
    lines = [
        {"source": "desk", "name": name, "value": value, "ts": START_NS + second * NS_PER_S, "ttl_s": 50}
        for second, name, value in ROWS
    ]
    (tmp_path / "context.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    expected = [(name, START_NS + second * NS_PER_S) for second, name, _ in ROWS]

    whole = new_run(tmp_path / "whole", ListFeed(TAPE), docs, inlet=inlet(docs, tmp_path))
    whole.run()
    assert received(tmp_path / "whole") == expected

    cut = new_run(tmp_path / "cut", ListFeed(TAPE), docs, inlet=inlet(docs, tmp_path))
    while cut.machine is None or cut.book.now_ns < START_NS + 120 * NS_PER_S:
        cut.run_once()
    vanish(cut)
    held = recover_run(
        tmp_path / "cut", build="test-build", config_hash=docs.config_hash, sink=lambda: (ShadowBroker(), None)
    )
    newest = held.player.machine.state.context.newest
    assert newest == {"sentiment": START_NS + 100 * NS_PER_S, "risk": START_NS + 70 * NS_PER_S}
    held.log.close()
    resumed = resumed_run(tmp_path / "cut", ListFeed(TAPE), docs, inlet=inlet(docs, tmp_path, newest))
    resumed.run()
    assert received(tmp_path / "cut") == expected
    assert resumed.machine.run_digest.hexdigest() == whole.machine.run_digest.hexdigest()
