"""A nominal day per profile: `make nominal-day`, or `python tools/nominal_day.py --profile scalper --seed 1`.

Runs a whole generated session in OBSERVE and prints each gate's share of the regular minutes; above 30 % is a warning.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec

from trading_bot import log_setup
from trading_bot.build_digest import build_digest
from trading_bot.config_files import RunOptions, load_config
from trading_bot.research.nominal_day import WARN_ABOVE, NominalDay, nominal_day
from trading_bot.wiring import run

START = "2026-11-25T14:20:00Z"  # an ordinary Wednesday, ten minutes before the open
DAY_S = 24_000


def main() -> int:
    """Run, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=("scalper", "conservative"), action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {}
    for profile in asked.profile or ["scalper", "conservative"]:
        found[profile] = day_of(profile, asked.seed)
        if not asked.json:
            tell(profile, found[profile])
    if asked.json:
        print(msgspec.json.encode(found).decode())
    return 0


def day_of(profile: str, seed: int) -> NominalDay:
    """One session at the generated market."""
    with tempfile.TemporaryDirectory() as folder:
        log_setup.start_logging(Path(folder), run_id="nominal", console="error")
        loaded = load_config(profile=profile, overrides={"run.mode": "OBSERVE", "run.adapter": "sim"})
        options = RunOptions(
            loaded=loaded, data_dir=Path(folder), run_id="nominal", seed=seed, start=START, duration_s=DAY_S
        )
        return nominal_day(Path(run(options).log_path), build=build_digest())


def tell(profile: str, day: NominalDay) -> None:
    """A table, largest first."""
    print(f"{profile}: {day.minutes} regular minutes, {day.open_share:.0%} of them open to at least one template")
    for gate, share in sorted(day.gates.items(), key=lambda row: -row[1]):
        print(
            f"  {gate:<28} {share:>6.1%}  {'above ' + format(WARN_ABOVE, '.0%') if share > WARN_ABOVE else ''}".rstrip()
        )


if __name__ == "__main__":
    sys.exit(main())
