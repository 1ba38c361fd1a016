"""Sections of the end of a day, for one book of it."""

from typing import Final

from trading_bot.domain.units import NS_PER_MS, NS_PER_S, TS_NEVER_NS
from trading_bot.pages import day_end_blocks as blocks
from trading_bot.pages import numbers
from trading_bot.pages.page import BAD, GOOD, WARN, Block, Cell, Column, Note, Pairs, Row, Section, Table, Value
from trading_bot.pages.trace import Trace
from trading_bot.reports.day_end_records import BookDay, StandingBreaker
from trading_bot.reports.standing import Standing

FLAT: Final = "FLAT"
NOT_FLAT: Final = "NOT FLAT"


def name_of(book: BookDay) -> str:
    """A book's name on a page with several."""
    return f"{book.mode} {book.instrument} ({book.adapter})"


def sections_of(book: BookDay, trace: Trace, *, named: bool) -> list[Section]:
    """All sections; `named`: the page has several books."""
    anchor = f"{book.mode}-{book.adapter}-{book.instrument}".lower()
    of = f" of {name_of(book)}" if named else ""
    parts: tuple[tuple[str, str, tuple[Block, ...]], ...] = (
        ("flat", "Position", _position(book, trace)),
        ("money", "Money", _money(book, trace)),
        ("why-not", "Why not", _why_not(book, trace)),
        ("changed", "What changed", changed(book, trace)),
        ("next", "Next session", (_ahead(book),)),
        ("runs", "Runs", (_runs(book), *(Note(_short(text, book)) for text in book.notes))),
    )
    return [
        Section(anchor=f"{anchor}-{name}", title=f"{title}{of}", short=f"{title}{of}", blocks=found)
        for name, title, found in parts
    ]


def _short(text: str, book: BookDay) -> str:
    """A sentence in which logs are named as commands take them."""
    for log in (log for run in book.runs for log in run.logs):
        text = text.replace(log, blocks.short_log(log))
    return text


def _position(book: BookDay, trace: Trace) -> tuple[Block, ...]:
    reasons = [Note(f"{NOT_FLAT}: {text}", BAD, brief=True) for text in book.open_reasons]
    columns = (
        Column("log"),
        Column("flat"),
        Column("position", number=True),
        Column("orders at work", number=True),
        Column("the broker's word"),
        Column("ended by"),
    )
    rows = tuple(_standing(one, trace) for one in book.standings)
    pairs: list[tuple[str, Cell]] = [
        ("longest without a stop at the broker", f"{book.naked_ns_max / NS_PER_MS:,.0f} ms"),
        ("data were down", f"{book.data_down_ns / NS_PER_S:,.0f} s"),
    ]
    if book.equity_uusd is not None:
        pairs.insert(0, ("equity after the last trade", f"{numbers.usd(book.equity_uusd)} USD"))
    return (
        *reasons,
        Table(title="Flat assertion", columns=columns, rows=rows),
        Pairs(title="", pairs=tuple(pairs)),
    )


def _standing(one: Standing, trace: Trace) -> Row:
    qty = "unknown" if one.position_qty is None else _lots(one.position_qty)
    return Row(
        (
            f"{one.run_id}/{one.name}",
            Value("yes" if one.flat else "NO", GOOD if one.flat else BAD),
            Value(qty, "" if one.position_qty == 0 else BAD, trace.ref("position", {one.log: (one.position_seq,)})),
            Value(
                str(len(one.orders)),
                BAD if one.orders else "",
                trace.ref("orders at work", {one.log: tuple(order.seq for order in one.orders)}),
            ),
            _word(one, trace),
            one.exit_reason or Value("no orderly end: cut, or still running", WARN),
        )
    )


def _lots(qty: int) -> str:
    return f"{qty:+d}" if qty else "0"


def _word(one: Standing, trace: Trace) -> Cell:
    """What the broker said last."""
    if not one.at_broker:
        return "none: a simulated exchange"
    if one.compared is None:
        return Value("never asked", WARN)
    said = one.compared
    foreign = f", {said.foreign_orders} orders of others" if said.foreign_orders else ""
    orders = numbers.several(said.theirs_working, "order")
    text = f"{numbers.clock(said.ts_ns)}: position {_lots(said.theirs_qty)}, {orders}{foreign}"
    if not said.ok:
        text = f"{numbers.clock(said.ts_ns)}: no answer"
    return Value(text, "" if said.ok else BAD, trace.ref("comparison with the broker", {one.log: (said.seq,)}))


