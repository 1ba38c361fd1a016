"""The ledger and the skips of a day as tables for people; `cli_output.write_table` prints them.

Times are New York's. Numbers are padded on the left, so that a column of them lines up in a table of texts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from trading_bot.domain.orders import Side
from trading_bot.domain.units import NS_PER_S, usd_from_uusd
from trading_bot.reports.day_records import DayLedger, DayTable
from trading_bot.reports.fact_records import TradeFact

NEW_YORK: Final = ZoneInfo("America/New_York")
MINUS: Final = "\N{MINUS SIGN}"
BAR_CELLS: Final = 24
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"

# What a reason says in words; a test holds this to `GateReason`.
MEANINGS: Final = {
    "KILL_SWITCH": "the kill switch stands",
    "STOPPING": "the run is coming to rest",
    "RECOVERY_INCOMPLETE": "position and orders are not yet compared with the broker's",
    "LINK_DOWN": "no link to the broker, or no live data",
    "ACCOUNT_UNKNOWN": "the money on the account is not known",
    "LOG_SPACE_LOW": "no room for the next log segment",
    "BREAKER": "a breaker stands after losses or trouble",
    "DATA_DOWN": "market data failed and have not been good for long enough",
    "DVS_LOW": "data score below its entry gate",
    "EQS_LOW": "execution score below its entry gate",
    "SESSION_UNKNOWN_DATE": "the calendar does not know this date",
    "SESSION_CLOSED": "after the close",
    "SESSION_PRE_OPEN": "before the open",
    "SESSION_NYSE_SHUT": "New York is shut",
    "SESSION_OPEN_DELAY": "the first minutes after the open",
    "SESSION_BREAK": "a break of the session",
    "SESSION_CLOSE_BUFFER": "the last minutes for entries are over",
    "SESSION_EXIT": "flat before the close",
    "SESSION_TOO_SHORT": "the session is too short for an entry",
    "SESSION_DISPUTED": "calendar, broker and tape disagree about the hours",
    "SESSION_HALTED": "the market is halted or at a limit",
    "SESSION_NO_TRADE": "a window without entries",
    "EVENT_CALENDAR_STALE": "the calendar of events was not checked lately",
    "EVENT_BLACKOUT": "a scheduled event is near",
    "LOCKOUT_VOLATILITY": "a volatility shock a while ago",
    "LOCKOUT_EXECUTION": "spread or slippage were dear a while ago",
    "LOCKOUT_CONTEXT": "a signal from outside asks for a pause",
    "POSITION_OPEN": "a position is open already",
    "WORKING_ENTRY": "an entry is at work already",
    "REENTRY_COOLDOWN": "this side was left a moment ago",
    "SETUP_USED": "this set-up has had its entry",
    "FREQUENCY_MINUTE": "entries of this minute are used up",
    "FREQUENCY_HOUR": "entries of this hour are used up",
    "FREQUENCY_DAY": "entries of this day are used up",
    "ATTEMPTS_DAY": "attempts of this day are used up",
    "ORDER_EFFICIENCY": "too many messages per execution",
    "FEES_DAY": "fees of this day are used up",
    "TIER": "not for an account of this size",
    "LEARNING_BLOCKED": "the template is in quarantine or archived",
    "UNCALIBRATED": "no fitted map, which LIVE needs",
    "VETO": "a veto of the strategy file holds",
    "MISSING_REQUIRED_SIGNAL": "a signal it needs is not warm",
    "BELIEF_UNSTABLE": "the belief swings too much",
    "COST_SHARE": "costs take too much of the target",
    "EUC_LOW": "expected utility after costs is too small",
    "OPPOSITE_CANDIDATE": "another template wants the other side",
    "BETTER_CANDIDATE": "another template expects more",
    "STOP_TOO_WIDE": "the stop would be too far away",
    "SIZE_ZERO": "the risk allows no lot",
    "NO_QUOTE": "no bid or no ask",
    "SAFETY_GATE": "the safety gate refused",
}

_TRADE_COLUMNS: Final = (
    "#",
    "template",
    "side",
    "qty",
    "in ET",
    "out ET",
    "held",
    "entry",
    "exit",
    "why out",
    "gross $",
    "fees $",
    "net $",
    "MAE t",
    "MFE t",
    "slip t",
)
_SKIP_COLUMNS: Final = ("reason", "meaning", "skips", "share", "most by", "")


def tables(ledger: DayLedger) -> tuple[DayTable, DayTable]:
    """The trades with their total, and why candidates were not traded, most frequent first."""
    return _trades(ledger), _skips(ledger)


def clock(ts_ns: int) -> str:
    """Time of day in New York, whole seconds."""
    return datetime.fromtimestamp(ts_ns // NS_PER_S, tz=UTC).astimezone(NEW_YORK).strftime("%H:%M:%S")


def signed_usd(amount_uusd: int) -> str:
    """Dollars and cents with a sign; zero has none. Half cents are rounded to even."""
    text = f"{usd_from_uusd(abs(amount_uusd)):,.2f}"
    return text if not amount_uusd else f"{MINUS if amount_uusd < 0 else '+'}{text}"


def _trades(ledger: DayLedger) -> DayTable:
    title = f"Trades of {ledger.instrument}"
    if ledger.trades and all(trade.hypothetical for trade in ledger.trades):
        title += ", HYPOTHETICAL: filled by the simulator"
    elif any(trade.hypothetical for trade in ledger.trades):
        title += " (~ HYPOTHETICAL: filled by the simulator)"
    mixed = len({trade.hypothetical for trade in ledger.trades}) > 1
    rows = [_trade(number, trade, ledger, mark=mixed) for number, trade in enumerate(ledger.trades, 1)]
    if rows:
        money = (ledger.gross_uusd, -ledger.commission_uusd, ledger.net_uusd)
        total = ["", "total", "", str(sum(trade.qty for trade in ledger.trades)), *[""] * 6]
        rows.append((*total, *(signed_usd(amount) for amount in money), "", "", ""))
    return DayTable(title, _TRADE_COLUMNS, _aligned(rows, numbers=(0, 3, 6, 7, 8, 10, 11, 12, 13, 14, 15)))


def _trade(number: int, trade: TradeFact, ledger: DayLedger, *, mark: bool) -> tuple[str, ...]:
    held_s = (trade.exit_ts_ns - trade.entry_ts_ns) / NS_PER_S
    return (
        str(number) + ("~" if mark and trade.hypothetical else ""),
        trade.template,
        "long" if trade.side is Side.BUY else "short",
        str(trade.qty),
        clock(trade.entry_ts_ns),
        clock(trade.exit_ts_ns),
        f"{held_s:,.1f} s",
        f"{trade.entry_ticks * ledger.tick_size_points:,.2f}",
        f"{trade.exit_ticks * ledger.tick_size_points:,.2f}",
        trade.exit_reason,
        signed_usd(trade.gross_uusd),
        signed_usd(-trade.commission_uusd),
        signed_usd(trade.net_uusd),
        "" if trade.mae_ticks is None else f"{trade.mae_ticks:g}",
        "" if trade.mfe_ticks is None else f"{trade.mfe_ticks:g}",
        f"{trade.slippage_ticks:g}",
    )


def _skips(ledger: DayLedger) -> DayTable:
    total = sum(ledger.skips.values())
    most = max(ledger.skips.values(), default=0)
    rows = []
    for reason, count in sorted(ledger.skips.items(), key=lambda item: (-item[1], item[0])):
        by = max(ledger.skips_by_template, key=lambda name: ledger.skips_by_template[name].get(reason, 0))
        share = f"{100 * count / total:.1f} %"
        rows.append((reason, MEANINGS.get(reason, ""), f"{count:,}", share, by, _bar(count / most)))
    title = f"Why not: {total:,} skips of {ledger.decisions:,} decisions, {ledger.entries:,} entries sent"
    if ledger.live_would_block:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in ledger.live_would_block.items())
        title += f"; LIVE would have refused {sum(ledger.live_would_block.values()):,} ({reasons})"
    return DayTable(title, _SKIP_COLUMNS, _aligned(rows, numbers=(2, 3)))


def _bar(part: float) -> str:
    """A bar of up to `BAR_CELLS` cells in steps of an eighth; the smallest part still shows."""
    whole, eighths = divmod(max(round(8 * BAR_CELLS * part), 1), 8)
    return ("█" * whole + _EIGHTHS[eighths]).rstrip()


def _aligned(rows: Sequence[tuple[str, ...]], *, numbers: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """The rows with the columns `numbers` padded on the left to one width each."""
    widths = {column: max((len(row[column]) for row in rows), default=0) for column in numbers}
    return tuple(
        tuple(cell.rjust(widths[column]) if column in widths else cell for column, cell in enumerate(row))
        for row in rows
    )
