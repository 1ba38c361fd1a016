"""Simulation by seed: `make sim SEEDS=300 JSON=out.json`; `SEED=17` runs one, `FIRST=7` begins there.

Stdout is one line, `{"seeds":300,"failed":[]}`, and so is the JSON; what was seen goes to stderr and to
`out.details.json`. A seed that fails is told with the command that runs it again, and kept in
tests/simulation/seeds.toml.
Exit code 1 when an invariant was violated.
"""

import argparse
import sys
import tomllib
from collections import Counter
from pathlib import Path

import msgspec

from trading_bot.research.simulate import Report, SeedReport, simulate_all

LINE = "{:>5} {:>8} {:<8} {:>6} {:>5} {:>9} {:<9} {:<9} {}"
KEPT = Path(__file__).parents[1] / "tests" / "simulation" / "seeds.toml"


class Verdict(msgspec.Struct, frozen=True):
    """What the command answers: how many seeds ran, and which of them violated an invariant."""

    seeds: int
    failed: list[int]


def main() -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--json", type=Path, help="write the verdict there, and the whole report beside it")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--no-keep", action="store_true", help="write no failing seed to tests/simulation/seeds.toml")
    asked = parser.parse_args()
    if asked.seeds < 1 or asked.first < 0 or asked.processes < 1 or (asked.seed or 0) < 0:
        parser.error("--seeds and --processes start at 1, --first and --seed at 0")
    seeds = range(asked.first, asked.first + asked.seeds) if asked.seed is None else range(asked.seed, asked.seed + 1)
    say(LINE.format("seed", "date", "day", "trades", "lots", "net USD", "end", "restart", "against it, and verdict"))
    report = simulate_all(seeds, processes=asked.processes, told=tell)
    tell_totals(report)
    verdict = Verdict(len(report.seeds), [one.seed for one in report.seeds if not one.ok])
    if asked.json is not None:
        details = asked.json.with_suffix(".details.json")
        details.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
        asked.json.write_bytes(msgspec.json.encode(verdict) + b"\n")
        say(f"written: {asked.json}, and {details}")
    if not asked.no_keep:
        for one in report.seeds:
            keep(one, KEPT)
    print(msgspec.json.encode(verdict).decode(), flush=True)
    return 0 if report.ok else 1


def say(text: str) -> None:
    """For people."""
    print(text, file=sys.stderr, flush=True)


def tell(one: SeedReport) -> None:
    """One line a seed, what was violated below it, and how to see it again."""
    end = one.exit_reason.replace("KILL_SWITCH", "KILL").replace("FEED_ENDED", "END") or "failed"
    verdict = "ok" if one.ok else "VIOLATED " + ", ".join(f"{name} x{count}" for name, count in one.violated.items())
    net = f"{one.net_usd:,.2f}"
    restarted = one.restarted or "-"
    columns = (one.seed, one.date, one.day_kind, one.trades, one.position_qty_max, net, end, restarted)
    say(LINE.format(*columns, f"{one.trouble}: {verdict}"))
    for violation in one.violations:
        say(f"      seq {violation.seq} at {violation.ts_ns}: {violation.invariant}: {violation.text}")
    if not one.ok:
        say(f"      again: make sim SEED={one.seed}")


def tell_totals(report: Report) -> None:
    """What was seen in all of them."""
    kinds = Counter(one.day_kind for one in report.seeds)
    for name, value in {**report.totals, **{f"{kind} days": count for kind, count in sorted(kinds.items())}}.items():
        say(f"{name:>16} {value:>12,}")
    for name, count in report.violated.items():
        say(f"{name:>40} {count:>8,}")
    say(f"{'seconds':>16} {report.wall_s:>12.1f}")


def keep(one: SeedReport, path: Path) -> None:
    """A failing seed becomes a regression: tests/simulation runs every row of the file."""
    if one.ok or any(row["seed"] == one.seed for row in tomllib.loads(path.read_text(encoding="utf-8"))["seed"]):
        return
    what = ", ".join(one.violated)
    with path.open("a", encoding="utf-8") as rows:
        rows.write(f'\n[[seed]]\nseed = {one.seed}\nfound = "{what}"\n')
    say(f"kept: seed {one.seed} in {path}")


if __name__ == "__main__":
    sys.exit(main())
