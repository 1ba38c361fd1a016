"""Rows from logs: the same on SQLite and on a real PostgreSQL, again and again, all of it or nothing (PR07)."""

import hashlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.journal.conftest import add_run
from tests.reports import day_log as day
from trading_bot.core.event_log import EventLog
from trading_bot.domain import broker_events, effects, events, log_records, trade_events
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.learning import LearningState
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.records import FrameClass
from trading_bot.journal import rebuild as rebuilding
from trading_bot.journal.database import Database
from trading_bot.journal.rebuild import rebuild

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("sqlite", "postgresql")


def database(url):
    return Database(sa.make_url(url).set(drivername=url.split(":")[0] + {"s": "+pysqlite", "p": "+psycopg"}[url[0]]))


def ask(url, sql):
    with database(url).reading() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def change(url, sql):
    with database(url).writing() as connection:
        connection.execute(sa.text(sql))


def all_kinds():
    """One of everything that becomes a row, as a day may bring it."""
    order = (3, 0)
    return [
        day.started(),
        day.carried(),
        *day.waves(0, 180),
        day.outcome(1, 97),
        day.skip(2, "EUC_LOW"),
        day.placed(3, 3, 60),
        day.filled(4, 3, Leg.ENTRY, Side.BUY, 24_000),
        day.opened(4, 3, 24_000, 23_994),
        day.filled(30, 3, Leg.TARGET, Side.SELL, 24_010),
        day.closed(3, "S1", Side.BUY, 1, (4, 30), (24_000, 24_010), "TARGET", 12.5),
        # 30 cents more than the 1.25 that were estimated, after the trade was closed.
        broker_events.CommissionReported(
            ts_ns=day.at(40), order_id=order, leg=Leg.TARGET, exec_id="3-TARGET", commission_uusd=1_550_000,
            estimated_uusd=1_250_000,
        ),
        trade_events.CommissionCorrected(
            ts_ns=day.at(40), order_id=order, leg=Leg.TARGET, exec_id="3-TARGET", delta_uusd=300_000,
            trade_closed=True, hypothetical=True, ledger=b"",
        ),
        day.breaker(50, "LOSSES_IN_ROW", "PAUSE", tripped=True),
        day.learned(60, "S1", LearningState.ACTIVE, LearningState.THROTTLED_120),
        events.SafetyVerdict(
            ts_ns=day.at(70), verdict="safety_gate_blocked", order_id=(9, 0), failed=(1, 2), detail="a\0b ▲"
        ),
        trade_events.ParamsAdopted(
            ts_ns=day.at(80), parameter="slippage_e6", old=1, new=2, fills=30, actual=5, expected=4, hypothetical=True
        ),
    ]  # fmt: skip


def test_the_figures_are_those_of_the_trades(data, db):
    found = rebuild(database(db), [data])
    assert (found.trades, found.net_usd, found.fees_usd) == (3, -11.25, 10.0)
    assert (found.hypothetical.trades, found.hypothetical.net_uusd) == (3, -11_250_000)
    assert (found.real.trades, found.real.net_uusd) == (0, 0)
    assert (found.runs_read, found.runs_skipped, found.runs_kept) == (1, 0, 0)
    rows = ask(db, "SELECT closed_seq, template, side, qty, net_uusd, exit_reason FROM trades ORDER BY 1")
    assert rows == [
        (3, "S1", "BUY", 1, 10_000_000, "TARGET"),
        (4, "K1", "SELL", 2, -20_000_000, "STOP"),
        (5, "S1", "BUY", 1, -1_250_000, "TIME"),
    ]


