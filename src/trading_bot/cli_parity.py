"""`trading-bot parity LOG`: the log replayed, its fills scored against the simulator, its minutes judged."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from trading_bot.build_digest import build_digest
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common
from trading_bot.cli_output import write_error, write_json, write_pairs, write_table
from trading_bot.domain.errors import ReplayDiverged, UsageError
from trading_bot.domain.honesty import FLAG_BELOW, MinuteHonesty
from trading_bot.domain.units import iso_from_ns
from trading_bot.research.fill_scores import ORDERS_MIN, FillRow, ModelScore
from trading_bot.research.parity import FillsParity, HonestyParity, ParityReport
from trading_bot.research.parity import parity as parity_of
from trading_bot.research.parity_page import parity_page
from trading_bot.strategy_plugins import offer_installed


def parity(common: Common, log: Path, out: Path | None) -> int:
    """Print the report, and write it into `out`; 4 when a replay of the log decides otherwise than the log."""
    folder = log_folder(common, log)
    offer_installed()
    report = parity_of(folder, build=build_digest())
    code = ReplayDiverged.exit_code if report.replay.identical is False else 0
    if out is not None:
        _write(report, out)
    if common.as_json:
        write_json(report)
        return code
    _show_replay(report)
    _show_fills(report)
    _show_honesty(report.honesty)
    if code:
        write_error(
            "ReplayDiverged", f"seq {report.replay.first_difference_seq}: {report.replay.reason}", code, as_json=False
        )
    return code


def _write(report: ParityReport, out: Path) -> None:
    """Both files, each whole or not at all.

    Raises:
        UsageError: the folder cannot be written.
    """
    texts = {"parity.json": msgspec.json.encode(report), "parity.html": parity_page(report).encode()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            temporary = out / f".{name}.tmp"
            temporary.write_bytes(text)
            temporary.replace(out / name)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror or error}); name another folder") from error


def _show_replay(report: ParityReport) -> None:
    found = report.replay
    verdict = {True: "identical", False: "DIVERGED", None: "not compared: another build wrote the log"}
    pairs = [
        ("run", f"{report.run_id} {report.mode} {report.adapter} {report.instrument}"),
        ("decisions", f"{found.decisions:,}, SHA-256 {found.decisions_sha256}"),
        ("effects", f"{found.effects:,}, SHA-256 {found.effects_digest}"),
        ("records", f"{found.records:,}"),
        *([("torn", f"{found.torn_bytes:,} bytes at the end hold no whole record")] if found.torn_bytes else []),
    ]
    write_pairs(f"Decisions: {verdict[found.identical]}", [*pairs, *([("note", found.reason)] if found.reason else [])])


def _show_fills(report: ParityReport) -> None:
    fills = report.fills
    if not fills.models:
        write_pairs("Fills", [("real fills", f"none: {report.mode} fills orders in the simulator itself")])
        return
    columns = (
        "model",
        "queue",
        "latency ms",
        "entries agreed",
        "entries",
        "closes",
        "same leg",
        "price diff",
        "time diff ms",
    )
    write_table(
        f"Fills: {fills.real_executions:,} executions of {fills.real_orders:,} entries beside the exchange simulator",
        columns,
        [_model_row(score) for score in fills.models],
    )
    write_pairs("", _fill_notes(fills))
    rows = [row for row in fills.rows if row.qty or any(one.qty for one in row.models.values())]
    if rows:
        names = [score.name for score in fills.models]
        write_table(
            "Fill by fill (real; then each model: price, difference, ms)",
            ("order", "what", "real", *names),
            map(_fill_row, rows),
        )


def _model_row(score: ModelScore) -> tuple[str, ...]:
    return (
        score.name,
        score.queue_model,
        f"{score.entry_latency_ms:g}+{score.response_latency_ms:g}",
        _number(score.agreed_percent, "{:.0f} %"),
        _counts(score.entries),
        _counts(score.closes),
        str(score.closes_same_leg),
        f"{_number(score.price_diff_ticks_mean, '{:+.2f}')} (all {score.price_diff_ticks_total:+g})",
        _number(score.time_diff_ms_p50, "{:+.0f}"),
    )


def _fill_notes(fills: FillsParity) -> list[tuple[str, object]]:
    trip = (
        "none" if fills.round_trip_ms_p50 is None else f"{fills.round_trip_ms_p50:.1f} ms over {fills.acknowledged:,}"
    )
    few = f"not told: {fills.real_orders} entries, at least {ORDERS_MIN} are needed"
    return [
        ("closest model", fills.closest or few),
        ("entry to acknowledgement, median", trip),
        ("differences", "the real fill less the model's: positive is worse for us, or later"),
    ]


def _fill_row(row: FillRow) -> tuple[str, ...]:
    real = row.real if row.price_ticks is None else f"{row.qty} @ {row.price_ticks:g} {'+'.join(row.legs)}"
    models = []
    for found in row.models.values():
        text = found.verdict
        if found.price_ticks is not None:
            text = f"{found.price_ticks:g} {'+'.join(found.legs)}"
            if found.price_diff_ticks is not None and found.time_diff_ms is not None:
                text += f" {found.price_diff_ticks:+g} {found.time_diff_ms:+.0f}"
        models.append(text)
    return (row.order, f"{row.what} {row.side.value}", real, *models)


def _show_honesty(honesty: HonestyParity) -> None:
    write_pairs(
        f"Honesty of {honesty.minutes:,} minutes",
        [
            ("ok", f"{honesty.ok:,}"),
            ("flagged", f"{honesty.flagged:,} (a score below {FLAG_BELOW})"),
            ("unwitnessed", f"{honesty.unwitnessed:,} (the broker told nothing to judge them by)"),
            ("lowest score", _number(honesty.score_min, "{}")),
            ("mean score", _number(honesty.score_mean, "{:.1f}")),
        ],
    )
    flagged = [row for row in honesty.rows if row.flagged]
    if flagged:
        columns = ("minute", "score", "told", "seen", "missing", "extra", "ticks unseen", "bars", "prints", "refused")
        write_table("Flagged minutes", columns, _minute_rows(flagged))


def _minute_rows(rows: Sequence[MinuteHonesty]) -> list[tuple[object, ...]]:
    return [
        (
            iso_from_ns(row.begin_ns),
            row.score,
            *(row.lots_told, row.lots_seen, row.lots_missing, row.lots_extra),
            *(row.ticks_unseen, row.bars, row.prints, row.lots_refused),
        )
        for row in rows
    ]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
