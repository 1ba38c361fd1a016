"""What a stranger can fill has an end (docs/security.md), and what is shown cannot act on a terminal."""

import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fastpath.frames import Line
from trading_bot.adapters.context_lines import LINE_BYTES_MAX, LineSplitter
from trading_bot.adapters.files import byte_streams
from trading_bot.adapters.ibkr.broker_rows import lots
from trading_bot.adapters.ibkr.questions import _margin_uusd
from trading_bot.adapters.text_documents import BYTES_MAX, NAME_PARTS_MAX, read_json_object, read_toml_tables
from trading_bot.cli_output import MESSAGE_CHARS_MAX, printable, write_error
from trading_bot.core.log_reader import MessageFrame
from trading_bot.core.unplayable import Unplayable
from trading_bot.domain import events, log_records
from trading_bot.domain.errors import ConfigError, CoreBug, DataCorrupt, LogCorrupt, ReplayDiverged
from trading_bot.domain.inflated import inflated
from trading_bot.domain.units import is_whole


def read(tmp_path, text, name="x.toml"):
    path = tmp_path / name
    path.write_bytes(text)
    return (read_json_object if name.endswith("json") else read_toml_tables)(path)


class TestDocuments:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"# " + b"x" * BYTES_MAX, "more than 4 MiB"),
            (b"a." * NAME_PARTS_MAX + b"a = 1", "more than 32 parts"),
            (b'"a b" . ' * NAME_PARTS_MAX + b"a = 1", "more than 32 parts"),
            (b"[" + b"a." * NAME_PARTS_MAX + b"a]", "more than 32 parts"),
            (b"a = " + b"[" * 50_000, "nested too deeply"),
            (b"a = " + b"9" * 5_000, "5000 digits"),
            (b"a = '\xff'", "byte 5"),
        ],
    )
    def test_a_document_without_measure_is_refused(self, tmp_path, text, said):
        with pytest.raises(ConfigError, match=said):
            read(tmp_path, text)

    def test_long_lists_and_texts_with_points_are_taken(self, tmp_path):
        floats = ", ".join(["1.5"] * 5_000)
        assert len(read(tmp_path, f"a = [{floats}]\nb = 'one. two. three...'\n".encode())["a"]) == 5_000
        assert read(tmp_path, b".".join([b"a"] * NAME_PARTS_MAX) + b" = 1")

    @pytest.mark.parametrize(
        ("text", "said"),
        [(b"[" * 50_000, "nested"), (b'{"a": ' + b"9" * 5_000 + b"}", "digits"), (b"[]", "holds list")],
    )
    def test_json_too(self, tmp_path, text, said):
        with pytest.raises(ConfigError, match=said):
            read(tmp_path, text, "x.json")

    def test_a_device_without_end_is_read_to_the_bound(self):
        with pytest.raises(ConfigError, match="more than 4 MiB"):
            read_toml_tables(Path("/dev/zero"))


class TestStreams:
    def test_a_file_without_line_ends_is_no_text(self):
        def endless():
            while True:
                yield b"x" * 65_536

        with pytest.raises(DataCorrupt, match="no text"):
            next(byte_streams.lines(endless()))

    def test_compressed_parts_grow_to_the_bound(self):
        assert inflated(zlib.compress(b"x" * 1_000), 1_000) == b"x" * 1_000
        with pytest.raises(ValueError, match="more than 999 bytes"):
            inflated(zlib.compress(b"x" * 1_000), 999)
        with pytest.raises(ValueError, match="ends early"):
            inflated(zlib.compress(b"x" * 1_000)[:-5])
        with pytest.raises(ValueError, match="damaged"):
            inflated(b"nothing")

    def test_a_context_line_without_end_is_not_kept(self):
        splitter = LineSplitter()
        for _ in range(100):
            assert not list(splitter.feed(b"x" * 16_384))
            assert len(splitter._rest) <= LINE_BYTES_MAX
        assert [line.text for line in splitter.feed(b"\nnext\n")] == [None, b"next"]

    def test_a_frame_of_the_broker_has_16_mib_at_most(self):
        line = Line(fast=True)
        line.hear((1 << 24).to_bytes(4, "big") + b"x" * 100)
        assert [type(error) for error in line.session.failed] == [DataCorrupt]


