"""Market data files: DBN, Parquet, CSV, LEAN, compressed or not, and the declarations of their columns."""

import gzip
import io
import zipfile
from functools import cache

import databento_dbn as dbn
import zstandard
from pyarrow import parquet, table

from tests.conftest import ROOT
from tests.files.test_dbn import mbo, metadata
from tests.fuzz.kit import Target
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.files import open_files
from trading_bot.adapters.history import history_from_paths
from trading_bot.domain.errors import BotError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD, FrameClass
from trading_bot.domain.units import NS_PER_S

MES, SPY = INSTRUMENTS["MES"], INSTRUMENTS["SPY"]
T0_NS = 1_795_609_800_000_000_000
DECLARED = b'time = "ts_ns"\ntime_format = "ns"\nbid = "bid"\nbid_size = "bid_qty"\nask = "ask"\nask_size = "ask_qty"\n'


def rows():
    head = "ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor\n"
    quotes = "".join(f"{T0_NS + i * NS_PER_S},67{i:02}.25,5,67{i:02}.5,7,,,\n" for i in range(30))
    trades = "".join(f"{T0_NS + (i + 40) * NS_PER_S},,,,,6700.25,{i},B\n" for i in range(10))
    return (head + quotes + trades).encode()


def depth():
    return b"Date;Time;BidPrice;BidSize;AskPrice;AskSize;Price;Volume;TradeType\n" + b"".join(
        b"2026-11-25;14:30:%02d.1234;6700.25;5;6700.50;7;6700.50;3;2\n" % i for i in range(20)
    )


def books():
    return [
        metadata(dbn.Schema.MBO, {"ESH4": "7"})
        + b"".join(mbo("A", "BA"[i % 2], i, 4800 + i % 2 + i / 4, 3, at=i * 1000) for i in range(12))
        + mbo("T", "B", 0, 4800, 1, at=90_000)
        + mbo("R", "N", 0, None, 0, at=95_000)
    ]


def zipped(name, text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return out.getvalue()


def parquets():
    quotes = {
        "ts_event": [T0_NS, T0_NS + 9],
        "ts_recv": [T0_NS, T0_NS + 9],
        "bid": [67.25, 67.5],
        "bid_sz": [1, 2],
        "ask": [67.5, None],
        "ask_sz": [3, 4],
    }
    trades = {"ts_event": [T0_NS], "ts_recv": [T0_NS], "px": [67.25], "qty": [4], "side": ["B"]}
    made = []
    for columns in (quotes, trades):
        out = io.BytesIO()
        parquet.write_table(table(columns), out, compression="none")
        made.append(out.getvalue())
    return made


def read(name, data, folder, instrument=MES):
    """Every record that comes out is whole; damage is told after everything before it, and again."""
    path = folder / name
    path.write_bytes(data)
    feed = open_files([path], instrument)
    try:
        while (batch := feed.read()) is not None:
            for row in TICK_RECORD.iter_unpack(batch):
                assert (row[1], row[4]) == (64, FrameClass.INPUT)
                assert 0 < row[7] < 1 << 63
    except BotError:
        try:
            feed.read()
        except BotError:
            pass
        else:
            raise AssertionError("the damage was told once and forgotten") from None
        raise


def read_history(data, folder):
    (folder / "rows.csv").write_bytes(data)
    history_from_paths([folder / "rows.csv"], MES, calendar=calendar(), before_ns=T0_NS + 3_600 * NS_PER_S)


@cache
def calendar():
    return load_calendar("us_index.csv", ROOT / "data")


def declared(data, folder):
    (folder / "rows.csv.columns.toml").write_bytes(data)
    read("rows.csv", rows(), folder)


def fed(name, **options):
    return lambda data, folder: read(name, data, folder, **options)


def member(name, compressed):
    """A zip whose member is the input; every second time the zip itself is spoilt as well."""

    def shape(data, dice):
        made = bytearray(zipped(name, data))
        if dice is not None and not compressed:
            for _ in range(dice.randrange(3)):
                made[dice.randrange(len(made))] = dice.randrange(256)
        return bytes(made)

    return shape


def packed(pack):
    """Sound compression around what is spoilt."""
    return lambda data, _dice: pack(data)


BAR = "20131007_spy_second_quote.csv"
TICK = "20131007_spy_Trade_Tick.csv"
_BARS = b"".join(b"34200000,1680000,1680100,1679900,1680050,12,1680100,1680200,1680000,1680150,7\n" for _ in range(12))
_PRINTS = b"".join(b"3420%04d,1680000,100,P,00000000,0\n" % i for i in range(12))
TARGETS = (
    Target(
        "csv", lambda _f: [rows(), depth()], fed("rows.csv"), (b",", b";", b'"', b"\r", b"\n", b"2026-02-30 25:61:61")
    ),
    Target("csv_gz", lambda _f: [gzip.compress(rows())], fed("rows.csv.gz")),
    Target("dbn", lambda _f: books(), fed("book.dbn")),
    Target("dbn_zst", lambda _f: [zstandard.compress(books()[0])], fed("book.dbn.zst")),
    Target("dbn_in_zst", lambda _f: books(), fed("book.dbn.zst"), shape=packed(zstandard.compress)),
    Target("parquet", lambda _f: parquets(), fed("day.parquet")),
    Target("lean_zip", lambda _f: [zipped(BAR, _BARS), zipped(TICK, _PRINTS)], fed("day.zip", instrument=SPY)),
    Target("lean_bars", lambda _f: [_BARS], fed("day.zip", instrument=SPY), shape=member(BAR, compressed=True)),
    Target("lean_ticks", lambda _f: [_PRINTS], fed("day.zip", instrument=SPY), shape=member(TICK, compressed=False)),
    Target(
        "columns",
        lambda _f: [DECLARED],
        declared,
        (b'"price"', b'timezone = "../../etc/passwd"\n', b'delimiter = "\\n"\n'),
    ),
    Target("history", lambda _f: [rows()], read_history),
)