def _money(book: BookDay, trace: Trace) -> tuple[Block, ...]:
    stray, notes = book.stray, []
    if stray.net_uusd is None:
        told = f"{numbers.several(stray.fills, 'fill')} of a position that is open: in no sum here."
        notes = [Note(told, WARN, brief=True)]
    elif stray.fills:
        amount = numbers.usd(stray.net_uusd, sign=True)
        told = (
            f"{numbers.several(stray.fills, 'fill')} of no trade: {amount} USD. A process that began cold knew "
            "no trade of theirs, so that no sum here, and no summary, has them; the account has."
        )
        notes = [Note(told, WARN, brief=True)]
    return (
        *notes,
        blocks.by_name("By template", "template", book.by_template, book.total, trace),
        blocks.by_name("By what ended them", "ended by", book.by_exit, book.total, trace),
        blocks.trades_table(book.trades, book.tick_size_points, trace),
    )


def _why_not(book: BookDay, trace: Trace) -> tuple[Block, ...]:
    counted = (
        ("Refused by the safety gate", "check", book.refusals, ""),
        ("Comparisons with the broker", "found", book.comparisons, ""),
        ("Alerts", "code", book.alerts, "level"),
    )
    return (
        blocks.skips_table(book.skips, book.skips_by_template, trace),
        *(
            blocks.counts_table(title, name, counts, trace, meaning=meaning)
            for title, name, counts, meaning in counted
            if counts
        ),
    )


def changed(book: BookDay, trace: Trace) -> tuple[Block, ...]:
    """What is not as it was in the morning."""
    return (
        blocks.changes_table("Learning", book.learning, trace, empty="No template changed its state."),
        blocks.changes_table("Breakers and rules", book.breakers, trace, empty="None tripped."),
        blocks.changes_table("Kill switch, restarts, data", book.trouble, trace, empty="Nothing."),
    )


def _ahead(book: BookDay) -> Block:
    pairs: list[tuple[str, Cell]] = []
    ahead = book.next_session
    if ahead is None:
        pairs.append(("session", Value("not known: the calendar in the log does not reach so far", WARN)))
    else:
        entries = f"{numbers.clock(ahead.entries_from_ns)} to {numbers.clock(ahead.entries_to_ns)}"
        told = [
            f"{numbers.clock(one.ts_ns)} {one.name} (tier {one.tier}{', date unverified' if one.unverified else ''})"
            for one in ahead.events
        ]
        unknown = Value("not known: the events file does not cover the day, so that nothing is entered", WARN)
        pairs += [
            ("session", numbers.day(ahead.trade_date)),
            ("open", f"{numbers.clock(ahead.open_ns)} to {numbers.clock(ahead.close_ns)} in New York"),
            ("entries", entries),
            ("flat from", numbers.clock(ahead.flatten_ns)),
            ("scheduled events", ("; ".join(told) or "none") if ahead.events_known else unknown),
        ]
    standing = "; ".join(_breaker(one) for one in book.breakers_standing)
    pairs.append(("breakers that stand", Value(standing, BAD) if standing else "none"))
    pairs.append(("learning", blocks.learning_states(book.learning_states)))
    if book.kill_reason:
        pairs.append(("kill switch", Value(f"stands: {book.kill_reason}; `trading-bot unkill --reason TEXT`", BAD)))
    return Pairs(title="What is next", pairs=tuple(pairs), brief=True)


def _breaker(one: StandingBreaker) -> str:
    until = "a person" if one.resumes_at_ns == TS_NEVER_NS else blocks.moment(one.resumes_at_ns)
    return f"{one.breaker} until {until} ({one.reason})"


def _runs(book: BookDay) -> Table:
    rows = tuple(
        Row(
            (
                run.run_id,
                blocks.moment(run.ts_first_ns),
                blocks.moment(run.ts_last_ns),
                numbers.count(run.records),
                str(run.restarts),
                run.exit_reason or "no orderly end",
                run.config_hash[:12],
            )
        )
        for run in book.runs
    )
    columns = (
        Column("run"),
        Column("from"),
        Column("to"),
        Column("records", number=True),
        Column("restarts", number=True),
        Column("ended by"),
        Column("configuration"),
    )
    return Table(title="Runs", columns=columns, rows=rows)
