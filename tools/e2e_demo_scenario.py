"""The demo: OBSERVE over a generated tape, then a replay that proves the log. No network, about a second.

    make demo                    or    .venv/bin/python tools/e2e_demo_scenario.py [--seed N] [--minutes N] [--out DIR]

Everything it does is done by the commands a user has; this script only calls them one after the other.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from trading_bot.adapters.files.tape_generator import write_tape
from trading_bot.domain.instruments import instrument_by_symbol

ROOT: Final = Path(__file__).resolve().parents[1]
START_NS: Final = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z, the open of an ordinary Wednesday
PRICE_TICKS: Final = 24_000


def main() -> int:
    """Run the demo; 0 when the replay is identical."""
    parser = argparse.ArgumentParser(description="OBSERVE over a generated tape, then replay it")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--out", type=Path, default=ROOT / "demo")
    asked = parser.parse_args()
    console = Console()
    if asked.out.exists():
        shutil.rmtree(asked.out)
    asked.out.mkdir(parents=True)
    tape = asked.out / "tape.csv.gz"
    written = write_tape(
        tape,
        seed=asked.seed,
        minutes=asked.minutes,
        start_ns=START_NS,
        instrument=instrument_by_symbol("MES"),
        price_ticks=PRICE_TICKS,
    )
    console.print(f"tape:    {written.rows} rows, {asked.minutes} minutes from the open, seed {asked.seed} -> {tape}")
    summary = _command("--mode", "OBSERVE", "--adapter", "files", "--input", str(tape), "--data-dir", str(asked.out))
    replayed = _command("replay", summary["log_path"], "--data-dir", str(asked.out))
    verified = _command("log", "verify", summary["log_path"], "--data-dir", str(asked.out))
    _show(console, summary)
    equal = replayed["ok"] and replayed["effects_digest"] == summary["effects_digest"]
    same_state = replayed["state_digest"] == summary["state_digest"]
    result = {
        "replay_equal": equal and same_state,
        "log_ok": verified["ok"],
        "effects_digest": summary["effects_digest"],
        "state_digest": summary["state_digest"],
        "approvals": summary["approvals"],
        "skips_by_reason": summary["skips_by_reason"],
    }
    (asked.out / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    console.print(f"log:     {summary['log_path']}")
    console.print(f"summary: {asked.out / 'summary.json'}")
    verdict = "identical, record by record" if result["replay_equal"] else f"DIFFERENT: {replayed['reason']}"
    console.print(f"replay:  {replayed['records']} records, {replayed['effects']} effects: {verdict}")
    return 0 if result["replay_equal"] and result["log_ok"] else 1


def _command(*arguments: str) -> dict[str, Any]:
    """The JSON document of one command of ours; its error ends the demo."""
    done = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", *arguments, "--json"], capture_output=True, check=False, cwd=ROOT
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode() + done.stdout.decode())
        raise SystemExit(done.returncode)
    document: dict[str, Any] = msgspec.json.decode(done.stdout)
    return document


def _show(console: Console, summary: dict[str, Any]) -> None:
    facts = Table(title="One run in OBSERVE: nothing leaves", title_justify="left")
    facts.add_column("what")
    facts.add_column("value", justify="right")
    for name in ("quotes", "trades", "decisions", "approvals", "orders", "fills", "position_qty", "dvs_min", "eqs_min"):
        facts.add_row(name, f"{summary[name]:,}")
    facts.add_row("events per second", f"{summary['events_per_s']:,.0f}")
    console.print(facts)
    skips = Table(title="Why not: skips by reason", title_justify="left")
    skips.add_column("reason")
    skips.add_column("episodes", justify="right")
    for reason, count in summary["skips_by_reason"].items():
        skips.add_row(reason, f"{count:,}")
    console.print(skips)


if __name__ == "__main__":
    raise SystemExit(main())
