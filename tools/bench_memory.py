"""Child process of the memory rows: a run over many ticks with the log on; prints its resident sizes as JSON, in MB."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.bench_log import record_run, temporary
from tools.bench_stream import TickFeed, make_ticks

KB_PER_MB = 1024


def resident_mb() -> tuple[float, float]:
    """(all, private) resident memory of this process: what it shares with a file's pages is not private."""
    found = {}
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name in {"VmRSS", "RssAnon"}:
            found[name] = int(value.split()[0]) / KB_PER_MB
    return found["VmRSS"], found["RssAnon"]


def main() -> None:
    """`bench_memory.py PIECE_TICKS TICKS`."""
    piece, ticks = int(sys.argv[1]), int(sys.argv[2])
    seen: list[tuple[int, float, float]] = []
    feed = TickFeed(make_ticks(piece), ticks, on_read=lambda given: seen.append((given, *resident_mb())))
    with temporary() as folder:
        record_run(folder, feed)
    third = next(row for row in seen if row[0] >= ticks // 3)
    print(
        json.dumps(
            {
                "before_mb": seen[0][1],
                "peak_mb": max(row[1] for row in seen),
                "third_mb": third[2],
                "last_mb": seen[-1][2],
            }
        )
    )


if __name__ == "__main__":
    main()
