"""`watch`: one picture, at every width with its numbers whole; `--json` is one document."""

import io
import json

import msgspec
import pytest
from rich.console import Console

from tests.monitor.test_checks import SIGHT, STATUS
from trading_bot.cli import main
from trading_bot.core.operator_files import Latch
from trading_bot.monitor.checks import health
from trading_bot.monitor.screen import frame
from trading_bot.monitor.sight import Watcher
from trading_bot.monitor.story import Decision, Story


def drawn(sight, width=110, story=None):
    console = Console(width=width, record=True, force_terminal=True, file=io.StringIO())
    console.print(frame(sight, health(sight, story or Story()), width))
    return console.export_text()


@pytest.mark.parametrize("width", [96, 110, 150, 200])
def test_no_number_of_a_limit_is_cut(run, width):
    watcher = Watcher(run[0])
    sight = watcher.look()
    text = drawn(sight, width, watcher.story)
    for row in sight.status.limits:
        assert f"{row['distance_usd']:,.2f}" in text
    assert f"{sight.status.pnl_net_usd:+,.2f} USD" in text
    assert all(len(line) <= width for line in text.splitlines())


def test_the_picture_says_what_a_person_has_to_know(run):
    watcher = Watcher(run[0])
    text = drawn(watcher.look(), 150, watcher.story)
    for words in (
        "SIM",
        "NO BOT RUNS",
        "last decisions",
        "evaluation-50k-intraday",
        "hypothetical",
        "trailing intraday",
    ):
        assert words in text
    newest = watcher.story.decisions[-1]
    assert newest.reason in text
    assert f"{newest.seq:,}" in text


def test_a_kill_an_unknown_position_and_live_are_not_overlooked():
    latch = Latch(reason="saw a wrong fill", source="cli", when="2026-11-25T15:00:00Z")
    status = msgspec.structs.replace(STATUS, mode="LIVE", position_qty=None)
    text = drawn(msgspec.structs.replace(SIGHT, status=status, latch=latch))
    for words in ("LIVE", "KILL SWITCH latched", "saw a wrong fill", "NOT KNOWN", "fail kill switch", "warn position"):
        assert words in text


def test_an_open_trade_says_how_it_stands_and_what_would_end_it():
    held = {
        "standing": "42 s old, +2.50 USD before commission, worst -1, best +4 ticks",
        "thesis": "K1 long: belief is 0.61, was 0.70 at the decision",
        "ends_by": ["stop 5 ticks away, at the broker", "target 9 ticks away"],
    }
    text = drawn(msgspec.structs.replace(SIGHT, status=msgspec.structs.replace(STATUS, held=held)), 200)
    for words in ("42 s old", "+2.50 USD", "was 0.70", "stop 5 ticks away"):
        assert words in text


def test_words_of_others_are_no_markup():
    text = "[bold red]x[/] "
    one = Decision(7, 10**18, "SKIP", "EUC_LOW", "[K1]", 1, f"K1 long SKIP EUC_LOW: {text}", "")
    shown = drawn(msgspec.structs.replace(SIGHT, decisions=(one,)), 200)
    assert "[bold red]x[/]" in shown
    assert "[K1]" in shown


def test_an_empty_folder_is_a_picture_too(tmp_path, capsys):
    assert main(["watch", "--once", "--data-dir", str(tmp_path)]) == 0
    assert "NO BOT RUNS" in capsys.readouterr().out
    assert main(["watch", "--data-dir", str(tmp_path / "typo")]) == 2


def test_json_is_one_document(run, capfdbinary):
    assert main(["watch", "--json", "--data-dir", str(run[0])]) == 0
    document = json.loads(capfdbinary.readouterr().out)
    assert document["health"]["status"] == "fail"
    assert document["status"]["rules"]["pack"] == "evaluation-50k-intraday"
    assert document["decisions"][-1]["reason"]
