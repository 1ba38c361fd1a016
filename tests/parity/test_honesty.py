"""Minutes judged: every number here is worked out by hand from docs/parity.md."""

import pytest

from tests.parity import tape
from tests.parity.tape import BEGIN, MINUTE, S
from trading_bot.core.honesty import HonestyJudge, flagged_spans, honesty_of
from trading_bot.domain.honesty import score_of


def minute_of_bars(number, volume, low=100, high=101, *, session=None):
    """Twelve bars of `volume` lots; with `session` the cumulative volume goes on from there."""
    told = []
    for n in range(12):
        at_s = 60 * number + 5 * n
        total = -1 if session is None else session + volume * (n + 1)
        told.append((at_s + 5.5, tape.witnessed(at_s, volume, low, high, session=total)))
    return told


def prints(number, lots, *, low=100, high=101, but=()):
    """Two prints in each five seconds, at both ends of the range, `lots` together; `but` are bars without."""
    made = []
    for n in range(12):
        at_ns = BEGIN + (60 * number + 5 * n + 1) * S
        if n not in but:
            made += [(at_ns / S, tape.trade(at_ns, low, lots - 1)), (at_ns / S + 1, tape.trade(at_ns + S, high, 1))]
    return made


def judged(*parts, **documents):
    """A log of these parts, each (seconds since the epoch or since BEGIN, item), in order of time."""
    items = []
    for at_s, item in (row for part in parts for row in part):
        when = at_s if at_s > 1e9 else BEGIN / S + at_s
        items.append((when, tape.span(item) if isinstance(item, bytes) else item))
    items.sort(key=lambda row: row[0])
    end = tape.witnessed(None, 0, 0, 0, told_s=100_000)
    minutes = honesty_of([tape.started(**documents), *(item for _, item in items), end])
    return {(minute.begin_ns - BEGIN) // MINUTE: minute for minute in minutes}


def test_prints_that_are_all_there_score_100():
    found = judged(minute_of_bars(0, 10), minute_of_bars(1, 10), prints(0, 10), prints(1, 10))
    assert [found[n].score for n in (0, 1)] == [100, 100]
    assert (found[1].bars, found[1].prints, found[1].lots_seen, found[1].lots_told) == (12, 24, 120, 120)
    assert found[0].bars == 11, "the first bar began before anybody listened"
    assert not any(minute.flagged for minute in found.values())


def test_lots_that_no_print_has_are_missing_and_flag_their_minute_alone():
    found = judged(*(minute_of_bars(n, 10) for n in range(3)), prints(0, 10), prints(1, 10, but={4, 5}), prints(2, 10))
    lost = found[1]
    # 20 of 120 lots: 17 % rounded up, two points each. The neighbours' prints have the same range.
    assert (lost.lots_missing, lost.lots_extra, lost.ticks_unseen, lost.score) == (20, 0, 0, 66)
    assert lost.flagged
    assert (found[0].score, found[2].score) == (100, 100)


def test_prints_beyond_the_bars_are_extra():
    twice = [(at_s + 0.2, record) for at_s, record in prints(1, 10)[:2]]
    found = judged(*(minute_of_bars(n, 10) for n in range(2)), prints(0, 10), prints(1, 10), twice)
    # 10 lots too many of 120: 9 % rounded up.
    assert (found[1].lots_missing, found[1].lots_extra, found[1].score) == (0, 10, 82)


def test_a_print_stamped_into_the_neighbouring_bar_is_no_error():
    moved = prints(1, 10)
    at_ns = BEGIN + 64 * S
    moved[0] = (moved[0][0], tape.trade(at_ns, 100, 9, event_ns=at_ns + S))  # 9 lots, one second late
    found = judged(minute_of_bars(0, 10), minute_of_bars(1, 10), prints(0, 10), moved)
    assert (found[1].lots_missing, found[1].lots_extra, found[1].score) == (0, 0, 100)


@pytest.mark.parametrize(
    ("low", "high", "unseen"),
    [(98, 101, 2), (100, 104, 3), (99, 102, 2)],
    ids=["below", "above", "both"],
)
def test_a_range_that_no_print_has_is_unseen(low, high, unseen):
    found = judged(minute_of_bars(0, 10), minute_of_bars(1, 10, low, high), prints(0, 10), prints(1, 10))
    assert found[1].ticks_unseen == unseen
    assert found[1].score == 100 - 5 * unseen
    assert found[1].flagged == (unseen > 2)


def test_a_print_that_no_bar_has_is_unseen_too():
    found = judged(minute_of_bars(0, 10), minute_of_bars(1, 10), prints(0, 10), prints(1, 10, high=104))
    assert found[1].ticks_unseen == 3


def test_the_sessions_volume_finds_what_bars_do_not_tell():
    """No bars at all: ten samples of the volume in each minute; in the second one 40 lots are in no print."""
    told, seen, volume = [], [], 1_000
    for n in range(30):
        at_s = 6.0 * n + 1
        volume += 12 + (40 if n == 13 else 0)
        seen.append((at_s, tape.trade(BEGIN + round(at_s * S), 100, 12)))
        told.append((at_s + 0.3, tape.witnessed(None, 0, 0, 0, session=volume, told_s=at_s + 0.3)))
    found = judged(told, seen)
    assert {n: row.volume_missing for n, row in found.items()} == {0: 0, 1: 38, 2: 0}  # 2 of 120 lots are forgiven
    assert found[1].lots_told == 158
    assert found[1].score == 100 - 2 * 25  # 24.05 %, rounded up
    assert [row.bars for row in found.values()] == [0, 0, 0]


def test_volume_traded_while_nobody_listened_flags_every_minute_of_it():
    told = [
        *(
            (at_s, tape.witnessed(None, 0, 0, 0, session=1_000 + 10 * n, told_s=at_s))
            for n, at_s in enumerate((2, 12, 22))
        ),
        (200, tape.witnessed(None, 0, 0, 0, session=1_420, told_s=200)),
    ]
    seen = [(at_s, tape.trade(BEGIN + at_s * S, 100, 10)) for at_s in (1, 11, 21)]
    found = judged(told, seen)
    assert {n: row.volume_missing for n, row in found.items()} == {0: 100, 1: 100, 2: 100, 3: 100}
    assert all(row.flagged for row in found.values())
    assert [found[n].prints for n in range(4)] == [3, 0, 0, 0]


def test_volume_that_came_in_one_packet_with_prints_is_compared_with_all_of_them():
    """One packet has one receive time, and the log has inputs before records of the same time."""
    told, seen = [], []
    for n, at_s in enumerate((*[2] * 6, 12, 22, 32, 42)):  # a stalled process hears much at once
        told.append((at_s, tape.witnessed(None, 0, 0, 0, session=1_000 + 500 * n, told_s=at_s)))
        seen.append((at_s + 1e-6, tape.trade(BEGIN + at_s * S, 100, 500)))
    found = judged(told, seen, [(50, tape.quote(BEGIN + 50 * S, 100, 1, 101, 1))])
    assert (found[0].lots_seen, found[0].volume_missing, found[0].score) == (5_000, 0, 100)


def test_a_new_sessions_volume_begins_anew_and_its_losses_are_found():
    """Ten lots in each ten seconds; after 40 s the count starts again. In the second minute 30 lots are in no print."""
    totals = [90_000, 90_010, 90_020, 90_030, 10, 20, 30, 40, 50, 90, 100, 110]
    told = [(10 * n + 2, tape.witnessed(None, 0, 0, 0, session=v, told_s=10 * n + 2)) for n, v in enumerate(totals)]
    seen = [(10 * n + 1, tape.trade(BEGIN + (10 * n + 1) * S, 100, 10)) for n in range(12)]
    found = judged(told, seen)
    assert {n: row.volume_missing for n, row in found.items()} == {0: 0, 1: 29}  # 1 of 60 lots is forgiven


def test_a_minute_nobody_witnessed_has_no_score_and_is_not_called_honest():
    found = judged(prints(0, 10))
    assert (found[0].score, found[0].state, found[0].flagged) == (None, "unwitnessed", False)


def test_prints_that_never_came_are_missing_from_the_second_bar_on():
    found = judged(*(minute_of_bars(n, 10) for n in range(3)), prints(2, 10))
    assert (found[0].lots_missing, found[1].lots_missing, found[2].lots_missing) == (110, 120, 0)
    assert (found[0].score, found[1].score) == (0, 0)


def test_refused_prints_are_missing_and_told():
    off = [(70.5, tape.refused(BEGIN + round(70.5 * S), 7.1, 9))]
    kept = [row for row in prints(1, 10) if row[0] != BEGIN / S + 71]
    assert len(kept) == 23
    found = judged(minute_of_bars(0, 10), minute_of_bars(1, 10), prints(0, 10), kept, off)
    assert (found[1].lots_refused, found[1].lots_missing) == (9, 9)


def test_ticks_and_bars_of_another_instrument_do_not_count():
    other = [
        (61.5, tape.trade(BEGIN + 61 * S, 100, 500, instrument=9)),
        (62.0, tape.witnessed(60, 900, 1, 2, instrument=9)),
    ]
    found = judged(minute_of_bars(0, 10), minute_of_bars(1, 10), prints(0, 10), prints(1, 10), other)
    assert {row.score for row in found.values()} == {100}


def test_neighbouring_flagged_minutes_are_one_span():
    lost = set(range(12))
    parts = [minute_of_bars(n, 10) for n in range(6)]
    parts += [prints(n, 10, but=lost if n in {1, 2, 4} else ()) for n in range(6)]
    spans = flagged_spans(list(judged(*parts).values()))
    assert [((a - BEGIN) // MINUTE, (b - BEGIN) // MINUTE) for a, b in spans] == [(1, 3), (4, 5)]


def test_a_log_without_a_beginning_has_no_minutes():
    assert HonestyJudge().minutes() == []


@pytest.mark.parametrize(
    ("told", "missing", "extra", "unseen", "score"),
    [(1000, 0, 0, 0, 100), (1000, 1, 0, 0, 98), (1000, 50, 0, 0, 90), (1000, 51, 0, 0, 88), (0, 0, 0, 0, 100),
     (10, 0, 10, 0, 0), (1000, 20, 30, 2, 80), (5, 5, 0, 9, 0)],
)  # fmt: skip
def test_the_score(told, missing, extra, unseen, score):
    assert score_of(lots_told=told, lots_missing=missing, lots_extra=extra, ticks_unseen=unseen) == score
