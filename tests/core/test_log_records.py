"""PR02: every record type has a tag of its own, a place in the log's union, a class, and survives the codec."""

import enum
import typing

import msgspec
import pytest

from trading_bot.core import apply as apply_module
from trading_bot.domain import effects, events, log_records
from trading_bot.domain.records import FrameClass

RECORDS = typing.get_args(log_records.LogRecord)


def leaves(base):
    """Every concrete struct below a base."""
    found = []
    for child in base.__subclasses__():
        found += leaves(child) if child.__subclasses__() else [child]
    return found


def optional(kinds):
    """A value of the first kind of a union that is not None."""
    kind = next(one for one in kinds if one is not type(None))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind)).value
    return {int: 7, float: 0.5, str: "text"}.get(kind, (3, 4))


def filled(record_type):
    """A record with every field set: defaults would hide a field that the codec loses."""
    samples = {
        int: 7,
        str: "text",
        bool: True,
        float: 0.25,
        bytes: b"\x00\x01",
        dict[str, str]: {"a": "b"},
        tuple[int, ...]: (1, 2),
        tuple[str, ...]: ("text",),
        tuple[int, int]: (3, 4),
        tuple[tuple[int, int], ...]: ((3, 4), (5, 6)),
        tuple[str, ...]: ("a", "b"),
    }
    values = {}
    for field in msgspec.structs.fields(record_type):
        kind = field.type
        if kind in samples:
            values[field.name] = samples[kind]
        elif isinstance(kind, type) and issubclass(kind, enum.Enum):
            values[field.name] = next(iter(kind)).value
        elif typing.get_origin(kind) is tuple and isinstance(typing.get_args(kind)[0], type):
            inner = typing.get_args(kind)[0]
            values[field.name] = (filled(inner),) if issubclass(inner, msgspec.Struct) else (1, 2)
        elif type(None) in typing.get_args(kind):
            values[field.name] = optional(typing.get_args(kind))
        else:
            values[field.name] = filled(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else "BUY"
    return msgspec.convert(msgspec.to_builtins(values), record_type)


def test_the_union_holds_every_event_and_effect():
    assert set(RECORDS) == {*leaves(events.Input), *leaves(events.Derived), *leaves(effects.Effect)}


def test_tags_are_unique_and_upper_case():
    tags = [record.__struct_config__.tag for record in RECORDS]
    assert len(set(tags)) == len(tags)
    assert all(tag == tag.upper() for tag in tags)
    assert "SESSION_EXIT_FLATTEN" in tags, "a tag the user's own commands rely on"


@pytest.mark.parametrize("record_type", RECORDS, ids=lambda kind: kind.__name__)
def test_a_record_survives_the_codec(record_type):
    record = filled(record_type)
    payload = log_records.encode(record)
    assert log_records.decode(payload) == record
    assert log_records.encode(log_records.decode(payload)) == payload, "equal records are equal bytes"
    assert msgspec.msgpack.decode(payload)["kind"] == record_type.__struct_config__.tag


@pytest.mark.parametrize("record_type", RECORDS, ids=lambda kind: kind.__name__)
def test_an_older_log_without_the_fields_with_defaults_still_reads(record_type):
    """New fields are only appended, with defaults: what has no default was there from the first version."""
    required = {field.name for field in msgspec.structs.fields(record_type) if field.required}
    whole = msgspec.msgpack.decode(log_records.encode(filled(record_type)))
    oldest = {name: value for name, value in whole.items() if name in required or name == "kind"}
    assert log_records.decode(msgspec.msgpack.encode(oldest))


def test_every_input_and_the_kernels_outcome_have_a_handler():
    assert set(apply_module._HANDLERS) == {*leaves(events.Input), events.OutcomeReached}


def test_classes_follow_what_replay_does_with_a_record():
    assert log_records.frame_class(filled(events.TimerFired)) is FrameClass.INPUT
    assert log_records.frame_class(filled(events.OutcomeReached)) is FrameClass.DERIVED
    assert log_records.frame_class(filled(effects.Alert)) is FrameClass.EFFECT


def test_an_unknown_kind_is_refused():
    with pytest.raises(msgspec.ValidationError):
        log_records.decode(msgspec.msgpack.encode({"kind": "NOT_A_KIND", "ts_ns": 1}))
