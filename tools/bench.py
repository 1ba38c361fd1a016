"""`make bench`: every row of the performance table, measured here and now beside a floor or a peer.

    make bench [ARGS="--only kernel,log --rounds 7"]      the peers are installed first; NO_PEERS=1 leaves that out
    make bench-compare [A=-2 B=-1]                        two runs of the history side by side (tools/bench_compare.py)

Prints the table, writes benchmarks/latest.json and appends the same document to benchmarks/history.jsonl.
docs/performance.md says how each row is measured.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parents[1]
# Run by path: the modules beside this one are `tools.*`, the reference in plain Python is `tests.reference`.
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from tools.bench_harness import Row, Sizes

SECTIONS: Final = (
    *("kernel", "call", "append", "replay", "orders", "bot", "cold", "memory", "garbage"),
    *("out", "decode", "wire", "live", "stream"),
)


def main() -> int:
    """Measure what was asked for; 0 unless a measurement itself fails."""
    import msgspec
    from tools import bench_report
    from tools.bench_harness import QUICK, Sizes
    from tools.bench_peers import install_peers

    asked = _parser().parse_args()
    wanted = asked.only.split(",") if asked.only else list(SECTIONS)
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        raise SystemExit(
            f"--only {asked.only}: no section {', '.join(unknown)}; expected some of {', '.join(SECTIONS)}"
        )
    if asked.peers:
        install_peers()
    sizes = QUICK if asked.quick else Sizes()
    if asked.rounds is not None:
        names = ("rounds_long", "rounds_wire", "rounds_live")
        fewer = {name: min(asked.rounds, getattr(sizes, name)) for name in names}
        sizes = msgspec.structs.replace(sizes, rounds=asked.rounds, **fewer)
    began_s = time.perf_counter()
    rows = measure(wanted, sizes)
    document = bench_report.document_of(rows)
    bench_report.show(document, rows, seconds=time.perf_counter() - began_s)
    # A part, or tiny sizes, must not stand as the numbers of a commit.
    if asked.out is None and (asked.only or asked.quick):
        return 0
    bench_report.write(document, asked.out or ROOT / "benchmarks")
    return 0


def measure(wanted: list[str], sizes: "Sizes") -> "list[Row]":
    """The rows of the sections `wanted`, one section after the other."""
    from tools import (
        bench_bot,
        bench_decode,
        bench_kernel,
        bench_log,
        bench_orders,
        bench_orders_out,
        bench_wire,
        bench_wire_bot,
    )
    from tools.bench_peers import Peer

    hft = Peer("bench_peer_hft.py", "hftbacktest", wanted=sizes.peers)
    nautilus = Peer("bench_peer_nautilus.py", "nautilus_trader", wanted=sizes.peers)
    hft_orders = Peer("bench_peer_hft.py", "hftbacktest", "orders", wanted=sizes.peers)
    brackets = Peer("bench_peer_nautilus_brackets.py", "nautilus_trader", wanted=sizes.peers)
    sections: dict[str, Callable[[], list[Row]]] = {
        "kernel": lambda: bench_kernel.batch_rows(sizes, hft),
        "call": lambda: bench_kernel.call_rows(sizes, nautilus),
        "append": lambda: bench_log.append_rows(sizes),
        "replay": lambda: bench_log.replay_rows(sizes),
        "orders": lambda: bench_orders.order_rows(sizes, hft_orders, brackets),
        "bot": lambda: bench_bot.bot_rows(sizes),
        "cold": lambda: bench_bot.cold_rows(sizes),
        "memory": lambda: bench_bot.memory_rows(sizes),
        "garbage": lambda: bench_orders.collection_rows(sizes),
        "out": lambda: bench_orders_out.order_out_rows(sizes),
        "decode": lambda: bench_decode.decode_rows(sizes),
        "wire": lambda: bench_wire.wire_rows(sizes),
        "live": lambda: bench_wire_bot.live_rows(sizes),
        "stream": lambda: bench_wire.stream_rows(sizes),
    }
    rows: list[Row] = []
    for name in wanted:
        sys.stderr.write(f"bench: measuring {name}\n")
        rows += sections[name]()
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the performance table beside floors and peers.")
    parser.add_argument("--only", help=f"some of {','.join(SECTIONS)}; nothing is written unless --out is given")
    parser.add_argument("--rounds", type=int, help="rounds per comparison (20)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works; nothing is written")
    parser.add_argument("--peers", action="store_true", help="install the bench extra into build/.bench-venv first")
    parser.add_argument("--out", type=Path, help="folder of latest.json and history.jsonl (benchmarks)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
