"""The parity report as one HTML page: no script, nothing from elsewhere, every text escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from trading_bot.domain.honesty import FLAG_BELOW, MinuteHonesty
from trading_bot.domain.units import iso_from_ns
from trading_bot.research.fill_scores import FillRow, ModelFill, ModelScore
from trading_bot.research.parity import ParityReport

_STRIP_PX: Final = 120  # height of a score of 100
_BAR_PX: Final = 6
# Told apart without seeing red and green: blue, vermilion, grey (after Okabe and Ito).
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1f2a33;--muted:#66737d;--line:#d5dadd;--paper:#fff;
--ok:#0072b2;--bad:#d55e00;--none:#a8b0b6}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaed;--muted:#9aa5ad;--line:#37424a;--paper:#14191d;
--ok:#56b4e9;--bad:#e8853a;--none:#5c666d}}
body{margin:2rem auto;max-width:70rem;padding:0 1rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .5rem}p{color:var(--muted);margin:.3rem 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
th{color:var(--muted);font-weight:600}table.bad td{color:var(--bad);font-weight:600}
.ok-bar{fill:var(--ok)}.bad-bar{fill:var(--bad)}.none-bar{fill:var(--none)}
line{stroke:var(--muted);stroke-dasharray:3 3}
"""


def parity_page(report: ParityReport) -> str:
    """The whole page."""
    found, honesty = report.replay, report.honesty
    minutes = (
        f"{honesty.minutes} minutes: {honesty.ok} ok, {honesty.flagged} flagged (a score below {FLAG_BELOW}), "
        f"{honesty.unwitnessed} unwitnessed."
    )
    verdict = {True: "identical", False: "diverged", None: "not compared: another build wrote the log"}[found.identical]
    title = f"Parity of {report.run_id}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(f'{report.mode} {report.adapter} {report.instrument}, {report.log}')}</p>",
        "<h2>Decisions</h2>",
        _table(
            ("replay", "decisions", "effects", "records", "torn bytes", "SHA-256 of the decisions"),
            [(verdict, found.decisions, found.effects, found.records, found.torn_bytes, found.decisions_sha256)],
            bad=found.identical is False,
        ),
        f"<p>{escape(found.reason)}</p>" if found.reason else "",
        "<h2>Fills beside the exchange simulator</h2>",
        *_fills(report),
        "<h2>Honesty of the data</h2>",
        f"<p>{minutes}</p>",
        _strip(honesty.rows),
        _flagged([row for row in honesty.rows if row.flagged]),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )


def _fills(report: ParityReport) -> list[str]:
    fills = report.fills
    if not fills.models:
        return [f"<p>None to score: {escape(report.mode)} fills orders in the simulator itself.</p>"]
    columns = ("model", "queue", "latency ms", "entries agreed", "entries", "closes", "price diff", "time diff ms")
    names = [score.name for score in fills.models]
    return [
        "<p>Differences are the real fill less the model's: positive is worse for us, or later.</p>",
        _table(columns, [_model(score) for score in fills.models]),
        f"<p>Closest to the broker: {escape(fills.closest)}.</p>" if fills.closest else "",
        "<h2>Fill by fill</h2>",
        _table(("order", "what", "side", "real", *names), [_fill(row) for row in fills.rows]),
    ]


def _model(score: ModelScore) -> tuple[object, ...]:
    return (
        score.name,
        score.queue_model,
        f"{score.entry_latency_ms:g} + {score.response_latency_ms:g}",
        _number(score.agreed_percent, "{:.0f} %"),
        _counts(score.entries),
        _counts(score.closes),
        f"{_number(score.price_diff_ticks_mean, '{:+.2f}')} (all {score.price_diff_ticks_total:+g})",
        _number(score.time_diff_ms_p50, "{:+.0f}"),
    )


def _fill(row: FillRow) -> tuple[object, ...]:
    real = row.real if row.price_ticks is None else f"{row.qty} @ {row.price_ticks:g} {'+'.join(row.legs)}"
    return (row.order, row.what, row.side.value, real, *(_model_fill(found) for found in row.models.values()))


def _model_fill(found: ModelFill) -> str:
    if found.price_ticks is None:
        return found.verdict.replace("_", " ")
    text = f"{found.price_ticks:g} {'+'.join(found.legs)}"
    if found.price_diff_ticks is None or found.time_diff_ms is None:
        return f"{text} ({found.verdict.replace('_', ' ')})"
    return f"{text}, {found.price_diff_ticks:+g}, {found.time_diff_ms:+.0f} ms"


def _strip(rows: Sequence[MinuteHonesty]) -> str:
    """One bar a minute, as high as its score; each says its numbers when pointed at."""
    if not rows:
        return ""
    bars = []
    for at, row in enumerate(rows):
        height = _STRIP_PX if row.score is None else max(2, row.score * _STRIP_PX // 100)
        kind = {"ok": "ok-bar", "flagged": "bad-bar", "unwitnessed": "none-bar"}[row.state]
        told = f"{iso_from_ns(row.begin_ns)}: {row.state if row.score is None else row.score}"
        bars.append(
            f'<rect class="{kind}" x="{at * _BAR_PX}" y="{_STRIP_PX - height}" width="{_BAR_PX - 1}" height="{height}">'
            f"<title>{escape(told)}, {row.lots_missing} of {row.lots_told} lots missing</title></rect>"
        )
    width, line = len(rows) * _BAR_PX, _STRIP_PX - FLAG_BELOW * _STRIP_PX // 100
    return (
        f'<div class="wide"><svg role="img" aria-label="score of each minute" width="{width}" height="{_STRIP_PX}">'
        f'{"".join(bars)}<line x1="0" x2="{width}" y1="{line}" y2="{line}"/></svg></div>'
    )


def _flagged(rows: Sequence[MinuteHonesty]) -> str:
    if not rows:
        return ""
    columns = ("minute", "score", "told", "seen", "missing", "extra", "ticks unseen", "bars", "prints", "refused")
    return _table(
        columns,
        [
            (
                *(iso_from_ns(row.begin_ns), row.score, row.lots_told, row.lots_seen, row.lots_missing, row.lots_extra),
                *(row.ticks_unseen, row.bars, row.prints, row.lots_refused),
            )
            for row in rows
        ],
    )


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]], *, bad: bool = False) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    opened = '<table class="bad">' if bad else "<table>"
    return f'<div class="wide">{opened}<tr>{head}</tr>{body}</table></div>'


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()) or "none"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
