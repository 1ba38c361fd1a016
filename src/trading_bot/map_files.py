"""Reads calibration maps (docs/calibration.md), one map a file, and refuses what cannot be meant."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.adapters.text_documents import read_json_object, read_toml_tables
from trading_bot.config_keys import did_you_mean
from trading_bot.domain.calibration import VOLATILITIES, CalibrationMap
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.kernel import MapKnot
from trading_bot.domain.templates import TemplateConfig

SCHEMA: Final = 1
SUFFIXES: Final = (".toml", ".json")
_FIELDS: Final = CalibrationMap.__struct_fields__
_KNOT_FIELDS: Final = MapKnot.__struct_fields__
_LENGTHS: Final = ("target_ticks", "stop_ticks", "hold_s")


def map_files(path: Path) -> tuple[Path, ...]:
    """The file itself, or the maps of a folder by name.

    Raises:
        ConfigError: nothing there, or a folder without a map.
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise ConfigError(
            f"calibration map {path} not found; decision.maps names a file or a folder of maps, or is left out"
        )
    found = tuple(sorted(entry for entry in path.iterdir() if entry.suffix in SUFFIXES))
    if not found:
        raise ConfigError(
            f"{path}: no calibration map in this folder; expected files ending in {' or '.join(SUFFIXES)}"
        )
    return found


def read_maps(
    files: Iterable[Path], *, templates: Mapping[str, TemplateConfig], instrument: Instrument
) -> dict[str, CalibrationMap]:
    """Maps by template.

    Raises:
        ConfigError: naming file and key: not readable, another schema, an unknown template, another instrument, lengths
            other than the template's, knots that are no map, or two maps of one template.
    """
    found: dict[str, CalibrationMap] = {}
    origins: dict[str, Path] = {}
    for path in files:
        fitted = read_map(path)
        _refuse_foreign(path, fitted, templates, instrument)
        if fitted.template in found:
            raise ConfigError(
                f"{path}: a map of template {fitted.template} (version {fitted.version}), and so is "
                f"{origins[fitted.template]} (version {found[fitted.template].version}); keep one, move the other away"
            )
        found[fitted.template], origins[fitted.template] = fitted, path
    return found


def read_map(path: Path) -> CalibrationMap:
    """One map, checked by itself.

    Raises:
        ConfigError: naming file and key.
    """
    document = _document(path)
    schema = document.pop("schema", None)
    if schema != SCHEMA or isinstance(schema, bool):
        raise ConfigError(f"{path}: schema is {schema!r}; this version reads calibration maps of schema {SCHEMA}")
    _refuse_unknown(str(path), document, _FIELDS)
    for name in VOLATILITIES:
        _refuse_wrong_knots(f"{path}: {name}", document.get(name, []))
    try:
        fitted = msgspec.convert(document, CalibrationMap)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_plain(str(error))}") from error
    try:
        stamp = datetime.fromisoformat(fitted.fitted_at)
    except ValueError as error:
        raise ConfigError(
            f"{path}: fitted_at is {fitted.fitted_at!r}; expected a time such as 2026-11-20T22:00:00Z"
        ) from error
    if stamp.tzinfo is None:
        raise ConfigError(f"{path}: fitted_at is {fitted.fitted_at!r}, a time of no zone; add Z or an offset")
    return fitted


def _document(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.suffix == ".json" else read_toml_tables(path)


def _refuse_wrong_knots(where: str, knots: Any) -> None:
    if not isinstance(knots, list):
        raise ConfigError(f"{where} is {knots!r}; expected a list of knots ({', '.join(_KNOT_FIELDS)})")
    for index, knot in enumerate(knots):
        if not isinstance(knot, Mapping):
            raise ConfigError(f"{where}[{index}] is {knot!r}; expected a table of {', '.join(_KNOT_FIELDS)}")
        _refuse_unknown(f"{where}[{index}]", knot, _KNOT_FIELDS)
        for key in _KNOT_FIELDS:
            value = knot.get(key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{where}[{index}].{key} is {value!r}; expected a number")


def _refuse_unknown(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key}{did_you_mean(key, known)} (known: {', '.join(known)})")


def _refuse_foreign(
    path: Path, fitted: CalibrationMap, templates: Mapping[str, TemplateConfig], instrument: Instrument
) -> None:
    template = templates.get(fitted.template)
    if template is None:
        near = did_you_mean(fitted.template, templates)
        raise ConfigError(
            f"{path}: template {fitted.template} is not in the strategy file{near} (it has {', '.join(templates)}); "
            "move the map away, or pass the strategy file it was fitted on with --strategies"
        )
    if fitted.instrument != instrument.symbol:
        raise ConfigError(
            f"{path}: fitted on {fitted.instrument}, this run trades {instrument.symbol}; a map holds for its own "
            "instrument only: keep maps in one folder per instrument and name the right one in decision.maps"
        )
    for key in _LENGTHS:
        then, now = getattr(fitted, key), getattr(template, key)
        if then != now:
            raise ConfigError(
                f"{path}: fitted at {key} = {then}, template {fitted.template} has {now}; its chances hold for the "
                "lengths of the fit only: fit it anew, or restore the template"
            )


def _plain(message: str) -> str:
    """The words of msgspec with the key in front."""
    text, _, at = message.partition(" - at `$")
    key = at.rstrip("`").lstrip(".")
    return f"{key}: {text[0].lower()}{text[1:]}" if key else f"{text[0].lower()}{text[1:]}"
