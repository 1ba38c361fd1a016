"""The demo: a whole trading day in four minutes, with everything that can happen to a bot on one.

    make demo                    or    .venv/bin/python tools/e2e_demo_scenario.py [--quick] [--seed N] [--out DIR]

The bot trades on paper through the real client library against `gateway-sim`, which plays the broker in a process of
its own. `--quick` lives the day on the exchange simulator instead, in under a minute and without a gateway.

Warm-up, a drop of data quality, entries, stops, targets, time stops, a strategy that is throttled, a kill -9 and a
restart, the kill switch and its clearing, the flatten before the close, and two proofs: the replay of the log is
identical, and a simulated day that was cut is equal to one that was not. No network but this machine's own. Every fill
is a simulator's, and the day is tuned to show, not to earn (demo/config.toml, demo/strategies.toml). docs/reports.md
tells how to read the picture.

Everything it does is done by the commands a user has. Exit code 0 only if the day showed all of it.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# Run by path: the modules beside this one are `tools.*`.
sys.path.insert(0, str(ROOT))
RUNS: Final = "out"  # folder for what the bots write, below --out; made new each time
_MARKER: Final = ".written-by-make-demo"


def main() -> int:
    """Live the day and show it; 0 when everything was seen."""
    from tools.demo_bot import DemoFailed

    from trading_bot.domain.errors import BotError

    asked = _parser().parse_args()
    begin_s = time.monotonic()
    try:
        missing = _demo(asked.out, asked.seed, quick=asked.quick)
    except (DemoFailed, BotError) as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = error.filename or asked.out
        print(
            f"make demo: --out {asked.out}: {where}: {error.strerror or error}; choose another --out", file=sys.stderr
        )
        return 1
    print(f"took {time.monotonic() - begin_s:.0f} s")
    if missing:
        print(f"make demo: the day did not show: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def _parser() -> argparse.ArgumentParser:
    from tools.demo_day import SEED

    parser = argparse.ArgumentParser(description="A whole trading day on the simulator, with a proof of its log")
    parser.add_argument("--seed", type=_seed, default=SEED, help="the market; another seed may not show everything")
    parser.add_argument("--quick", action="store_true", help="without the gateway, in under a minute")
    parser.add_argument("--out", type=Path, default=ROOT / "demo", help="where summary.json, day.png and out/ go")
    return parser


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; expected a whole number from 0 to 2^63 - 1")
    return int(text)


def _demo(out: Path, seed: int, *, quick: bool) -> list[str]:
    import msgspec
    from tools.demo_checks import checks, summary
    from tools.demo_day import live_both, prove
    from tools.demo_gateway import live_gateway

    from trading_bot.cli_output import write_table
    from trading_bot.reports.day_ledger import read_day, tables
    from trading_bot.reports.day_picture import draw_day

    runs = _fresh(out / RUNS)
    say = lambda line: print(line, flush=True)  # noqa: E731
    if quick:
        day, proof = live_both(runs, seed, say)
    else:
        say("a simulated day once whole and once cut, for the proof that a kill -9 changes nothing")
        proof = prove(runs / "proof", seed)
        day = live_gateway(runs, seed, say)
    log = Path(day.ended.document["log_path"])
    ledger = read_day(log)
    seen = checks(ledger, day, proof)
    picture = draw_day(ledger, out / "day.png")
    written = out / "summary.json"
    written.write_bytes(msgspec.json.format(msgspec.json.encode(summary(ledger, day, proof, seen))) + b"\n")
    print()
    for table in tables(ledger):
        write_table(table.title, table.columns, table.rows)
    rows = [("yes" if check.seen else "NO", check.what, check.found) for check in seen]
    write_table("What the day showed (times in New York; every fill is a simulator's)", ("", "what", "found"), rows)
    paths = [("picture", picture), ("summary", written), ("log", log), ("data", runs)]
    write_table("Written", ("what", "where"), [(what, _short(path)) for what, path in paths])
    return [check.what for check in seen if not check.seen]


def _fresh(runs: Path) -> Path:
    """An empty folder for this demo; what an earlier demo left there goes, what anybody else left does not."""
    from tools.demo_bot import DemoFailed

    if runs.is_dir() and not (runs / _MARKER).is_file() and any(runs.iterdir()):
        raise DemoFailed(f"{runs} holds something that no demo wrote; move it away or choose another --out")
    if runs.is_dir():
        shutil.rmtree(runs)
    runs.mkdir(parents=True)
    (runs / _MARKER).touch()
    return runs.resolve()


def _short(path: Path) -> str:
    return str(path.resolve().relative_to(Path.cwd()) if path.resolve().is_relative_to(Path.cwd()) else path.resolve())


if __name__ == "__main__":
    raise SystemExit(main())
