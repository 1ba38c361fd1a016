"""Reads the configuration: defaults < profile < --config file < environment < command line, each value with its origin.

What is not known is refused: an unknown key, a value out of bounds, a broken relation, a missing file (exit 2).
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.adapters.text_documents import read_toml_tables
from trading_bot.config_keys import (
    ASSUMED_DEFAULTS,
    ENV_PREFIX,
    KEYS,
    checked,
    did_you_mean,
    flatten,
    spec_of,
    unflatten,
    unknown_key,
)
from trading_bot.domain.calibration import CalibrationMap
from trading_bot.domain.config import BotConfig, config_hash
from trading_bot.domain.errors import ConfigError, UsageError
from trading_bot.domain.instruments import Instrument, instrument_by_symbol
from trading_bot.domain.latency_model import LatencyModel
from trading_bot.domain.rule_pack import RulePack
from trading_bot.domain.scheduled import EventCalendar
from trading_bot.domain.templates import TemplateConfig, VetoConfig
from trading_bot.event_files import read_events
from trading_bot.latency_files import read_latency_model
from trading_bot.map_files import map_files, read_maps
from trading_bot.rule_files import read_rules
from trading_bot.strategy_files import read_strategies, read_vetoes

SCHEMA: Final = 1  # of configuration and strategy files; a file of a newer version is refused
DEFAULT: Final = "default"
COMMAND_LINE: Final = "command line"
_ROOT: Final = Path(__file__).resolve().parents[2]
_MESSAGE_PATH: Final = re.compile(r" - at `[^`]*`$")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A value and the layer that set it."""

    value: Any
    origin: str


class LoadedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration with the origin of each value.

    `origins` holds for each dotted key `default`, `profile NAME`, `file PATH`, `environment VARIABLE` or
    `command line`; `history` every layer that set the key, the one that won last.
    """

    config: BotConfig
    templates: dict[str, TemplateConfig]
    vetoes: dict[str, VetoConfig]
    events: EventCalendar
    origins: dict[str, str]
    history: dict[str, tuple[Setting, ...]]
    config_path: Path | None
    profile_path: Path
    strategies_path: Path
    maps: dict[str, CalibrationMap] = {}
    maps_path: Path | None = None
    latency: LatencyModel | None = None
    rules: RulePack | None = None
    rules_path: Path | None = None

    @property
    def config_hash(self) -> str:
        """Name of all a decision depends on, as logs carry it."""
        return config_hash(
            self.config,
            self.templates,
            self.maps,
            vetoes=self.vetoes,
            events=self.events,
            latency=self.latency,
            rules=self.rules,
        )


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `trading-bot` (run) was asked for; `wiring.run` builds the run from it.

    `inputs` are files or folders, `history` what came before them, `date` (YYYY-MM-DD) chooses a day of a folder,
    `columns` declares the columns of CSV files. `speed` None is as fast as it goes. `duration_s` is market time for
    sim and files, wall time for ibkr. `progress` is called with (done, total) in bytes or records, and only when
    somebody is looking. `decides` False: the feed is recorded, no strategy runs. `exclude_flagged`: of a log as input,
    the minutes that are not to be trusted are withheld.
    """

    loaded: LoadedConfig
    data_dir: Path
    run_id: str
    inputs: tuple[Path, ...] = ()
    history: tuple[Path, ...] = ()
    date: str | None = None
    columns: Path | None = None
    duration_s: float | None = None
    seed: int | None = None
    start: str | None = None
    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 1
    account: str | None = None
    arm: bool = False
    clock: str = "system"
    speed: float | None = None
    progress: Callable[[int, int], None] | None = None
    decides: bool = True
    exclude_flagged: bool = False


