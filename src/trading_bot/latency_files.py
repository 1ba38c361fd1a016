"""Reads and writes latency models (docs/latency-model.md) as JSON, and refuses what cannot be drawn from."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from trading_bot.adapters.text_documents import read_json_object
from trading_bot.config_keys import did_you_mean
from trading_bot.domain.errors import ConfigError, UsageError
from trading_bot.domain.latency_model import LatencyModel

SCHEMA: Final = 1
KIND: Final = "latency-model"
_FIELDS: Final = LatencyModel.__struct_fields__


def read_latency_model(path: Path, markets: Collection[str] = ()) -> LatencyModel:
    """The model of a file. `markets` are the symbols it may have been fitted on; empty: any.

    Raises:
        ConfigError: naming file and key: not readable, not JSON, another schema, an unknown key, tables that cannot be
            drawn from, another market.
    """
    document = _document(path)
    kind, schema = document.pop("kind", None), document.pop("schema", None)
    if kind != KIND or schema != SCHEMA or isinstance(schema, bool):
        raise ConfigError(
            f"{path}: kind is {kind!r} and schema {schema!r}; this version reads kind {KIND!r} of schema {SCHEMA}, as "
            "`trading-bot latency fit` writes it"
        )
    for key in document:
        if key not in _FIELDS:
            near = did_you_mean(key, _FIELDS)
            raise ConfigError(f"{path}: unknown key {key}{near} (known: {', '.join(_FIELDS)})")
    try:
        model = msgspec.convert(document, LatencyModel)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at `$")
        key = at.rstrip("`").lstrip(".")
        raise ConfigError(f"{path}: {f'{key}: ' if key else ''}{text}") from error
    if markets and model.instrument not in markets:
        raise ConfigError(
            f"{path}: fitted on the ticks of {model.instrument}, this run sees {' or '.join(dict.fromkeys(markets))}; "
            "a burst of one market is none of another: fit a model on logs of this one"
        )
    return model


def write_latency_model(path: Path, model: LatencyModel) -> None:
    """Write a model, whole or not at all.

    Raises:
        UsageError: the file cannot be written there.
    """
    document = {"kind": KIND, "schema": SCHEMA, **msgspec.to_builtins(model)}
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        beside.replace(path)
    except OSError as error:
        raise UsageError(
            f"--out {path}: cannot be written: {error.strerror}; name a file in a folder that is"
        ) from error


def _document(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; simulator.latency_model names a file of `trading-bot latency fit`, or is left out"
        ) from error
