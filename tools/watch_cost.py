"""What watching costs the bot: `python tools/watch_cost.py [--rounds 3] [--json]` (docs/operate.md).

The same simulated market, alone, beside a monitor and a `watch` that look five times a second, and beside both
stopped by SIGSTOP in the middle of their work. Told are records a second and the processor time of the bot itself,
medians over rounds in which the three take turns; digests must be equal. Wall figures need a quiet machine with a core
to spare for the watchers.
"""

import argparse
import contextlib
import json
import os
import pty
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CLI = (sys.executable, "-m", "trading_bot.cli")
CASES = ("alone", "watched", "hung")


def main() -> int:
    """Take turns, print; exit code 1 when a digest differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=int, default=3_600, help="seconds of market")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {case: [] for case in CASES}
    digests = set()
    for _ in range(asked.rounds):
        for case in CASES:
            rate, cpu_s, digest = _run(case, asked.duration)
            found[case].append((rate, cpu_s))
            digests.add(digest)
    rows = {
        case: {
            "records_per_s": round(statistics.median(rate for rate, _ in runs)),
            "bot_cpu_s": round(statistics.median(cpu_s for _, cpu_s in runs), 2),
        }
        for case, runs in found.items()
    }
    report = {"rounds": asked.rounds, "market_s": asked.duration, "digests_equal": len(digests) == 1, **rows}
    if asked.json:
        print(json.dumps(report))
    else:
        for case in CASES:
            print(
                f"{case:>8}  {rows[case]['records_per_s']:>9,} records/s  {rows[case]['bot_cpu_s']:>6.2f} s of the bot"
            )
        print("digests", "equal" if report["digests_equal"] else "DIFFER")
    return 0 if report["digests_equal"] else 1


def _run(case: str, duration_s: int) -> tuple[float, float, str]:
    """Records a second, seconds of processor time, digests of one run."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        data_dir.mkdir()
        with _watchers(data_dir) if case != "alone" else contextlib.nullcontext([]) as watchers:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            bot = subprocess.Popen(
                [
                    *CLI, "--adapter", "sim", "--mode", "SIM", "--seed", "3", "--duration", str(duration_s),
                    "--data-dir", str(data_dir), "--json",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            if case == "hung":
                while not (data_dir / "status.json").exists() and bot.poll() is None:
                    time.sleep(0.05)
                time.sleep(0.5)
                for process in watchers:
                    process.send_signal(signal.SIGSTOP)
            out, _ = bot.communicate()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(out)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return summary["events_per_s"], cpu_s, summary["effects_digest"] + summary["state_digest"]


@contextlib.contextmanager
def _watchers(data_dir: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """A monitor that is asked again and again, and a `watch` on a terminal that somebody reads."""
    master, slave = pty.openpty()
    monitor = subprocess.Popen(
        [*CLI, "monitor", "--port", "0", "--json", "--data-dir", str(data_dir)], stdout=subprocess.PIPE
    )
    watch = subprocess.Popen(
        [*CLI, "watch", "--interval", "0.2", "--data-dir", str(data_dir)], stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    assert monitor.stdout is not None
    port = json.loads(monitor.stdout.readline())["port"]
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(port), str(master)], pass_fds=(master,), stdout=subprocess.DEVNULL
    )
    try:
        yield [monitor, watch]
    finally:
        for process in (monitor, watch, reader):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        monitor.stdout.close()
        os.close(master)


# Reads the terminal, and asks for /health five times a second.
_READER = """
import os, select, sys, time, urllib.request
port, terminal, due = int(sys.argv[1]), int(sys.argv[2]), 0.0
while True:
    try:
        if select.select([terminal], [], [], 0.05)[0]:
            os.read(terminal, 65536)
    except OSError:
        time.sleep(0.05)  # nobody draws any more
    if time.monotonic() > due:
        due = time.monotonic() + 0.2
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=0.5).read()
        except OSError:
            pass
"""


if __name__ == "__main__":
    sys.exit(main())