def test_every_kind_of_row_is_equal_on_both_and_again(tmp_path, urls):
    add_run(tmp_path / "data", "run-1", all_kinds())
    found = {}
    for kind in KINDS:
        url = urls(kind)
        first, second, full = (rebuild(database(url), [tmp_path / "data"], full=full) for full in (False, False, True))
        assert (first.runs_read, second.runs_read, second.runs_skipped, full.runs_read) == (1, 0, 1, 1)
        assert first.rows_digest == second.rows_digest == full.rows_digest
        found[kind] = first
    assert found["sqlite"].rows_digest == found["postgresql"].rows_digest
    assert found["sqlite"].rows == found["postgresql"].rows
    # Three minutes of quotes; every other table has what was written above.
    assert found["sqlite"].rows == {
        "runs": 1, "sessions": 1, "trades": 1, "orders": 1, "fills": 2, "decisions": 1, "quality_minutes": 3,
        "breakers": 1, "learning": 1, "corrections": 1, "refusals": 1, "parameters": 1,
    }  # fmt: skip
    # 12.50 gross less 2.50 commission less the 30 cents that came later.
    assert (found["sqlite"].net_uusd, found["sqlite"].fees_uusd) == (9_700_000, 2_800_000)


def test_a_server_that_sorts_as_people_do_gives_the_same_digest(tmp_path, urls, server):
    """In English `a` comes before `B` and `_` before `-`; Python, SQLite and the page sort by code points."""
    for run_id, session in (("B-1", "20261125"), ("a-1", "20261125-02"), ("a-1", "20261125_1")):
        add_run(tmp_path / "data", run_id, [day.started(run_id=run_id), day.carried()], session=session)
    try:
        server.psql("CREATE DATABASE english TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    except RuntimeError as error:
        pytest.skip(f"needs PostgreSQL 15 with ICU: {error}")
    assert server.psql("SELECT 'a' < 'B' AND '20261125_1' < '20261125-02'", "english").strip() == "t"
    found = [rebuild(database(url), [tmp_path / "data"]) for url in (urls("sqlite"), server.url_of("english"))]
    assert found[0].rows_digest == found[1].rows_digest


def test_the_digest_is_of_the_lines_that_the_page_describes(tmp_path, urls):
    """Lines built from docs/journal.md and the file alone, by the standard library."""
    add_run(tmp_path / "data", "run-1", all_kinds())
    url = urls("sqlite")
    found = rebuild(database(url), [tmp_path / "data"])
    page = (ROOT / "docs" / "journal.md").read_text()
    tables = re.findall(r"^\| (\w+) \| [^|]+ \| ((?:run_id|log),[^|]+) \|$", page, flags=re.MULTILINE)
    whole = hashlib.sha256()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for table, text in tables:
            if table == "sources":
                continue
            columns = [name.strip() for name in re.sub(r"\([^)]*\)", "", text).split(",")]
            declared = {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}
            assert list(declared) == columns
            for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2"):
                values = [
                    bool(value) if declared[name] == "BOOLEAN" else value
                    for name, value in zip(columns, row, strict=True)
                ]
                line = json.dumps([table, *values], separators=(",", ":"), ensure_ascii=False)
                whole.update(f"{line}\n".encode())
    assert found.rows_digest == whole.hexdigest()


def test_a_text_with_a_nul_is_shown_with_its_picture(tmp_path, db):
    add_run(tmp_path / "data", "run-1", all_kinds())
    rebuild(database(db), [tmp_path / "data"])
    assert ask(db, "SELECT detail, failed FROM refusals") == [("a␀b ▲", "KILL_SWITCH RECOVERY")]


def test_what_was_never_sent_is_a_row_and_in_no_sum(data, db):
    placed = effects.PlaceShadow(
        ts_ns=day.at(1), order_id=(9, 0), template="S1", side=Side.BUY, limit_ticks=None, target_ticks=10, stop_ticks=6,
        hold_ns=1, life_ns=1,
    )  # fmt: skip
    filled = [
        trade_events.ShadowFilled(
            ts_ns=day.at(at), order_id=(9, 0), leg=leg, side=side, price_ticks=price, commission_uusd=1_250_000
        )
        for at, leg, side, price in ((2, Leg.ENTRY, Side.BUY, 24_000), (3, Leg.TARGET, Side.SELL, 24_010))
    ]
    add_run(data, "run-2", [day.started(run_id="run-2"), day.carried(), placed, *filled])
    found = rebuild(database(db), [data])
    assert (found.trades, found.net_usd, found.rows["trades"]) == (3, -11.25, 4)
    assert ask(db, "SELECT trade_id, net_uusd FROM trades WHERE shadow") == [("9-0", 10_000_000)]


def test_a_commission_that_comes_a_day_late_is_in_the_sums(data, db):
    """30 cents more for a trade of a session that is not in these logs, as the run's summary counts it."""
    late = trade_events.CommissionCorrected(
        ts_ns=day.at(40), order_id=(77, 0), leg=Leg.EXIT, exec_id="x", delta_uusd=300_000, trade_closed=True,
        hypothetical=False, ledger=b"",
    )  # fmt: skip
    add_run(data, "run-2", [day.started(run_id="run-2", hypothetical=False), day.carried(), late])
    found = rebuild(database(db), [data])
    assert (found.real.net_uusd, found.real.fees_uusd, found.hypothetical.net_uusd) == (-300_000, 300_000, -11_250_000)
    assert (found.net_usd, found.fees_usd) == (-11.55, 10.3)


def test_a_log_is_read_while_it_is_written(tmp_path, db):
    data = tmp_path / "data"
    (data / "runs" / "run-1").mkdir(parents=True)
    trades = day.three_trades()
    log = EventLog.create(data / "runs" / "run-1" / "20261125", b"day", day.SEGMENT_BYTES)
    try:
        seen = []
        for record in [day.started(), day.carried(), *trades]:
            kind = log_records.frame_class(record)
            log.append_message(kind, record.ts_ns, 1, 0 if kind is FrameClass.INPUT else 1, log_records.encode(record))
            seen.append(rebuild(database(db), [data]).trades)
        assert seen == [0, 0, 1, 2, 3]
        assert rebuild(database(db), [data]).runs_read == 0  # nothing was appended since
    finally:
        log.close()


def test_a_log_that_has_grown_is_read_again_and_the_others_are_not(data, db):
    add_run(data, "run-2", [day.started(run_id="run-2"), day.carried(), *day.three_trades()[:1]])
    before = rebuild(database(db), [data])
    add_run(data, "run-2", [day.started(run_id="run-2"), day.carried(), *day.three_trades()[1:]], session="20261126")
    after = rebuild(database(db), [data])
    assert (before.runs_read, after.runs_read, after.runs_skipped) == (2, 1, 1)
    assert (before.trades, before.net_usd, after.trades, after.net_usd) == (4, -1.25, 6, -22.5)
    assert before.rows_digest != after.rows_digest


@pytest.mark.parametrize(
    "sql", ["DELETE FROM trades WHERE closed_seq = 4", "UPDATE trades SET net_uusd = 1", "DELETE FROM runs"]
)
def test_rows_that_a_hand_has_changed_are_made_anew(data, db, sql):
    first = rebuild(database(db), [data])
    change(db, sql)
    again = rebuild(database(db), [data])
    assert (again.runs_read, again.trades, again.net_usd) == (1, 3, -11.25)
    assert again.rows_digest == first.rows_digest


def test_a_run_whose_logs_are_gone_keeps_its_rows(data, db, tmp_path):
    rebuild(database(db), [data])
    add_run(tmp_path / "other", "run-2", [day.started(run_id="run-2"), day.carried()])
    found = rebuild(database(db), [tmp_path / "other"])
    assert (found.trades, found.runs, found.runs_kept) == (0, 1, 1)
    assert ask(db, "SELECT count(*) FROM trades") == [(3,)]


def test_one_log_brings_its_whole_run(data, db):
    add_run(data, "run-1", [day.started(), day.carried()], session="20261126")
    assert rebuild(database(db), [data / "runs" / "run-1" / "20261126"]).rows["sessions"] == 2


def test_the_same_run_in_two_places_is_refused(data, db, tmp_path):
    add_run(tmp_path / "copy", "run-1", [day.started(), day.carried()])
    with pytest.raises(UsageError, match=r"run run-1 is in .*/data/.* and in .*/copy/"):
        rebuild(database(db), [data, tmp_path / "copy"])


def test_a_damaged_log_is_named_and_the_others_are_done(data, db):
    first = rebuild(database(db), [data])
    segment = data / "runs" / "run-1" / "20261125" / "seg-000001.tbl"
    content = bytearray(segment.read_bytes())
    content[-200] ^= 1  # inside the last record of a sealed segment
    segment.write_bytes(content)
    add_run(data, "run-2", [day.started(run_id="run-2"), day.carried(), *day.three_trades()[:1]])
    found = rebuild(database(db), [data], full=True)
    assert list(found.refused) == [str(data / "runs" / "run-1")]
    assert "damaged" in found.refused[str(data / "runs" / "run-1")]
    assert (found.runs_read, found.trades) == (1, 4)  # the rows of before, and the new run's
    assert ask(db, "SELECT count(*) FROM trades WHERE log LIKE 'run-1/%'") == [(3,)]
    assert first.trades == 3


def test_a_torn_tail_and_an_empty_log_are_no_damage(tmp_path, db):
    data = tmp_path / "data"
    add_run(data, "run-1", [day.started(), day.carried(), *day.three_trades()], close=False)
    add_run(data, "run-2", [], close=False)
    found = rebuild(database(db), [data])
    assert (found.trades, found.refused) == (3, {})
    assert any("run-2" in note and "no record" in note for note in found.notes)


CHILD = """
import os, signal, sys
from pathlib import Path
import trading_bot.journal.rebuild as module
from trading_bot.journal.database import Database, database_url
module._remember = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # every row is written, nothing is committed
module.rebuild(Database(database_url(sys.argv[1], Path("."))), [Path(sys.argv[2])])
"""


def test_a_rebuild_that_is_killed_leaves_the_old_rows(data, db):
    before = rebuild(database(db), [data])
    add_run(data, "run-1", [day.started(), day.carried(), *day.three_trades()], session="20261126")
    child = subprocess.run([sys.executable, "-c", CHILD, db, str(data)], capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert ask(db, "SELECT count(*) FROM trades") == [(3,)]
    assert ask(db, "SELECT rows_digest FROM sources") == [(before.rows_digest,)]
    assert rebuild(database(db), [data]).trades == 6


def test_a_server_that_dies_in_the_middle_has_the_old_rows(data, urls, server, monkeypatch):
    url = urls("postgresql")
    rebuild(database(url), [data])
    add_run(data, "run-1", [day.started(), day.carried(), *day.three_trades()], session="20261126")
    with monkeypatch.context() as patched:
        patched.setattr(rebuilding, "_remember", lambda *_: server.stop())  # every row is written
        try:
            with pytest.raises(SourceUnreachable, match="nothing was changed; is the server up"):
                rebuild(database(url), [data])
        finally:
            server.start()
    assert ask(url, "SELECT count(*) FROM trades") == [(3,)]
    assert rebuild(database(url), [data]).trades == 6


def test_two_at_once_wait_for_each_other(data, db):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(rebuild(database(db), [data], full=True))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({row.rows_digest for row in found}) == 1
    assert [row.trades for row in found] == [3, 3, 3]


def test_a_reader_sees_the_old_rows_until_all_are_new(data, db):
    rebuild(database(db), [data])
    with database(db).writing() as connection:
        connection.execute(sa.text("DELETE FROM trades"))
        assert ask(db, "SELECT count(*) FROM trades") == [(3,)]
    assert ask(db, "SELECT count(*) FROM trades") == [(0,)]


def test_the_page_asks_questions_that_work(data, urls):
    """Every statement of docs/journal.md on PostgreSQL, and those for both databases on SQLite."""
    text = (ROOT / "docs" / "journal.md").read_text()
    found = re.findall(r"(\n[^\n]+\n)\n```sql\n(.*?)```", text, flags=re.DOTALL)
    assert len(found) == 4
    for kind in KINDS:
        url = urls(kind)
        rebuild(database(url), [data])
        for heading, sql in found:
            if kind == "postgresql" or "both databases" in heading:
                ask(url, sql)
