"""Simulation by seed: `make sim SEEDS=50 JSON=out.json`; `ARGS=--processes=2` and `FIRST=7` as wanted.

Exit code 1 when an invariant was violated.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import msgspec

from trading_bot.research.simulate import Report, SeedReport, simulate_all

LINE = "{:>5} {:>8} {:<8} {:>6} {:>5} {:>9} {:<9} {:<9} {}"


def main() -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--json", type=Path, help="write the whole report there")
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    if asked.seeds < 1 or asked.first < 0 or asked.processes < 1:
        parser.error("--seeds and --processes start at 1, --first at 0")
    print(LINE.format("seed", "date", "day", "trades", "lots", "net USD", "end", "restart", "against it, and verdict"))
    seeds = range(asked.first, asked.first + asked.seeds)
    report = simulate_all(seeds, processes=asked.processes, told=tell)
    tell_totals(report)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
        print(f"written: {asked.json}")
    return 0 if report.ok else 1


def tell(one: SeedReport) -> None:
    """One line a seed, and what was violated below it."""
    end = one.exit_reason.replace("KILL_SWITCH", "KILL").replace("FEED_ENDED", "END") or "failed"
    verdict = "ok" if one.ok else "VIOLATED " + ", ".join(f"{name} x{count}" for name, count in one.violated.items())
    net = f"{one.net_usd:,.2f}"
    restarted = one.restarted or "-"
    columns = (one.seed, one.date, one.day_kind, one.trades, one.position_qty_max, net, end, restarted)
    print(LINE.format(*columns, f"{one.trouble}: {verdict}"), flush=True)
    for violation in one.violations:
        print(f"      seq {violation.seq} at {violation.ts_ns}: {violation.invariant}: {violation.text}", flush=True)


def tell_totals(report: Report) -> None:
    """What was seen in all of them."""
    kinds = Counter(one.day_kind for one in report.seeds)
    for name, value in {**report.totals, **{f"{kind} days": count for kind, count in sorted(kinds.items())}}.items():
        print(f"{name:>16} {value:>12,}")
    for name, count in report.violated.items():
        print(f"{name:>40} {count:>8,}")
    print(f"{'seconds':>16} {report.wall_s:>12.1f}")


if __name__ == "__main__":
    sys.exit(main())