class _Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One source of values; `assumed` are its reasons, `where` names it in messages."""

    origin: str
    where: str
    values: dict[str, Any]
    assumed: dict[str, str]


def config_folders() -> tuple[Path, ...]:
    """Where shipped files are looked for: `configs/` of the working directory, then of the repository."""
    return Path.cwd() / "configs", _ROOT / "configs"


def load_config(
    config: Path | None = None,
    *,
    profile: str | None = None,
    strategies: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """Read all layers and check the result.

    Args:
        config: configuration file, or the bare name of a shipped one.
        profile: profile name; stands above environment and file, like every command line value.
        strategies: strategy file; None takes `run.strategies`.
        environment: variables `TRADING_BOT__SECTION__KEY`; others are ignored. None reads nothing.
        overrides: dotted keys given on the command line, texts or values.

    Raises:
        ConfigError: naming file or variable, key, what was found and what was expected.
    """
    given = dict(overrides or {})
    if profile is not None:
        given["run.profile"] = profile
    if strategies is not None:
        given["run.strategies"] = str(strategies)
    config_path = None if config is None else find_file(config, "configuration file", here=True)
    file_layer = [] if config_path is None else [_file_layer(config_path, f"file {config_path}")]
    upper = [*file_layer, *_environment_layers(environment or {}), _command_line_layer(given)]
    profile_name = KEYS["run.profile"].default
    for layer in upper:
        profile_name = layer.values.get("run.profile", profile_name)
    profile_path = find_file(Path("profiles") / f"{profile_name}.toml", "profile", here=False)
    profile_layer = _file_layer(profile_path, f"profile {profile_name}")
    if "run.profile" in profile_layer.values:
        raise ConfigError(f"{profile_path}: run.profile cannot be set by a profile; choose it with --profile")
    history, assumed = _merge([profile_layer, *upper])
    built = _build({key: settings[-1] for key, settings in history.items()}, assumed)
    strategies_path = _strategies_path(built, history["run.strategies"][-1].origin, config_path)
    instrument = _instrument(built.run.instrument, history["run.instrument"][-1].origin)
    strategy_tables = read_toml(strategies_path)
    templates = read_strategies(strategies_path, strategy_tables, instrument=instrument, config=built)
    events_path = _events_path(built, config_path)
    maps_path = _named_path(built.decision.maps, config_path)
    latency_path = _named_path(built.simulator.latency_model, config_path)
    rules_path = _rules_path(built, history["rules.file"][-1].origin, config_path)
    maps = {}
    if maps_path is not None:
        maps = read_maps(map_files(maps_path), templates=templates, instrument=instrument)
    return LoadedConfig(
        config=built,
        templates=templates,
        vetoes=read_vetoes(strategies_path, strategy_tables, templates),
        events=read_events(str(events_path), read_toml(events_path)),
        origins={key: settings[-1].origin for key, settings in history.items()},
        history=history,
        config_path=config_path,
        profile_path=profile_path,
        strategies_path=strategies_path,
        maps=maps,
        maps_path=maps_path,
        latency=None if latency_path is None else read_latency_model(latency_path, _markets(built)),
        rules=None if rules_path is None else read_rules(str(rules_path), read_toml(rules_path)),
        rules_path=rules_path,
    )


def _markets(config: BotConfig) -> tuple[str, ...]:
    """Whose ticks the run may see: the traded instrument's, or those its signals come from."""
    return tuple(symbol for symbol in (config.run.instrument, config.ibkr.signal_instrument) if symbol)


def find_file(name: Path, what: str, *, here: bool, beside: tuple[Path, ...] = ()) -> Path:
    """The file itself, or the shipped one of that name; `.toml` may be left out.

    Args:
        name: absolute, or tried beside the configuration file, from the working directory, in `config_folders`.
        what: kind of file, for the message.
        here: try the working directory. A bare name that a person did not type must not pick up a file lying around.
        beside: folders tried first.

    Raises:
        ConfigError: nowhere; names the places tried and the nearest file there.
    """
    if not name.name:
        raise ConfigError(f"{what} {name} names no file; give it the name of one")
    folders = () if name.is_absolute() else (*beside, *((Path(),) if here else ()), *config_folders())
    named = name if name.suffix == ".toml" else name.with_name(f"{name.name}.toml")
    tried = [name] if name.is_absolute() else [folder / one for folder in folders for one in (name, named)]
    for path in tried:
        try:
            if path.is_file():
                return path
        except OSError as error:  # such as a name that is too long, or a folder that may not be looked into
            raise ConfigError(f"{what} {name} cannot be looked for: {error.strerror}; give another name") from error
    present = [entry.name for path in tried if path.parent.is_dir() for entry in path.parent.glob("*.toml")]
    places = ", ".join(dict.fromkeys(str(path) for path in tried))
    raise ConfigError(f"{what} {name} not found; tried {places}{did_you_mean(named.name, present, cutoff=0.7)}")


def _instrument(symbol: str, origin: str) -> Instrument:
    try:
        return instrument_by_symbol(symbol)
    except UsageError as error:
        raise ConfigError(f"run.instrument ({origin}): {error}") from error


def _strategies_path(config: BotConfig, origin: str, config_path: Path | None) -> Path:
    name = Path(config.run.strategies)
    if origin == COMMAND_LINE or config_path is None:
        return find_file(name, "strategy file", here=origin != DEFAULT)
    return find_file(name, "strategy file", here=len(name.parts) > 1, beside=(config_path.parent,))


def _named_path(name: str, config_path: Path | None) -> Path | None:
    """Beside the configuration file when something of that name is there, else from the working directory."""
    if not name:
        return None
    beside = Path(name) if config_path is None else config_path.parent / name
    return beside if os.path.lexists(beside) else Path(name)


def _events_path(config: BotConfig, config_path: Path | None) -> Path:
    """Beside the configuration file, or in `data/events/` of the working directory, then of the repository."""
    beside = () if config_path is None else (config_path.parent,)
    folders = (*beside, Path.cwd() / "data" / "events", _ROOT / "data" / "events")
    return find_file(Path(config.events.file), "event file (events.file)", here=False, beside=folders)


