"""Kill -9 at random, and what must hold after each: `make crash KILLS=200 JSON=out.json` (docs/chaos.md).

Standard output and the file get one line: {"kills":200,"lost_fills":0,"dup_orders":0,"state_mismatch":0}. What was
seen in each round goes to standard error, and to the file that --details names. Exit code 1 when a count is not 0.
"""

import argparse
import multiprocessing
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

from trading_bot.chaos.crashes import RoundReport, run_round

PER_ROUND = 25  # the longer a round, the longer its log and each start
SHOWN = 12  # findings of a round; --details has all of them
COUNTS = ("lost_fills", "dup_orders", "state_mismatch")
LINE = "{:>6} {:>6} {:>8} {:>8} {:>8} {:>6} {:>9} {:>10} {:>9}  {}"


def main() -> int:
    """Run the rounds that so many kills take."""
    asked = arguments()
    shutil.rmtree(asked.folder, ignore_errors=True)
    begin_s = time.monotonic()
    columns = ("seed", "kills", "holding", "working", "torn", "lost", "doubled", "mismatch", "wall s", "moments")
    print(LINE.format(*columns), file=sys.stderr)
    reports = []
    for report in rounds(sizes(asked.kills, asked.per_round), asked.seed, asked.folder, asked.jobs):
        tell(report)
        reports.append(report)
    kills, wall_s = sum(report.kills for report in reports), time.monotonic() - begin_s
    line = msgspec.json.encode({"kills": kills, **{kind: sum(one.total(kind) for one in reports) for kind in COUNTS}})
    print(f"{kills} kills in {wall_s:.1f} s, {wall_s / max(kills, 1):.2f} s each", file=sys.stderr)
    print(line.decode(), flush=True)
    if asked.json is not None:
        asked.json.write_bytes(line + b"\n")
    if asked.details is not None:
        asked.details.write_bytes(msgspec.json.format(msgspec.json.encode(reports)))
    failed = kills != asked.kills or any(report.findings for report in reports)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; the others follow")
    parser.add_argument("--per-round", type=int, default=PER_ROUND, help="kills against one gateway and one log")
    parser.add_argument("--jobs", type=int, default=2, help="rounds at a time")
    parser.add_argument("--json", type=Path, help="write the counts there")
    parser.add_argument("--details", type=Path, help="write what was seen in each round there")
    parser.add_argument("--folder", type=Path, default=Path("build/crash"), help="data of the rounds; made anew")
    asked = parser.parse_args()
    if min(asked.kills, asked.per_round, asked.jobs) < 1 or asked.seed < 0:
        parser.error("--kills, --per-round and --jobs start at 1, --seed at 0")
    asked.folder = asked.folder.resolve()
    return asked


def sizes(kills: int, per_round: int) -> list[int]:
    """Kills of each round: as equal as can be, so that two jobs end together."""
    count = -(-kills // per_round)
    return [kills // count + (number < kills % count) for number in range(count)]


def rounds(kills: Sequence[int], seed: int, folder: Path, jobs: int) -> Iterator[RoundReport]:
    """Their reports as they end."""
    # A gateway needs an interpreter of its own, and the bots of a round are forked from a server of its own.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        due = [
            pool.submit(run_round, seed + number, count, folder / f"round-{seed + number}")
            for number, count in enumerate(kills)
        ]
        for done in as_completed(due):
            yield done.result()


def tell(report: RoundReport) -> None:
    """A line a round, and what did not hold below it."""
    moments = ", ".join(f"{kind} {count}" for kind, count in Counter(report.moments).most_common() if count)
    counts = [report.total(kind) for kind in COUNTS]
    row = (report.seed, report.kills, report.holding, report.working, report.torn, *counts, f"{report.wall_s:.1f}")
    print(LINE.format(*row, moments), file=sys.stderr)
    for finding in report.findings[:SHOWN]:
        print(f"       kill {finding.kill}, {finding.kind}: {finding.text}", file=sys.stderr)
    if report.findings:
        more = f"{len(report.findings) - SHOWN} more; " if len(report.findings) > SHOWN else ""
        again = f"make crash KILLS={report.asked} SEED={report.seed}"
        print(f"       {more}again: {again}; kept in {report.folder}", file=sys.stderr)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
