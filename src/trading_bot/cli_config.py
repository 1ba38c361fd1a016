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
    document = read_toml(path)
    named = document.get("template")
    if isinstance(named, str):
        _check_map(asked, path)
        if asked.as_json:
            return
    elif "covers_from" in document:
        _check_events(asked, path, document)
        if asked.as_json:
            return
    elif named is not None:
        loaded = _load(asked, None, path.absolute())
        reported = _reported(asked, loaded)
        if asked.as_json:
            terms = {name: _template_described(loaded, name, reported) for name in loaded.templates}
            write_json({"ok": True, "file": str(path), "kind": "strategies", "templates": terms})
            return
        _show_templates(loaded, reported)
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


def _check_map(asked: Common, path: Path) -> None:
    """A calibration map against the configured strategy file and instrument."""
    from trading_bot.domain.instruments import instrument_by_symbol
    from trading_bot.map_files import read_maps

    loaded = _load(asked, None, None)
    instrument = instrument_by_symbol(loaded.config.run.instrument)
    ((name, fitted),) = read_maps((path,), templates=loaded.templates, instrument=instrument).items()
    answer = {"template": name, **_map_described(fitted)}
    if asked.as_json:
        write_json({"ok": True, "file": str(path), "kind": "calibration map", **answer})
        return
    write_pairs(f"Calibration of {name}", [(key, _plain(value)) for key, value in answer.items()])


def _check_events(asked: Common, path: Path, document: dict[str, Any]) -> None:
    """A file of scheduled events, alone."""
    from trading_bot.domain.units import iso_from_ns
    from trading_bot.event_files import read_events

    calendar = read_events(str(path), document)
    rows = [
        (iso_from_ns(row.ts_ns), row.name, row.kind.value, row.tier, "unverified" if row.unverified else "")
        for row in calendar.events
    ]
    if asked.as_json:
        described = msgspec.to_builtins(calendar)
        write_json({"ok": True, "file": str(path), "kind": "scheduled events", **described})
        return
    covered = f"{calendar.covers_from} to {calendar.covers_to}, checked {calendar.checked}"
    write_table(f"Scheduled events {covered}", ("time (UTC)", "name", "kind", "tier", "date"), rows)


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


def _template_described(loaded: Any, name: str, reported: Any = None) -> dict[str, Any]:
    """A template with what it must achieve in each capital tier that may trade it, and which scales can trade.

    `reported` are the costs of earlier runs, as `_reported` finds them: then also at the commission charged there.
    """
    from trading_bot.config_keys import did_you_mean
    from trading_bot.domain.instruments import instrument_by_symbol

    template = loaded.templates.get(name)
    if template is None:
        near = did_you_mean(name, loaded.templates)
        raise ConfigError(f"{loaded.strategies_path}: no template {name}{near} (it has {', '.join(loaded.templates)})")
    instrument = instrument_by_symbol(loaded.config.run.instrument)
    described: dict[str, Any] = msgspec.to_builtins(template)
    # None says that [exits] decides: only what the template does differently is told.
    described["exits"] = {key: value for key, value in described["exits"].items() if value not in (None, {})}
    fitted = loaded.maps.get(name)
    answer = {
        **described,
        "instrument": instrument.symbol,
        "calibration": "UNCALIBRATED" if fitted is None else _map_described(fitted),
        "tiers": _tiers_described(loaded, name, instrument, None),
    }
    if reported is not None:
        answer["reported"] = {
            **reported,
            "tiers": _tiers_described(loaded, name, instrument, reported["round_trip_uusd"]),
        }
    return answer


def _tiers_described(loaded: Any, name: str, instrument: Any, round_trip_uusd: int | None) -> dict[str, Any]:
    from trading_bot.engines.template_terms import scales_that_trade, template_terms, tiers_of

    template, found = loaded.templates[name], {}
    for tier_name, tier in tiers_of(name, template, loaded.config).items():
        terms = template_terms(
            template,
            instrument,
            loaded.config,
            min_euc_ticks=tier.min_euc_ticks,
            round_trip_uusd=round_trip_uusd,
        )
        scales = scales_that_trade(template, instrument, loaded.config, tier, round_trip_uusd=round_trip_uusd)
        found[tier_name] = {**msgspec.structs.asdict(terms), "scales_that_trade": scales}
    return found


