"""Historical ticks through the real library into files that a run reads."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr import tick_download
from trading_bot.adapters.ibkr.contracts import bind
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD

parquet = pytest.importorskip("pyarrow.parquet", reason="the research extra is not installed here")

START_S = 1_795_616_400  # 2026-11-25T14:20:00Z
SEED = 5
MES = INSTRUMENTS["MES"]


@pytest.fixture(scope="module")
def place():
    """A session at a gateway whose clock has passed some minutes."""
    with running_gateway(seed=SEED, speed=600.0, messages_per_s=0) as gateway:
        session = IbkrSession(IbkrSettings(host="127.0.0.1", port=gateway.port, client_id=1))
        session.connect()
        bound = bind(session, MES, BotConfig())
        session.pump(1.0)  # ten minutes of the market
        yield session, bound
        session.close()


@pytest.fixture(scope="module")
def generated():
    """Trades and quotes of the same market, made here: (second, price, qty) and (second, bid, qty, ask, qty)."""
    feed = SimFeed(
        MES,
        load_calendar("us_index.csv", Path("data")),
        seed=SEED,
        start_ns=START_S * 10**9,
        duration_ns=600 * 10**9,
        resolution_ns=10**9,
        batch_records=4096,
    )
    trades, quotes = [], []
    while (batch := feed.read()) is not None:
        for at in range(0, len(batch), 64):
            row = TICK_RECORD.unpack_from(batch, at)
            second = row[7] // 10**9
            if row[3] == 2:
                trades.append((second, row[9] / 4, row[11]))
            else:
                quotes.append((second, row[9] / 4, row[11], row[10] / 4, row[12]))
    return trades, quotes


def fetch(place, folder, **changes):
    session, bound = place
    asked = {"what": "TRADES", "begin_s": START_S, "end_s": START_S + 300} | changes
    return tick_download.download(session, bound, folder, **asked)


def rows(folder):
    (path,) = folder.glob("*.parquet")
    return parquet.read_table(path).to_pylist()


def test_every_trade_of_the_span_comes_once(place, generated, tmp_path):
    done = fetch(place, tmp_path)
    expected = [row for row in generated[0] if row[0] < START_S + 300]
    found = [(row["ts_event"] // 10**9, row["px"], row["qty"]) for row in rows(tmp_path)]
    assert found == expected
    assert done.ticks == len(expected)


def test_quotes_come_in_pages_and_are_joined(place, generated, tmp_path):
    done = fetch(place, tmp_path, what="BID_ASK")
    found = [(row["ts_event"] // 10**9, row["bid"], row["bid_sz"], row["ask"], row["ask_sz"]) for row in rows(tmp_path)]
    assert done.pages > 1
    assert found == [row for row in generated[1] if row[0] < START_S + 300]


@pytest.mark.parametrize("cut", ["before the page is written", "between the page and the progress"])
def test_a_download_that_was_cut_goes_on_and_is_the_same(place, generated, tmp_path, monkeypatch, cut):
    real = {"_write_page": tick_download._write_page, "_write_whole": tick_download._write_whole}
    name = "_write_page" if cut.startswith("before") else "_write_whole"
    calls = []

    def dies(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real[name](*arguments)

    monkeypatch.setattr(tick_download, name, dies)
    with pytest.raises(KeyboardInterrupt):
        fetch(place, tmp_path, what="BID_ASK")
    monkeypatch.undo()
    fetch(place, tmp_path, what="BID_ASK")
    expected = [row[0] for row in generated[1] if row[0] < START_S + 300]
    assert [row["ts_event"] // 10**9 for row in rows(tmp_path)] == expected


def test_a_folder_of_another_download_and_the_future_are_refused(place, tmp_path):
    fetch(place, tmp_path)
    with pytest.raises(UsageError, match="choose another --out"):
        fetch(place, tmp_path, end_s=START_S + 200)
    tomorrow = round(datetime(2026, 11, 26, 20, tzinfo=UTC).timestamp())
    with pytest.raises(UsageError, match="after the gateway's time"):
        fetch(place, tmp_path / "new", end_s=tomorrow)


def test_broker_seconds_that_hold_more_than_a_page_do_not_stop_it(place, tmp_path, monkeypatch):
    monkeypatch.setattr(tick_download, "TICKS_A_PAGE", 1)
    done = fetch(place, tmp_path, end_s=START_S + 30)
    monkeypatch.undo()
    whole = fetch(place, tmp_path / "whole", end_s=START_S + 30)
    assert done.ticks == whole.ticks
    assert done.pages > whole.pages
