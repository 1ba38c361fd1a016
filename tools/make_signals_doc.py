"""Write docs/signals.md from the rows of `domain/signal_registry.py`.

python tools/make_signals_doc.py            write the page
python tools/make_signals_doc.py --check    exit with 1 when the page is not what the rows make
"""

import argparse
import sys
from pathlib import Path

from trading_bot.domain.signal_registry import SIGNALS, SignalSpec

PAGE = Path(__file__).resolve().parent.parent / "docs" / "signals.md"
HEAD = """# Signals

Made from the rows of `src/trading_bot/domain/signal_registry.py` by `python tools/make_signals_doc.py`; do not edit
this page. A test compares the two.

`C, O, H, L, Vb` are close, open, high, low and volume of the 60 s bar just closed, `X[i]` is X of the i-th bar before
it, `N, V` notional and volume since the anchor, `n` bars since the anchor (this one included), `S5, S14, S30` sums of
the true range TR over the last 5, 14 and 30 bars, `vz` is 3.0 * vol_z. Formulas are evaluated from left to right as
written, sums from the oldest bar to the newest; the rules of arithmetic, `s`, `sigma`, `w`, sessions and the grid are
those of [kernel.md](kernel.md). A signal that is not warm has no value, and never 0.

*Number* is the row in section 3.1 of the specification. *Scale* is k of `s(x / k)`, as which the value enters a
belief; without one it enters as it is. *Odd* signals change their sign when the market is mirrored, *even* ones do
not. *Cadence*: `bar` at the close of a 60 s bar, `tick` whenever it is read, `grid` every 100 ms, `second` every
whole second, `fed` when the core gives a value.
"""
GROUPS = (
    ("Bars", ("bar",)),
    ("Order flow and the state of the stream", ("tick", "grid", "second")),
    ("From the core", ("fed",)),
)


def cell(text: str) -> str:
    """Text inside a table: a bar would end the cell, angle brackets would be read as HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*").replace("_", "\\_")


def number(value: float | None) -> str:
    """A number as short as it can be; empty for none."""
    return "" if value is None else f"{value:g}"


def span(spec: SignalSpec) -> str:
    """The range of a signal."""
    if spec.low is None and spec.high is None:
        return "any"
    low = "-∞" if spec.low is None else number(spec.low)
    high = "∞" if spec.high is None else number(spec.high)
    return f"{low} .. {high}"


def section(spec: SignalSpec) -> list[str]:
    """One signal: a table of its properties, then the formula as code, whose order of operations is binding."""
    kind = "category, only for triggers" if spec.category else f"{number(spec.scale)}" if spec.scale else "as it is"
    properties = (
        ("id", str(spec.id)),
        ("number", str(spec.number) if spec.number else "none"),
        ("unit", spec.unit),
        ("range", span(spec)),
        ("scale", kind),
        ("parity", spec.parity),
        ("cadence", spec.cadence),
        ("warm-up", spec.warm_up),
        ("source", spec.source),
    )
    header = "| " + " | ".join(name for name, _ in properties) + " |"
    row = "| " + " | ".join(cell(value) for _, value in properties) + " |"
    return [f"### {spec.name}", "", header, "|" + "---|" * len(properties), row, "", "```text", spec.formula, "```", ""]


def page() -> str:
    """The whole page."""
    lines = HEAD.splitlines()
    for title, cadences in GROUPS:
        lines += ["", f"## {title}", ""]
        for spec in SIGNALS:
            if spec.cadence in cadences:
                lines += section(spec)
        lines.pop()
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or compare; the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/signals.md from the signal registry.")
    parser.add_argument("--check", action="store_true", help="compare only; exit with 1 when the page differs")
    made = page()
    if not parser.parse_args().check:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made:
        return 0
    print(f"{PAGE.name} is not what the signal registry makes: run python tools/make_signals_doc.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
