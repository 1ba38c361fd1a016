"""The gate ledger of a week in short: what each gate saved or cost, by trades that were never sent."""

from collections.abc import Iterable
from typing import Final

from trading_bot.pages import numbers
from trading_bot.pages.numbers import money, usd
from trading_bot.pages.page import BAD, GOOD, QUIET, Column, Row, Table, Value
from trading_bot.pages.trace import Trace
from trading_bot.research.gate_records import GateLedger, GateRow, Tally, Verdict

_SAYS: Final = {Verdict.SAVED: ("saved", GOOD), Verdict.COST: ("cost", BAD), Verdict.UNTOLD: ("not told", QUIET)}
_COLUMNS: Final = (
    Column("gate"),
    Column("refused first", number=True),
    Column("would have filled", number=True),
    Column("net of them USD", number=True, hint="had they been traded: after slippage and commission"),
    Column("a trade, 95 %", number=True),
    Column("says"),
)


def gates_table(ledger: GateLedger, trace: Trace) -> Table:
    """Gate by gate, what saved most first; the last row is what was let pass, in the same simulator."""
    rows = sorted((row for row in ledger.rows if row.first.candidates), key=lambda row: -row.saved_uusd)
    return Table(
        title="Gates, HYPOTHETICAL: had they let pass what they refused first",
        columns=_COLUMNS,
        rows=tuple(_row(row, trace) for row in rows),
        total=_line("let pass", ledger.entered, trace, Value("")) if ledger.entered.candidates else None,
        brief=True,
        empty="No candidate was refused.",
        note="Each refused candidate in a simulator of its own (docs/gates.md); `trading-bot gates LOG` has all of it.",
    )


def _row(row: GateRow, trace: Trace) -> Row:
    return _line(row.gate.lower().replace("_", " "), row.first, trace, Value(*_SAYS[row.first.verdict]))


def _line(name: str, tally: Tally, trace: Trace, says: Value) -> Row:
    ref = trace.ref(f"refused first by {name}", _by_log(tally.seqs))
    interval = numbers.NONE
    if tally.low_uusd is not None and tally.high_uusd is not None:
        interval = f"{usd(round(tally.low_uusd), sign=True)} to {usd(round(tally.high_uusd), sign=True)}"
    return Row(
        (
            name,
            Value(numbers.count(tally.candidates), "", ref),
            numbers.count(tally.filled),
            money(tally.net_uusd, ref),
            interval,
            says,
        )
    )


def _by_log(seqs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for log, seq in seqs:
        found.setdefault(log, []).append(seq)
    return found
