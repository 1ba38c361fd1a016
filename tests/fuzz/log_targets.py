"""Event logs: bits that flipped, ends that were cut, lengths that lie, and forgeries with right checksums."""

import struct
import zlib
from functools import cache

import msgspec

from tests.core.worlds import BUILD, OPEN_NS, ListFeed, documents, new_run, wavy_tape
from tests.fuzz.kit import Target, mutated
from tests.fuzz.wire_targets import kernel_config
from tests.log import tape
from tests.property.driver import outputs
from trading_bot._fast import HotPath
from trading_bot.core.event_log import EventLog, LogReader, recover, verify
from trading_bot.core.recovery import recover_run
from trading_bot.core.replay import replay, session_logs
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.domain.errors import BotError, LogCorrupt
from trading_bot.domain.records import MESSAGE_HEADER, FrameKind
from trading_bot.run_folders import write_atomic

_HEAD = struct.Struct("<IIQBB")


def small(folder):
    made = []
    for name, make, options in (
        ("a", tape.small_log, {}),
        ("b", tape.small_log, {"close": False}),
        ("c", tape.two_segments, {}),
    ):
        (folder / name).mkdir()
        make(folder / name, **options)
        data = tape.segment(folder / name, 1).read_bytes()
        made.append(data[: 8 * 1024])
    return made


def read_log(data, folder):
    """Reading gives what is before the damage; a tail that was torn is dropped once, and then the log is sound."""
    path = one_segment(data, folder / "log")
    report = verify(path)
    seen = []
    try:
        with LogReader(path) as reader:
            seen.extend(frame.seq for frame in reader.frames())
    except LogCorrupt:
        assert not report.ok
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == report.records
    recovered = recover(path)
    assert report.ok or "SHA-256" in report.reason  # what only a verification looks at
    assert recovered.last_seq == report.last_seq
    assert recover(path).torn_bytes == 0
    if not report.ok:
        return
    if recovered.end is not None and recovered.end.header is not None and not recovered.closed:
        log = EventLog.open_append(path)
        log.append_message(1, 2_000, 0, 0, b"next")
        log.close()
        assert verify(path).ok
        assert verify(path).last_seq == report.last_seq + 1


def one_segment(data, path):
    path.mkdir(exist_ok=True)
    for old in path.iterdir():
        old.unlink()
    tape.segment(path, 1).write_bytes(data)
    return path


def forged(data, dice):
    """The checksums of the frames are made right again, as a forger would: what is wrong is then inside."""
    if dice is None or dice.random() < 0.3:
        return data
    made, at = bytearray(data), 0
    while at + 64 <= len(made):
        length = _HEAD.unpack_from(made, at)[1]
        if length < 64 or length % 64 or at + length > len(made):
            break
        tape.refresh(made, at)
        at += length
    return bytes(made)


def whole_run(folder):
    """Fifteen seconds of a market, with decisions and orders: the sealed log of the session."""
    run = folder / "run"
    new_run(run, ListFeed(wavy_tape(OPEN_NS + 60 * 10**9, 60)), documents()).run()
    (log,) = session_logs(run)
    _SAMPLE[:] = [tape.segment(log, 1).read_bytes()]
    return list(_SAMPLE)


def play(data, folder):
    """A replay says what differs, or where the damage is; going on with such a run does the same."""
    run = folder / "run"
    run.mkdir(exist_ok=True)
    write_atomic(run / "run.json", {})
    one_segment(data, run / "20261125")
    refusal = None
    try:
        replay(run, build=BUILD)
    except BotError as error:
        refusal = error
    recovered = recover_run(run, build=BUILD, config_hash=config_hash(), sink=lambda: (ShadowBroker(), None))
    if recovered.log is not None:
        recovered.log.abandon()
    if refusal is not None:
        raise refusal


def rewritten(data, dice):
    """Messages that say something else, in sound frames: a value of one to three of them is another."""
    if dice is None:
        return data
    rows = [list(row) for row in _frames(_SAMPLE[0])]
    for _ in range(dice.choice((1, 1, 2, 3))):
        row = dice.choice([row for row in rows if row[0] == FrameKind.MESSAGE])
        try:
            document = msgspec.msgpack.decode(row[2])
        except msgspec.DecodeError:
            continue
        _change(document, dice)
        row[2] = msgspec.msgpack.encode(document)
    if dice.random() < 0.2:
        one, other = dice.randrange(len(rows)), dice.randrange(len(rows))
        rows[one], rows[other] = rows[other], rows[one]
    return _written(_SAMPLE[0], rows)


