"""`domain/records.py` and `_fast/records.pxd` are one layout written twice; here the second is read and compared."""

import re
import struct

import pytest

from tests.architecture.sources import PACKAGE
from trading_bot.domain import records

PXD = (PACKAGE / "_fast" / "records.pxd").read_text()

# Natural alignment on every platform we build for: a C type is aligned to its size.
FORMATS = {
    "uint8_t": "B",
    "uint16_t": "H",
    "uint32_t": "I",
    "uint64_t": "Q",
    "int32_t": "i",
    "int64_t": "q",
    "double": "d",
}


def block(kind: str, name: str) -> list[str]:
    """The member lines of `cdef enum Name:` or `cdef struct Name:`, without comments."""
    lines = PXD.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"cdef {kind} {name}:"))
    members = []
    for line in lines[start + 1 :]:
        code = line.split("#")[0].strip()
        if not line.startswith(" "):
            break
        if code:
            members.append(code)
    return members


def enum_of(name: str) -> dict[str, int]:
    return {key.strip(): int(value) for key, value in (member.split("=") for member in block("enum", name))}


def fields_of(name: str) -> list[tuple[str, str]]:
    return [(kind, field) for kind, field in (member.split() for member in block("struct", name))]


@pytest.mark.parametrize(
    ("name", "prefix", "python", "only_in_c"),
    [
        ("FrameKind", "KIND_", records.FrameKind, {"NONE"}),  # zero: nothing has been written here yet
        ("FrameClass", "CLASS_", records.FrameClass, set()),
        ("Aggressor", "AGGRESSOR_", records.Aggressor, set()),
        ("TickFlag", "FLAG_", records.TickFlag, set()),
    ],
)
def test_enums_have_the_same_numbers(name, prefix, python, only_in_c):
    in_c = {key.removeprefix(prefix): value for key, value in enum_of(name).items()}
    assert {key: value for key, value in in_c.items() if key not in only_in_c} == {
        member.name: member.value for member in python
    }
    assert only_in_c <= set(in_c)


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("FrameHeader", records.FRAME_HEADER),
        ("TickRecord", records.TICK_RECORD),
        ("RejectedRecord", records.REJECTED_RECORD),
        ("MessageHeader", records.MESSAGE_HEADER),
    ],
)
def test_structs_have_the_same_fields_in_the_same_places(name, python):
    letters = "".join(FORMATS[kind] for kind, _ in fields_of(name))
    assert "<" + letters == python.format
    # "@" places fields as the C compiler does: equal sizes mean that it inserts no padding of its own.
    assert struct.calcsize("@" + letters) == python.size
    for count in range(1, len(letters)):
        assert struct.calcsize("@" + letters[:count]) == struct.calcsize("<" + letters[:count])


@pytest.mark.parametrize("name", ["TickRecord", "RejectedRecord", "MessageHeader"])
def test_every_frame_begins_with_the_header(name):
    header = fields_of("FrameHeader")
    assert fields_of(name)[: len(header)] == header


def test_no_struct_of_the_pxd_is_left_uncompared():
    assert set(re.findall(r"^cdef struct (\w+):", PXD, flags=re.MULTILINE)) == {
        "FrameHeader",
        "TickRecord",
        "RejectedRecord",
        "MessageHeader",
    }
