"""What the demo's day has to show, held against its ledger and the answers of the commands; and its summary."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tools.demo_day import KILL_REASON, Day, Proof

from trading_bot.domain.errors import Halted
from trading_bot.domain.units import iso_from_ns
from trading_bot.reports.day_ledger import DayLedger
from trading_bot.reports.day_tables import clock


class Check(NamedTuple):
    """One thing the day should show: whether it did, and what was found."""

    what: str
    seen: bool
    found: str


def checks(ledger: DayLedger, day: Day, proof: Proof) -> list[Check]:
    """Everything, in the order of the day."""
    return [*_market(ledger), *_operator(ledger, day), *_proofs(ledger, day, proof)]


def summary(ledger: DayLedger, day: Day, proof: Proof, seen: list[Check]) -> dict[str, Any]:
    """What `summary.json` holds. Counts of trades by what ended them, times as ISO 8601, money in dollars."""
    exits = ledger.exits_by_reason
    return {
        "stops": exits.get("STOP", 0),
        "targets": exits.get("TARGET", 0),
        "time_stops": exits.get("TIME", 0),
        "throttled": list(ledger.throttled),
        "flatten_ts": iso_from_ns(ledger.ts_flatten_ns) if ledger.ts_flatten_ns else None,
        "replay_equal": _replay_equal(day),
        "restart_equal": proof.equal,
        "naked_ms_max": ledger.naked_ms_max,
        "trades": len(ledger.trades),
        "exits": exits,
        "net_usd_hypothetical": ledger.net_uusd / 1_000_000,
        "commission_usd": ledger.commission_uusd / 1_000_000,
        "position_qty": day.ended.document["position_qty"],
        "kill_exit_code": day.halted.code,
        "latched_start_exit_code": day.refused.code,
        "log_ok": day.verified.document.get("ok", False),
        "skips_by_reason": ledger.skips,
        "effects_digest": day.ended.document["effects_digest"],
        "state_digest": day.ended.document["state_digest"],
        "missing": [check.what for check in seen if not check.seen],
    }


def _market(ledger: DayLedger) -> Iterator[Check]:
    yield Check("warm-up", ledger.history_bars > 0, f"{ledger.history_bars:,} minute bars of the sessions before")
    dip, recovery = _dip(ledger)
    found = f"down at {clock(dip)}, good again at {clock(recovery)}" if dip and recovery else "no dip that recovered"
    yield Check("a quality drop and its recovery", bool(dip and recovery), found)
    yield Check("entries", ledger.entries > 0, f"{ledger.entries:,} sent, {len(ledger.trades):,} trades")
    for reason, what in (("STOP", "a stop"), ("TARGET", "a target"), ("TIME", "a time stop")):
        count = ledger.exits_by_reason.get(reason, 0)
        yield Check(what, count > 0, f"{count:,} trades")
    states = ", ".join(f"{name} {state}" for name, state in ledger.throttled.items())
    yield Check("a throttled strategy", bool(states), states or "none")


def _dip(ledger: DayLedger) -> tuple[int, int]:
    """When data went down and when they were good again; 0 where that was not seen."""
    down = next((change.ts_ns for change in ledger.data_state if change.data_down), 0)
    up = next(
        (change.ts_ns for change in ledger.data_state if down and change.ts_ns > down and not change.data_down), 0
    )
    return down, up


def _operator(ledger: DayLedger, day: Day) -> Iterator[Check]:
    full = [restart for restart in ledger.restarts if restart.recovery == "full"]
    when = ", ".join(clock(restart.ts_ns) for restart in full)
    yield Check(
        "a kill -9 and a restart",
        bool(full),
        f"went on at {when}, {_open_at(ledger, full[0].ts_ns)}" if full else "none",
    )
    kill = next((kill for kill in ledger.kills if kill.reason == KILL_REASON), None)
    found = (
        f"at {clock(kill.ts_ns)}, {_open_at(ledger, kill.ts_ns)}, exit code {day.halted.code}"
        if kill
        else "not in the log"
    )
    yield Check("a kill by an operator", kill is not None and day.halted.code == Halted.exit_code, found)
    yield Check("a latched start is refused", day.refused.code == Halted.exit_code, f"exit code {day.refused.code}")
    cleared = kill is not None and kill.cleared_ts_ns > 0
    same = day.ended.document["run_id"] == day.halted.document["run_id"]
    yield Check("its clearing, and the same run goes on", cleared and same, f"run {day.ended.document['run_id']}")
    after = [trade for trade in ledger.trades if kill and trade.entry_ts_ns > kill.ts_ns]
    yield Check("trading after the clearing", bool(after), f"{len(after):,} trades")


def _open_at(ledger: DayLedger, ts_ns: int) -> str:
    """What was held at a time; an exit at that very time was caused by it."""
    held = [trade for trade in ledger.trades if trade.entry_ts_ns < ts_ns <= trade.exit_ts_ns]
    return f"with a {held[0].template} position open" if held else "flat"


def _proofs(ledger: DayLedger, day: Day, proof: Proof) -> Iterator[Check]:
    closed = [trade for trade in ledger.trades if trade.exit_reason == "SESSION"]
    qty = day.ended.document["position_qty"]
    at = clock(ledger.ts_flatten_ns) if ledger.ts_flatten_ns else "never"
    found = f"{at}, {len(closed)} position{'s' if len(closed) != 1 else ''} closed by it, {qty} left"
    yield Check("the flatten before the close", ledger.ts_flatten_ns > 0 and qty == 0, found)
    cents = f"{ledger.net_uusd / 1_000_000:+.2f} USD"
    yield Check("trades add up to the fills", ledger.net_uusd == ledger.cash_uusd, f"{cents} from {ledger.fills} fills")
    report = day.replayed.document
    yield Check(
        "replay identical",
        _replay_equal(day),
        f"{report.get('records', 0):,} records, {report.get('effects', 0):,} effects {day.replayed.message}".rstrip(),
    )
    yield Check("the log is whole", day.verified.code == 0, day.verified.message or "checksums, numbers, seals, chain")
    cut = f"cut at about {clock(proof.cut_ns)}, {proof.tries} tr{'y' if proof.tries == 1 else 'ies'}"
    yield Check("the same day, cut and whole, is equal", proof.equal, cut)


def _replay_equal(day: Day) -> bool:
    report, run = day.replayed.document, day.ended.document
    digests = ("effects_digest", "state_digest")
    return bool(report.get("ok")) and all(report.get(name) == run[name] for name in digests)