def _map_described(fitted: Any) -> dict[str, Any]:
    from trading_bot.domain.calibration import VOLATILITIES

    found = [name for name, knots in zip(VOLATILITIES, fitted.buckets, strict=True) if knots]
    return {"version": fitted.version, "fitted_at": fitted.fitted_at, "trades": fitted.trades, "volatility": found}


def _reported(asked: Common, loaded: Any) -> dict[str, Any] | None:
    """The commission that fills in the data directory were charged, None where none was."""
    from trading_bot.core.earlier_runs import reported_costs
    from trading_bot.engines.costs import per_side_uusd
    from trading_bot.run_folders import runs_of

    found = reported_costs(runs_of(asked.data_dir, loaded.config.run.instrument))
    if found is None:
        return None
    book, hypothetical = found
    side_uusd = per_side_uusd(book)
    assert side_uusd is not None
    return {"round_trip_uusd": 2 * side_uusd, "lots": book.lots, "hypothetical": hypothetical}


def _signal_described(name: str) -> dict[str, Any]:
    from trading_bot.config_keys import did_you_mean
    from trading_bot.domain.signal_registry import SIGNAL_BY_NAME

    spec = SIGNAL_BY_NAME.get(name)
    if spec is None:
        raise ConfigError(f"no signal {name}{did_you_mean(name, SIGNAL_BY_NAME)} (known: {', '.join(SIGNAL_BY_NAME)})")
    described: dict[str, Any] = msgspec.to_builtins(spec)
    return described


def _show_templates(loaded: Any, reported: dict[str, Any] | None = None) -> None:
    rows, exits = [], []
    for name in loaded.templates:
        values = _template_described(loaded, name, reported)
        exits += [(f"{name} {key}", _plain(value)) for key, value in values["exits"].items()]
        at_reported = values["reported"]["tiers"] if reported else {}
        for tier, terms in values["tiers"].items() or {"": None}.items():
            length = f"{values['target_ticks']}/{values['stop_ticks']}"
            head = (name, values["title"], "on" if values["on"] else "off", length, values["hold_s"], tier)
            rows.append((*head, *_rates(terms, at_reported.get(tier)), values["belief_enter"]))
    charged = "break-even charged"
    columns = ("break-even", *((charged,) if reported else ()), "chance", "gap", "scales", "pays from belief")
    write_table(
        f"Templates on {loaded.config.run.instrument} (every weight, trigger and gain is assumed)",
        ("name", "set-up", "", "T/S", "hold s", "tier", *columns, "enters at"),
        [row if reported else (*row[:7], *row[8:]) for row in rows],
    )
    if reported:
        kind = "hypothetical" if reported["hypothetical"] else "real"
        usd = reported["round_trip_uusd"] / 1_000_000
        write_pairs("Commission", [(charged, f"{usd:.2f} USD a round trip, over {reported['lots']} {kind} lots")])
    if exits:
        write_pairs("Exits that differ from [exits]", exits)


def _rates(terms: dict[str, Any] | None, at_reported: dict[str, Any] | None) -> tuple[str, ...]:
    """Break-even, the same at the commission charged, chance, their gap, scales that can trade, least belief."""
    if terms is None:
        return ("",) * 6
    charged = "" if at_reported is None else f"{at_reported['break_even_p']:.1%}"
    gap = terms["break_even_p"] - terms["random_walk_p"]
    scales = terms["scales_that_trade"]
    return (
        f"{terms['break_even_p']:.1%}",
        charged,
        f"{terms['random_walk_p']:.1%}",
        f"{gap:+.1%}",
        "none" if scales is None else f"{scales[0]:.2f}-{scales[1]:.2f}",
        f"{terms['needed_belief']:.2f}",
    )


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