class TestShown:
    def test_what_a_terminal_would_carry_out_is_spelt(self):
        assert printable("\x1b[2Ja\x7f\u202eb\udcff\tc\nd") == "\\x1b[2Ja\\x7f\\u202eb\\udcff\tc\nd"
        assert printable("Zürich €") == "Zürich €"

    @pytest.mark.parametrize("as_json", [True, False])
    def test_an_error_has_an_end(self, as_json, capfdbinary):
        write_error("UsageError", "x" * 100_000, 2, as_json=as_json)
        out, err = capfdbinary.readouterr()
        assert len(out + err) < MESSAGE_CHARS_MAX + 200

    @pytest.mark.parametrize(
        ("text", "whole"), [("12", True), ("²", False), ("٣", False), ("", False), ("1" * 19, False)]
    )
    def test_digits_are_those_that_int_reads(self, text, whole):
        assert is_whole(text) is whole


class TestWhatTheBrokerSays:
    @pytest.mark.parametrize("found", [float("nan"), float("inf"), -float("inf"), 1.7976931348623157e308, 2e9])
    def test_a_number_of_contracts_that_is_none_is_not_guessed(self, found):
        with pytest.raises(DataCorrupt, match="the position is"):
            lots(found, "the position")

    def test_whole_contracts_are_taken(self):
        assert [lots(found, "x") for found in (0.0, -3.0, 2.9, 1e9)] == [0, -3, 2, 1_000_000_000]

    @pytest.mark.parametrize("text", ["", "nonsense", "nan", "inf", "1.7976931348623157E308", "-5"])
    def test_a_margin_that_is_none_is_not_known(self, text):
        assert _margin_uusd(SimpleNamespace(initMarginChange=text, initMarginAfter=text)) == 0

    def test_a_margin_is_micro_dollars(self):
        assert (
            _margin_uusd(SimpleNamespace(initMarginChange="1.7976931348623157E308", initMarginAfter="2436.5"))
            == 2_436_500_000
        )


class TestRecordsThatCannotBeApplied:
    def frame(self, seq, record=None):
        payload = log_records.encode(record) if record is not None else b"\xc1"
        return MessageFrame(seq, 1, 1_000, 0, 0, memoryview(payload))

    def failing(self, error):
        def apply(_frame):
            raise error

        return apply

    @pytest.mark.parametrize("error", [ValueError("x"), OverflowError("x"), CoreBug("an order cannot")])
    def test_the_log_says_the_core_failed_on_it_or_it_is_damage(self, error):
        told = events.CoreFailed(ts_ns=1_000, failed_seq=7, error="x")
        unplayable = Unplayable()
        assert unplayable.take(self.frame(7), self.failing(error)) is None
        assert unplayable.take(self.frame(8, told), self.failing(error)) == told
        unplayable.refuse()
        for follower in (None, of_record(told, 6)):
            unplayable = Unplayable()
            unplayable.take(self.frame(7), self.failing(error))
            with pytest.raises(LogCorrupt, match="record 7 cannot be applied") as caught:
                unplayable.take(self.frame(8, follower), self.failing(error))
            assert (caught.value.seq, caught.value.exit_code) == (7, 6)
        unplayable = Unplayable()
        unplayable.take(self.frame(7), self.failing(error))
        with pytest.raises(LogCorrupt):
            unplayable.refuse()

    def test_what_replay_says_itself_is_said(self):
        with pytest.raises(ReplayDiverged):
            Unplayable().take(self.frame(7), self.failing(ReplayDiverged(7, "differs")))


def of_record(record, seq):
    return events.CoreFailed(ts_ns=record.ts_ns, failed_seq=seq, error=record.error)
