"""The counterfactual gate ledger: what each gate saved or cost, by trades that were never sent."""

from collections.abc import Sequence
from typing import Final

from trading_bot.domain.units import usd_from_uusd
from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import Sourced
from trading_bot.pages.figure import axis, layout, lines, plain
from trading_bot.pages.numbers import money, usd
from trading_bot.pages.page import BAD, GOOD, QUIET, Block, Chart, Column, Note, Row, Section, Table, Value, referred
from trading_bot.research.gate_records import GateLedger, GateRow, Tally, Verdict

_BARS_MAX: Final = 14
_BAR_PX: Final = 26
_SAYS: Final = {
    Verdict.SAVED: ("saved", GOOD),
    Verdict.COST: ("cost", BAD),
    Verdict.UNTOLD: ("not told", QUIET),
}
_METHOD: Final = (
    "Each refused candidate was placed into a simulator of its own with the same bracket, hold and latency. SAVED: the "
    "whole interval is below zero, COST: above; otherwise the sample does not tell. The last row is what the same "
    "simulator makes of what was let pass: compare a gate with it, not with the account."
)
_COLUMNS: Final = (
    Column("gate"),
    Column("refused first", number=True, hint="candidates that this gate was the first to refuse"),
    Column("would have filled", number=True),
    Column("won", minor=True, number=True),
    Column("net of them", number=True, hint="USD, after slippage and commission, had they been traded"),
    Column("a trade", minor=True, number=True, hint="USD"),
    Column(
        "95 %",
        minor=True,
        number=True,
        hint="interval of the mean; trades that depend on each other count as one group",
    ),
    Column("says"),
    Column("alone", minor=True, number=True, hint="candidates that no other gate refused"),
    Column("net of those", minor=True, number=True, hint="USD"),
)


def gates_section(ledger: GateLedger | None, sourced: Sourced) -> list[Section]:
    """What the gates saved or cost; nothing where the ledger was not made."""
    if ledger is None:
        return []
    rows = sorted((row for row in ledger.rows if row.first.candidates), key=lambda row: row.saved_uusd)
    blocks: list[Block] = []
    if any(row.first.filled for row in rows):
        blocks.append(_chart(rows))
    blocks.append(
        Table(
            title="Gate by gate, HYPOTHETICAL",
            columns=_COLUMNS,
            rows=tuple(_row(row, sourced) for row in reversed(rows)),
            total=_passed(ledger.entered, sourced) if ledger.entered.candidates else None,
            empty="No candidate was refused.",
            note=_METHOD,
        )
    )
    blocks += [Note(sourced.text(text)) for text in ledger.notes]
    return [
        Section(
            anchor="gates",
            title="What the gates saved or cost",
            short="Gates",
            lead=f"{len(ledger.trades):,} candidates followed off-line over {ledger.ticks:,} market records. "
            "Nothing of this was ever sent: HYPOTHETICAL throughout.",
            blocks=tuple(blocks),
        )
    ]


def _name(gate: str) -> str:
    return gate.lower().replace("_", " ")


def _row(row: GateRow, sourced: Sourced) -> Row:
    first, alone = row.first, row.alone
    ref = sourced.ref(f"refused first by {_name(row.gate)}", _by_log(first))
    alone_ref = sourced.ref(f"refused alone by {_name(row.gate)}", _by_log(alone))
    cells = (
        _name(row.gate),
        Value(numbers.count(first.candidates), "", ref),
        numbers.count(first.filled),
        numbers.count(first.wins),
        money(first.net_uusd, ref),
        _usd(first.mean_uusd),
        _interval(first),
        Value(*_SAYS[first.verdict]),
        Value(numbers.count(alone.candidates), "", alone_ref),
        money(alone.net_uusd, alone_ref),
    )
    return Row(referred(cells, ref))


def _passed(tally: Tally, sourced: Sourced) -> Row:
    ref = sourced.ref("let pass by the gates", _by_log(tally))
    return Row(
        (
            "let pass",
            Value(numbers.count(tally.candidates), "", ref),
            numbers.count(tally.filled),
            numbers.count(tally.wins),
            money(tally.net_uusd, ref),
            _usd(tally.mean_uusd),
            _interval(tally),
            "",
            "",
            "",
        )
    )


def _by_log(tally: Tally) -> list[tuple[str, tuple[int, ...]]]:
    return [(log, (seq,)) for log, seq in tally.seqs]


def _usd(amount_uusd: float | None) -> str:
    return numbers.NONE if amount_uusd is None else usd(round(amount_uusd), sign=True)


def _interval(tally: Tally) -> str:
    if tally.low_uusd is None or tally.high_uusd is None:
        return numbers.NONE
    return f"{_usd(tally.low_uusd)} to {_usd(tally.high_uusd)}"


def _chart(rows: Sequence[GateRow]) -> Chart:
    """Bars to the right saved money, to the left they cost; those that matter most."""
    shown = sorted((row for row in rows if row.first.filled), key=lambda row: -abs(row.saved_uusd))[:_BARS_MAX]
    shown.sort(key=lambda row: row.saved_uusd)
    hints = [
        lines(
            (
                f"<b>{plain(_name(row.gate))}</b> {_SAYS[row.first.verdict][0]}",
                f"{row.first.candidates:,} refused first, {row.first.filled:,} would have filled",
                f"they would have made {usd(row.first.net_uusd, sign=True)} USD, {_usd(row.first.mean_uusd)} a trade",
                f"95 %: {_interval(row.first)}",
            )
        )
        for row in shown
    ]
    told = [row.first.verdict is not Verdict.UNTOLD for row in shown]
    colours = [
        ("@long" if row.saved_uusd >= 0 else "@orange") + ("" if sure else "/0.4")
        for row, sure in zip(shown, told, strict=True)
    ]
    return Chart(
        anchor="gates-chart",
        title="Saved (right) and cost (left), HYPOTHETICAL",
        told="; ".join(f"{_name(row.gate)} {usd(row.saved_uusd, sign=True)} USD" for row in reversed(shown)),
        data=(
            {
                "type": "bar",
                "orientation": "h",
                "y": [plain(_name(row.gate), 26) for row in shown],
                "x": [usd_from_uusd(row.saved_uusd) for row in shown],
                "marker": {"color": colours},
                "text": [usd(row.saved_uusd, sign=True) for row in shown],
                "textposition": "outside",
                "cliponaxis": False,
                "textfont": {"size": 11, "color": "@ink"},
                "hovertext": hints,
                "hovertemplate": "%{hovertext}<extra></extra>",
            },
        ),
        layout=layout(
            xaxis=axis("USD over the day", zeroline=True, tickformat=",.0f"),
            yaxis=axis(showgrid=False, ticksuffix="  ", tickfont={"size": 11.5, "color": "@ink"}),
            margin={"l": 20, "r": 64, "t": 8, "b": 42, "pad": 2},
        ),
        height_px=80 + _BAR_PX * len(shown),
        note="Full colour: the interval of the mean lies on one side of zero. Pale: the sample does not tell.",
    )
