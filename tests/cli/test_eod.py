"""`eod` and `digest` as a user meets them: exit codes, forms, wrong input; and the files that are written unasked."""

import asyncio
import json

import pytest

from tests.reports import day_log as day
from tests.reports.test_day_end import ended, started
from trading_bot import cli_monitor
from trading_bot.domain.effects import LatchKillSwitch
from trading_bot.domain.orders import Leg, Side
from trading_bot.monitor.closing_bell import ClosingBell
from trading_bot.monitor.sight import Watcher
from trading_bot.monitor.story import Story
from trading_bot.pages.day_end_files import write_day_end


@pytest.fixture
def data(tmp_path):
    """A day of three trades: net −11.25 dollars, commission 10.00."""
    log = tmp_path / "data" / "runs" / "20261125T140000Z-aaaa" / "20261125"
    skips = [day.skip(1_400, "EUC_LOW"), day.skip(1_500, "BREAKER")]
    day.write(log, [started(), day.carried(), *day.three_trades(), *skips, ended(2_000)])
    return tmp_path / "data"


def test_a_flat_day(run_main, data):
    code, out, err = run_main("eod", "--data-dir", data)
    assert (code, err) == (0, "")
    assert "FLAT" in out
    assert "HYPOTHETICAL" in out
    assert "−11.25" in out
    assert "Friday 27 November 2026" in out, "what is next"
    code, out, _ = run_main("eod", "20261125T140000Z-aaaa", "--data-dir", data, "--json")
    found = json.loads(out)
    assert (code, found["flat"], found["trade_date"]) == (0, True, 20261125)
    assert (found["hypothetical"]["net_uusd"], found["hypothetical"]["fees_uusd"]) == (-11_250_000, 10_000_000)
    assert found["real"]["trades"] == 0
    assert [row["count"] for row in found["books"][0]["skips"]] == [1, 1]


def test_a_day_that_is_not_flat_is_said_loudly(run_main, data):
    log = data / "runs" / "20261125T150000Z-bbbb" / "20261125"
    day.write(log, [started(run_id="b"), day.carried(), day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000)], close=False)
    code, out, err = run_main("eod", "--data-dir", data)
    assert code == 5
    assert "NOT FLAT" in out
    assert "position +1" in err
    code, out, err = run_main("eod", "--data-dir", data, "--json")
    assert (code, err) == (5, "")
    assert json.loads(out)["books"][0]["open_reasons"] == ["b/20261125: position +1 (record 3)"]


def test_each_form(run_main, data, tmp_path):
    pytest.importorskip("jinja2", reason="HTML needs the extra `reports`")
    for command in ("eod", "digest"):
        code, out, _ = run_main(command, "--data-dir", data, "--format", "markdown")
        assert code == 0
        assert out.startswith("## ")
        assert "| ---" in out
        for name in ("a.html", "a.md", "a.txt", "a.json"):
            assert run_main(command, "--data-dir", data, "--out", tmp_path / command / name)[0] == 0
        page = (tmp_path / command / "a.html").read_text()
        assert page.startswith("<!doctype html>")
        assert "−11.25" in page
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert json.loads((tmp_path / command / "a.json").read_text())["hypothetical"]["net_usd"] == -11.25


def test_a_week(run_main, data):
    code, out, _ = run_main("digest", "--data-dir", data)
    assert code == 0
    assert "2026-W48" in out
    assert "3 trades on 1 day, 1 won, −11.25 USD net." in out
    code, out, _ = run_main("digest", "--data-dir", data, "--to", "2026-11-23", "--json")
    assert (code, json.loads(out)["hypothetical"]["net_uusd"]) == (0, -11_250_000)
    code, out, _ = run_main("digest", "--data-dir", data, "--week", "2026-W10")
    assert code == 0
    assert "No trades." in out


def test_a_week_with_its_gates(run_main, data):
    code, out, _ = run_main("digest", "--data-dir", data, "--gates")
    assert code == 0
    assert "GATES, HYPOTHETICAL" in out
    code, out, _ = run_main("digest", "--data-dir", data, "--gates", "--json")
    assert (code, json.loads(out)["gates"][0]["instrument"]) == (0, "MES")