def _rules_path(config: BotConfig, origin: str, config_path: Path | None) -> Path | None:
    """As typed, beside the configuration file that names it, or the shipped pack of that name."""
    if not config.rules.file:
        return None
    beside = () if config_path is None or origin == COMMAND_LINE else (config_path.parent,)
    shipped = tuple(folder / "rule_packs" for folder in config_folders())
    return find_file(Path(config.rules.file), "rule pack (rules.file)", here=True, beside=(*beside, *shipped))


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file of this schema, without its `schema` key.

    Raises:
        ConfigError: not readable, not TOML (with line and column), or of another schema.
    """
    document = read_toml_tables(path)
    schema = document.pop("schema", SCHEMA)
    if schema != SCHEMA or isinstance(schema, bool):
        raise ConfigError(f"{path}: schema is {schema!r}; this version reads schema {SCHEMA}")
    return document


def _file_layer(path: Path, origin: str) -> _Layer:
    where = str(path)
    document = read_toml(path)
    if "template" in document:
        raise ConfigError(f"{where}: this is a strategy file; pass it with --strategies, not as configuration")
    assumed = dict(_reasons(where, document.pop("assumed", {})))
    return _Layer(origin=origin, where=where, values=_checked_values(where, document), assumed=assumed)


def _reasons(where: str, table: Any) -> Iterator[tuple[str, str]]:
    """`[assumed]`: dotted key → reason, quoted (`"session.kind" = …`) or not (`session.kind = …`)."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: assumed is {table!r}; expected a table [assumed] of keys and reasons")
    for key, reason in flatten(table):
        if key not in KEYS:
            raise unknown_key(f"{where}: [assumed]", key)
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError(f"{where}: [assumed] {key} is {reason!r}; expected the reason as text")
        yield key, reason


def _checked_values(where: str, document: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for key, value in flatten(document):
        spec = spec_of(where, key, value)
        if spec is not None:
            values[key] = checked(where, spec, value, from_text=False)
    return values


def _environment_layers(environment: Mapping[str, str]) -> Iterator[_Layer]:
    """One layer per variable, so that each value names the variable it came from."""
    by_name = {spec.environment_name: spec for spec in KEYS.values()}
    for name in sorted(environment):
        if not name.upper().startswith(ENV_PREFIX):
            continue
        spec = by_name.get(name.upper())
        if spec is None:
            near = did_you_mean(name.upper(), by_name)
            raise ConfigError(f"environment variable {name} sets no known key{near}")
        where = f"environment {name}"
        value = checked(where, spec, environment[name], from_text=True)
        yield _Layer(origin=where, where=where, values={spec.key: value}, assumed={})


def _command_line_layer(overrides: Mapping[str, Any]) -> _Layer:
    values = {}
    for key, value in overrides.items():
        spec = spec_of(COMMAND_LINE, key, value)
        if spec is not None:
            values[key] = checked(COMMAND_LINE, spec, value, from_text=isinstance(value, str))
    return _Layer(origin=COMMAND_LINE, where=COMMAND_LINE, values=values, assumed={})


def _merge(layers: list[_Layer]) -> tuple[dict[str, tuple[Setting, ...]], dict[str, str]]:
    history: dict[str, tuple[Setting, ...]] = {
        key: (Setting(value=spec.default, origin=DEFAULT),) for key, spec in KEYS.items()
    }
    assumed = dict(ASSUMED_DEFAULTS)
    for layer in layers:
        for key, value in layer.values.items():
            # A reason belongs to the number it was written for: another number comes with its own reason or none.
            if value != history[key][-1].value:
                assumed.pop(key, None)
            history[key] = (*history[key], Setting(value=value, origin=layer.origin))
        assumed.update(layer.assumed)
    return history, {key: assumed[key] for key in KEYS if key in assumed}


def _build(settings: Mapping[str, Setting], assumed: dict[str, str]) -> BotConfig:
    tree = unflatten({key: setting.value for key, setting in settings.items()})
    try:
        return msgspec.convert({**tree, "assumed": assumed}, BotConfig)
    except msgspec.ValidationError as error:
        text = _MESSAGE_PATH.sub("", str(error))
        # Each value was legal alone, so a relation between several is broken: say where each of them comes from.
        named = [key for key in KEYS if re.search(rf"(?<![\w.]){re.escape(key)}(?!\w)", text)]
        origins = "; ".join(f"{key} comes from {settings[key].origin}" for key in named)
        raise ConfigError(f"{text} ({origins})" if origins else text) from error


def process_environment() -> Mapping[str, str]:
    """The variables of this process; the only place where the configuration reads them."""
    return os.environ
