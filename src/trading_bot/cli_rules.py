"""`trading-bot rules show` and `rules odds`: what a rule pack asks for, and how likely it is to be passed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.domain.rule_pack import FlatBy, RulePack
from trading_bot.domain.units import UUSD_PER_USD

if TYPE_CHECKING:
    from trading_bot.config_files import LoadedConfig
    from trading_bot.research.rule_odds import RuleOdds

app = typer.Typer(no_args_is_help=True, help="Rules of an account: read a pack, estimate its odds (docs/rules.md).")

Pack = Annotated[Path, typer.Argument(metavar="PACK", help="Rule pack, or the name of a shipped one.")]


@app.command()
def show(
    ctx: typer.Context,
    pack: Pack,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print a pack as the bot reads it."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    found = _pack(_loaded(asked, pack))
    if asked.as_json:
        write_json(found)
        return
    write_pairs(
        f"Rule pack {found.name}, attempt {found.attempt}",
        [
            ("account", _usd(found.account_uusd)),
            ("profit target", _usd(found.profit_target_uusd) if found.profit_target_uusd else "none"),
            ("days before it can be passed", found.days_min),
        ],
    )
    write_table("Rules", ("rule", "limit", "kept away", "response"), [_row(rule) for rule in found.rules])


@app.command()
def odds(
    ctx: typer.Context,
    pack: Pack,
    *,
    logs: Annotated[list[Path], typer.Option("--log", help="Log folder of a run; repeatable.")],
    days: Annotated[int, typer.Option("--days", help="Horizon in trading days.", min=1, max=1_000)] = 60,
    paths: Annotated[int, typer.Option("--paths", help="Accounts drawn.", min=100, max=1_000_000)] = 2_000,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Draw days of a run's trades: in how many accounts the pack is passed, and which rule breaks the others."""
    from trading_bot.domain.instruments import instrument_by_symbol
    from trading_bot.research.rule_odds import days_traded, rule_odds

    asked = common(ctx, data_dir, config, as_json=as_json)
    loaded = _loaded(asked, pack)
    sizing, symbol = loaded.config.sizing, loaded.config.run.instrument
    risk_uusd = round(sizing.max_risk_usd * UUSD_PER_USD) + instrument_by_symbol(symbol).commission_round_trip_uusd
    found = rule_odds(_pack(loaded), days_traded(logs), risk_uusd=risk_uusd, horizon_days=days, paths=paths, seed=seed)
    if asked.as_json:
        write_json(found)
        return
    write_pairs(f"Odds of {found.pack}", _odds_rows(found))
    typer.echo("Days of the past, drawn again: no promise about the next account.")


def _odds_rows(found: "RuleOdds") -> list[tuple[str, object]]:
    passed = f"{100 * found.pass_p:.1f} % (± {100 * found.error_p:.1f})"
    return [
        ("drawn from", f"{found.days} days, {found.trades:,} trades, {found.net_usd_per_day:+,.2f} USD a day"),
        ("paths", f"{found.paths:,} of {found.horizon_days} days, seed {found.seed}"),
        ("passed", passed),
        ("days to pass", "none passed" if found.days_to_pass is None else f"{found.days_to_pass} (median)"),
        *((f"broken: {name}", f"{100 * share:.1f} %") for name, share in found.broken_p.items()),
        ("stopped before a line", f"{100 * found.stopped_p:.1f} %"),
        ("still open", f"{100 * found.open_p:.1f} %"),
    ]


def _loaded(asked: Common, pack: Path) -> "LoadedConfig":
    from trading_bot.config_files import load_config, process_environment

    return load_config(asked.config, environment=process_environment(), overrides={"rules.file": str(pack)})


def _pack(loaded: "LoadedConfig") -> RulePack:
    assert loaded.rules is not None  # it was named
    return loaded.rules


def _row(rule: Any) -> tuple[str, str, str, str]:
    if isinstance(rule, FlatBy):
        limit = f"{rule.clock}: entries end {rule.entries_end_min} min, leaving begins {rule.lead_min} min before"
        return rule.name, limit, "", rule.response.value
    share = getattr(rule, "best_day_ppm", None)
    limit = _usd(rule.limit_uusd) if share is None else f"{share / 10_000:g} % of the target, or of the profit"
    locks = getattr(rule, "locks_at_uusd", None)
    limit += "" if locks is None else f", locks at {_usd(locks)}"
    return rule.name, limit, _usd(rule.buffer_uusd) if rule.buffer_uusd else "", rule.response.value


def _usd(amount_uusd: int) -> str:
    return f"{amount_uusd / UUSD_PER_USD:,.2f} USD"