def test_a_damaged_day_is_named_and_the_exit_code_says_it(run_main, data):
    segment = data / "runs" / "20261125T140000Z-aaaa" / "20261125" / "seg-000001.tbl"
    content = bytearray(segment.read_bytes())
    content[3_000] ^= 1
    segment.write_bytes(content)
    code, _, err = run_main("eod", "--data-dir", data)
    assert code == 6
    assert "20261125T140000Z-aaaa" in err
    code, out, err = run_main("digest", "--data-dir", data, "--week", "2026-W48")
    assert code == 6
    assert "Not read" in out
    assert "a sealed segment is damaged" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("eod", "--data-dir", "nowhere"), "there is no such folder"),
        (("eod", "nothing"), "nothing does not exist"),
        (("eod", "--data-dir", "empty"), "holds no log"),
        (("eod", "--date", "yesterday"), "expected a day such as"),
        (("eod", "--date", "2026-11-24"), "found dates [20261125]"),
        (("eod", "--mode", "live"), "in mode LIVE"),
        (("eod", "--format", "pdf"), "expected one of html"),
        (("eod", "--format", "html"), "--out FILE.html"),
        (("digest", "--week", "2026-W54"), "no such week"),
        (("digest", "--week", "48"), "no such week"),
        (("digest", "--to", "2026-02-30"), "no such week or day"),
        (("digest", "--to", "2026-02-28", "--week", "2026-W02"), "give one of them"),
        (("digest", "--data-dir", "nowhere"), "there is no such folder"),
        (("digest", "--data-dir", "empty"), "holds no log"),
    ],
)
def test_wrong_input_says_what_to_do(run_main, data, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    code, _, err = run_main(*arguments, *(() if "--data-dir" in arguments else ("--data-dir", data)))
    assert code == 2
    assert said in " ".join(err.split())


def test_the_files_of_a_day_are_written_whole(data):
    found = write_day_end(data)
    assert found.flat
    names = {one.name for one in (data / "reports").iterdir()}
    assert {"eod-20261125.json", "eod-20261125.md", "digest-2026-W48.json", "digest-2026-W48.md"} <= names
    assert not [name for name in names if name.endswith(".tmp")]
    assert json.loads((data / "reports" / "eod-20261125.json").read_text())["hypothetical"]["net_usd"] == -11.25


def test_the_bell_rings_once_five_minutes_after_the_close():
    bell, story = ClosingBell(), Story()
    story.run_id, story.log = "run", "20261125"

    def at(minutes, state):
        story.session_state, story.ts_ns = state, day.at(minutes * 60)
        return bell.rings(story)

    assert not at(0, "SESSION_ENTRIES")
    assert not at(390, "SESSION_CLOSED")
    assert not at(394, "SESSION_CLOSED")
    assert at(395, "SESSION_CLOSED")
    assert not at(400, "SESSION_CLOSED")
    story.log = "20261127"
    assert not at(3_000, "SESSION_PRE_OPEN")
    assert not at(3_390, "SESSION_CLOSED")
    story.ended = "SIGTERM"
    assert at(3_391, "SESSION_CLOSED")
    assert not at(3_392, "SESSION_CLOSED")


def test_names_from_a_log_are_text_on_a_page(run_main, data, tmp_path):
    pytest.importorskip("jinja2", reason="HTML needs the extra `reports`")
    evil = "<img src=x onerror=alert(1)>"
    log = data / "runs" / "20261125T160000Z-cccc" / "20261125"
    latched = LatchKillSwitch(ts_ns=day.at(20), reason=evil, source="</td><script>1</script>")
    day.write(log, [started(run_id="c"), day.carried(), day.skip(1, "EUC_LOW", evil), latched, ended(30)])
    for command in ("eod", "digest"):
        assert run_main(command, "--data-dir", data, "--out", tmp_path / "page.html")[0] == 0
        page = (tmp_path / "page.html").read_text()
        assert "&lt;img src=x" in page
        assert "<img src=x" not in page
        assert "<script>1" not in page
        code, out, _ = run_main(command, "--data-dir", data, "--format", "markdown")
        assert (code, "<img" in out.replace("\\<img", "")) == (0, False)


def test_the_monitor_writes_the_end_of_a_closed_session(data, monkeypatch, capsys):
    pytest.importorskip("jinja2", reason="HTML needs the extra `reports`")
    log = data / "runs" / "20261125T170000Z-dddd" / "20261125"
    closed = day.session(390 * 60, "SESSION_CLOSED")
    day.write(log, [started(run_id="d"), day.carried(), closed, ended(391 * 60)])
    monkeypatch.setattr(cli_monitor, "_BELL_S", 0.01)
    watcher, write = Watcher(data), cli_monitor._write_day_end

    async def watch():
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def write_and_stop(folder):
            write(folder)
            loop.call_soon_threadsafe(stop.set)

        monkeypatch.setattr(cli_monitor, "_write_day_end", write_and_stop)
        watcher.look()
        async with asyncio.timeout(30):
            await cli_monitor._write_at_close(watcher, stop)

    asyncio.run(watch())
    assert json.loads((data / "reports" / "eod-20261125.json").read_text())["flat"]
    assert "eod-20261125: flat" in capsys.readouterr().err


def test_a_day_that_cannot_be_written_is_a_line_and_the_watch_goes_on(data, capsys):
    (data / "reports").write_text("in the way")
    cli_monitor._write_day_end(data)
    assert "the end of the day was not written" in capsys.readouterr().err
