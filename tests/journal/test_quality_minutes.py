"""The quality of each minute from a log written by hand."""

from tests.reports import day_log as day
from trading_bot.domain import events
from trading_bot.domain.records import REJECTED_RECORD, TICK_RECORD, FrameClass, FrameKind
from trading_bot.journal.quality_minutes import QualityMinute, quality_minutes

MINUTE_NS = 60_000_000_000


def printed(seconds, *, instrument=1):
    ts_ns = day.at(seconds)
    return TICK_RECORD.pack(
        0, 64, 0, FrameKind.TRADE, FrameClass.INPUT, instrument, 0, ts_ns, ts_ns, 24_000, 0, 1, 0, 1, 0, 0, 0
    )


def rejected(seconds):
    ts_ns = day.at(seconds)
    return REJECTED_RECORD.pack(
        0, 64, 0, FrameKind.REJECTED, FrameClass.INPUT, 1, 0, ts_ns, ts_ns, 1.5, 0.0, 1, FrameKind.QUOTE, 0, 0
    )


def changed(seconds, dvs_c, *, down):
    return events.QualityStateChanged(ts_ns=day.at(seconds), data_down=down, dvs_c=dvs_c)


def minutes(folder, *records):
    found = quality_minutes(day.write(folder / "log", [day.started(), day.carried(), *records]))
    return {(row.minute_ns - day.OPEN_NS) // MINUTE_NS: row for row in found}


def test_records_are_counted_where_they_were_received(tmp_path):
    found = minutes(
        tmp_path,
        day.quote(day.at(0), 1, 2), day.quote(day.at(59.999999999), 1, 2), day.quote(day.at(60), 1, 2),
        printed(61), printed(62), rejected(63), printed(200), printed(201, instrument=2),
    )  # fmt: skip
    assert {at: (row.quotes, row.prints, row.rejected) for at, row in found.items()} == {
        0: (2, 0, 0),
        1: (1, 2, 1),
        3: (0, 1, 0),  # the print of the other market is none of ours
    }


def test_the_data_score_is_the_lowest_told_and_the_last(tmp_path):
    found = minutes(tmp_path, day.outcome(1, 97), day.outcome(2, 60), day.outcome(3, 88), *day.waves(30, 150))
    assert {at: (row.dvs_min_c, row.dvs_last_c) for at, row in found.items()} == {
        0: (60, 88),
        1: (None, 88),  # nothing was told in it
        2: (None, 88),
    }


def test_a_minute_is_down_when_any_part_of_it_was(tmp_path):
    records = [*day.waves(0, 60), changed(60, 20, down=True), *day.waves(61, 190), changed(190, 90, down=False)]
    found = minutes(tmp_path, *records, *day.waves(200, 290))
    assert {at: row.data_down for at, row in found.items()} == {0: False, 1: True, 2: True, 3: True, 4: False}


def test_a_rejected_order_costs_the_execution_score_from_then_on(tmp_path):
    """Specification 5: a rejection takes 15 hundredths, which come back with a half-life."""
    told = events.OrderRejected(ts_ns=day.at(90), order_id=(1, 0), code=201, text="no")
    found = minutes(tmp_path, *day.waves(0, 90), told, *day.waves(91, 300))
    assert found[0].eqs_min_c == 100
    assert found[1].eqs_min_c == 85
    assert found[1].eqs_min_c <= found[2].eqs_min_c <= found[3].eqs_min_c <= 100


def test_nothing_tells_of_honesty_without_a_witness(tmp_path):
    found = minutes(tmp_path, printed(1))
    assert found == {
        0: QualityMinute(
            minute_ns=day.OPEN_NS, quotes=0, prints=1, rejected=0, dvs_min_c=None, dvs_last_c=None, eqs_min_c=100,
            data_down=False, honesty=None, lots_missing=None,
        )
    }  # fmt: skip
