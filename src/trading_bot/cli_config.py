"""`trading-bot config show|explain|check`: every value, where it came from, its unit and bounds."""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.domain.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Show, explain or check the configuration.")

TEMPLATE: Final = "template."
SIGNAL: Final = "signal."

Profile = options.Profile
Strategies = options.Strategies


@app.command()
def show(
    ctx: typer.Context,
    *,
    profile: Profile = None,
    strategies: Strategies = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print every value with its origin, unit and bounds. A star marks an assumption."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    loaded = _load(asked, profile, strategies)
    if asked.as_json:
        write_json(
            {
                "config_hash": loaded.config_hash,
                "files": _files(loaded),
                "keys": {key: _described(loaded, key) for key in loaded.origins},
                "templates": {name: _template_described(loaded, name) for name in loaded.templates},
            }
        )
        return
    rows = [_described(loaded, key) for key in loaded.origins]
    write_table(
        "Configuration",
        ("key", "value", "unit", "bounds", "from"),
        [
            (
                row["key"],
                f"{_plain(row['value'])}{' *' if row['assumed'] else ''}",
                "" if row["unit"] == "1" else row["unit"],
                row["bounds"],
                row["origin"],
            )
            for row in rows
        ],
    )
    _show_templates(loaded)
    write_pairs("* assumed", [(row["key"], row["assumed"]) for row in rows if row["assumed"]])
    write_pairs("Files", [(name, path or "none") for name, path in _files(loaded).items()])


@app.command()
def explain(
    ctx: typer.Context,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Such as safety.spread_ticks_max, template.K1, signal.dvs.")
    ],
    *,
    profile: Profile = None,
    strategies: Strategies = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Explain one key: meaning, unit, bounds, and every layer that set it. Also template.NAME and signal.NAME."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    if key.startswith(SIGNAL):
        answer = _signal_described(key.removeprefix(SIGNAL))
    else:
        loaded = _load(asked, profile, strategies)
        if key.startswith(TEMPLATE):
            answer = _template_described(loaded, key.removeprefix(TEMPLATE))
        else:
            from trading_bot.config_keys import KEYS, unknown_key

            if key not in KEYS:
                raise unknown_key("config explain", key)
            answer = _explained(loaded, key)
    if asked.as_json:
        write_json(answer)
        return
    write_pairs(key, [(name, _plain(value)) for name, value in answer.items() if value not in (None, "", [], {})])


def _check_faults(path: Path, faults: tuple[str, ...]) -> None:
    """Only the simulated market reads these texts, so that a slip in one would be found when a run starts.

    Raises:
        ConfigError: one is no fault.
    """
    if not faults:
        return
    from trading_bot.market_sources import parse_fault

    for text in faults:
        try:
            parse_fault(text)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration or strategy file.")],
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a configuration or strategy file and say what it changes. Exit 2 names what is wrong."""
    from trading_bot.config_files import find_file, read_toml

    asked = common(ctx, data_dir, config, as_json=as_json)
    path = find_file(file, "file", here=True)
    if "template" in read_toml(path):
        loaded = _load(asked, None, path.absolute())
        if asked.as_json:
            terms = {name: _template_described(loaded, name) for name in loaded.templates}
            write_json({"ok": True, "file": str(path), "kind": "strategies", "templates": terms})
            return
        _show_templates(loaded)
    else:
        loaded = _load(Common(data_dir=asked.data_dir, config=path, as_json=asked.as_json), None, None)
        _check_faults(path, loaded.config.simulator.faults)
        rows = [_described(loaded, key) for key, origin in loaded.origins.items() if origin == f"file {path}"]
        if asked.as_json:
            write_json({"ok": True, "file": str(path), "kind": "configuration", "sets": rows})
            return
        write_table(
            f"{path} sets",
            ("key", "value", "unit", "bounds", "assumed because"),
            [(row["key"], _plain(row["value"]), row["unit"], row["bounds"], row["assumed"]) for row in rows],
        )
    typer.echo(f"{path}: ok")


def _load(asked: Common, profile: str | None, strategies: Path | None) -> Any:
    from trading_bot.config_files import load_config, process_environment

    return load_config(asked.config, profile=profile, strategies=strategies, environment=process_environment())


def _files(loaded: Any) -> dict[str, str | None]:
    return {
        "config": None if loaded.config_path is None else str(loaded.config_path),
        "profile": str(loaded.profile_path),
        "strategies": str(loaded.strategies_path),
        "maps": None if loaded.maps_path is None else str(loaded.maps_path),
    }


def _described(loaded: Any, key: str) -> dict[str, Any]:
    from trading_bot.config_keys import KEYS
    from trading_bot.domain.simulator_config import in_force

    spec, value, origin = KEYS[key], loaded.history[key][-1].value, loaded.origins[key]
    assumed = loaded.config.assumed.get(key, "")
    simulator = loaded.config.simulator
    table, _, name = key.rpartition(".")
    if table == "simulator" and name in (brought := in_force(simulator)):
        value, origin, assumed = brought[name], f"preset {simulator.preset}", "docs/simulator.md, section 10"
    return {
        "key": key,
        "value": value,
        "origin": origin,
        "unit": spec.unit,
        "bounds": spec.bounds,
        "low": spec.low,
        "high": spec.high,
        "choices": list(spec.choices),
        "fixed_by_user": spec.fixed_by_user,
        "assumed": assumed,
    }


def _explained(loaded: Any, key: str) -> dict[str, Any]:
    from trading_bot.config_keys import KEYS

    spec = KEYS[key]
    return {
        **_described(loaded, key),
        "meaning": spec.meaning,
        "default": spec.default,
        "environment": spec.environment_name,
        "layers": [f"{setting.origin}: {_plain(setting.value)}" for setting in loaded.history[key]],
    }


def _template_described(loaded: Any, name: str) -> dict[str, Any]:
    """A template with what it must achieve in each capital tier that may trade it."""
    from trading_bot.config_keys import did_you_mean
    from trading_bot.domain.instruments import instrument_by_symbol
    from trading_bot.strategy_files import template_terms, tiers_of

    template = loaded.templates.get(name)
    if template is None:
        near = did_you_mean(name, loaded.templates)
        raise ConfigError(f"{loaded.strategies_path}: no template {name}{near} (it has {', '.join(loaded.templates)})")
    instrument = instrument_by_symbol(loaded.config.run.instrument)
    tiers = {
        tier_name: template_terms(template, instrument, loaded.config, min_euc_ticks=tier.min_euc_ticks)
        for tier_name, tier in tiers_of(name, template, loaded.config).items()
    }
    described: dict[str, Any] = msgspec.to_builtins(template)
    # None says that [exits] decides: only what the template does differently is told.
    described["exits"] = {key: value for key, value in described["exits"].items() if value not in (None, {})}
    return {**described, "instrument": instrument.symbol, "tiers": msgspec.to_builtins(tiers)}


def _signal_described(name: str) -> dict[str, Any]:
    from trading_bot.config_keys import did_you_mean
    from trading_bot.domain.signal_registry import SIGNAL_BY_NAME

    spec = SIGNAL_BY_NAME.get(name)
    if spec is None:
        raise ConfigError(f"no signal {name}{did_you_mean(name, SIGNAL_BY_NAME)} (known: {', '.join(SIGNAL_BY_NAME)})")
    described: dict[str, Any] = msgspec.to_builtins(spec)
    return described


def _show_templates(loaded: Any) -> None:
    rows, exits = [], []
    for name in loaded.templates:
        values = _template_described(loaded, name)
        exits += [(f"{name} {key}", _plain(value)) for key, value in values["exits"].items()]
        for tier, terms in values["tiers"].items() or {"": None}.items():
            length = f"{values['target_ticks']}/{values['stop_ticks']}"
            head = (name, values["title"], "on" if values["on"] else "off", length, values["hold_s"], tier)
            if terms is None:
                rows.append((*head, "", "", "", "", values["belief_enter"]))
                continue
            gap = terms["break_even_p"] - terms["random_walk_p"]
            rates = [f"{terms['break_even_p']:.1%}", f"{terms['random_walk_p']:.1%}", f"{gap:+.1%}"]
            rows.append((*head, *rates, f"{terms['needed_belief']:.2f}", values["belief_enter"]))
    write_table(
        f"Templates on {loaded.config.run.instrument} (every weight, trigger and gain is assumed)",
        ("name", "set-up", "", "T/S", "hold s", "tier", "break-even", "chance", "gap", "pays from belief", "enters at"),
        rows,
    )
    if exits:
        write_pairs("Exits that differ from [exits]", exits)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(_plain(entry) for entry in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(entry)}" for name, entry in value.items())
    return f"{value:.10g}" if isinstance(value, float) else str(value)