def _change(document, dice):
    """One value, at any depth; packed parts are opened, and closed again."""
    key = dice.choice(list(document) if isinstance(document, dict) else range(len(document)))
    inner = document[key]
    if isinstance(inner, dict | list) and inner and dice.random() < 0.9:
        _change(inner, dice)
    elif isinstance(inner, bytes) and dice.random() < 0.9:
        document[key] = _repacked(inner, dice)
    else:
        document[key] = dice.choice(VALUES)


def _repacked(packed, dice):
    try:
        plain, close = zlib.decompress(packed), zlib.compress
    except zlib.error:
        plain, close = packed, bytes
    try:
        document = msgspec.msgpack.decode(plain)
    except msgspec.DecodeError:
        document = None
    if isinstance(document, dict | list) and document:
        _change(document, dice)
        return close(msgspec.msgpack.encode(document))
    return close(mutated(dice, [plain]))


def _frames(data):
    """[kind, frame, payload or None] of every record of a sealed segment."""
    found = []
    for offset, length, _, kind in tape.frames(data)[2:]:
        if kind >= 32:
            break
        frame = data[offset : offset + length]
        size = MESSAGE_HEADER.unpack_from(frame)[9] if kind == FrameKind.MESSAGE else 0
        found.append((kind, frame, frame[48 : 48 + size] if kind == FrameKind.MESSAGE else None))
    return found


def _written(data, rows):
    """A segment without a seal that holds these records, numbered anew."""
    made = bytearray(data[: tape.START])
    for seq, (kind, frame, payload) in enumerate(rows, 1):
        new = bytearray(frame)
        if kind == FrameKind.MESSAGE:
            new = bytearray(frame[:48] + payload)
            new += bytes(-len(new) % 64)
            struct.pack_into("<II", new, 40, len(payload), 0)
        struct.pack_into("<IQ", new, 4, len(new), seq)
        made += new
        tape.refresh(made, len(made) - len(new))
    return bytes(made) + bytes(4096)


@cache
def taken():
    kernel = HotPath(kernel_config())
    run_through(kernel, b"".join(wavy_tape(OPEN_NS + 60 * 10**9, 400)))
    return kernel.snapshot()


def run_through(kernel, ticks):
    at, code = 0, 1
    while code:
        at, code = kernel.run(ticks, at, 1 << 62)


def other_words(data, dice):
    """The digests in front stay; one to six of the fields behind are numbers at the edges."""
    if dice is None:
        return data
    made = bytearray(taken())
    for _ in range(dice.choice((1, 1, 2, 6))):
        at = 64 + 8 * dice.randrange((len(made) - 64) // 8)
        struct.pack_into("<q", made, at, dice.choice(WORDS))
    return bytes(made)


def go_on_from(data, _folder):
    kernel = HotPath(kernel_config())
    try:
        kernel.restore(data)
    except ValueError:
        assert data != taken(), "a sound snapshot was refused"
        return
    run_through(kernel, b"".join(wavy_tape(OPEN_NS + 200 * 10**9, 200)))
    outputs(kernel)


WORDS = (0, 1, -1, 5, 31, 127, 511, 1_000, 100_000, 1 << 40, (1 << 62) - 1, (1 << 63) - 1, -(1 << 63))
VALUES = (
    None,
    0,
    1,
    -1,
    True,
    "",
    "X",
    "\0",
    0.5,
    float("nan"),
    float("inf"),
    1 << 62,
    -(1 << 63),
    (1 << 64) - 1,
    [],
    {},
    [[]],
    b"",
    b"\0" * 40,
)
_SAMPLE = []


@cache
def config_hash():
    return documents().config_hash


TARGETS = (
    Target("log", small, read_log),
    Target("log_forged", small, read_log, shape=forged),
    Target("replay", whole_run, play, codes=frozenset({2, 3, 4, 6})),
    Target("snapshot", lambda _: [taken()], go_on_from, shape=other_words),
    Target("replay_rewritten", whole_run, play, codes=frozenset({2, 3, 4, 6}), shape=rewritten),
    Target("replay_forged", whole_run, play, codes=frozenset({2, 3, 4, 6}), shape=forged),
)
