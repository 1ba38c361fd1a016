"""Position algebra and the ledger (EX19; specification 1, 8.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.errors import CoreBug
from trading_bot.domain.orders import Side
from trading_bot.engines import position as book
from trading_bot.engines.position import (
    FLAT,
    Account,
    Excursion,
    FillKind,
    Lot,
    Position,
    StopCover,
    apply_fill,
    fill_kind,
)

B, S = Side.BUY, Side.SELL
MES_TICK_UUSD = 1_250_000
MIRROR_TICKS = 40_000
FILLS = st.lists(
    st.tuples(st.sampled_from([B, S]), st.integers(1, 9), st.integers(18_000, 22_000)), min_size=1, max_size=40
)


def played(fills):
    position, realised = FLAT, 0
    for number, (side, qty, price) in enumerate(fills):
        position, ticks = apply_fill(position, side, qty, price, number)
        realised += ticks
    return position, realised


@pytest.mark.parametrize(
    ("held", "side", "qty", "kind"),
    [
        (0, B, 1, FillKind.OPEN),
        (0, S, 3, FillKind.OPEN),
        (2, B, 1, FillKind.ADD),
        (-2, S, 5, FillKind.ADD),
        (3, S, 2, FillKind.REDUCE),
        (-3, B, 1, FillKind.REDUCE),
        (3, S, 3, FillKind.CLOSE),
        (-1, B, 1, FillKind.CLOSE),
        (1, S, 2, FillKind.FLIP),
        (-2, B, 7, FillKind.FLIP),
    ],
)
def test_a_fill_is_told_by_sign_and_size(held, side, qty, kind):
    assert fill_kind(held, side, qty) is kind


def test_oldest_lots_close_first():
    # 2 @ 100 and 3 @ 104; selling 4 @ 110 takes both of the first and two of the second: 2×10 + 2×6 = 32.
    position, realised = played([(B, 2, 100), (B, 3, 104), (S, 4, 110)])
    assert (position, realised) == (Position(1, (Lot(104, 1, 1),)), 32)


def test_a_flip_closes_all_and_opens_the_rest_at_its_price():
    # Short 2 @ 200, buying 5 @ 190 realises 2×10 and leaves long 3 @ 190.
    position, realised = played([(S, 2, 200), (B, 5, 190)])
    assert (position, realised) == (Position(3, (Lot(190, 3, 1),)), 20)


@pytest.mark.parametrize("qty", [0, -1])
def test_a_fill_of_no_contracts_is_a_bug(qty):
    with pytest.raises(CoreBug, match="expected 1 or more"):
        apply_fill(FLAT, B, qty, 100, 0)


@given(FILLS)
def test_the_position_is_the_sum_of_its_fills(fills):
    position, _ = played(fills)
    assert position.qty == sum(qty if side is B else -qty for side, qty, _ in fills)
    assert sum(lot.qty for lot in position.lots) == abs(position.qty)
    assert all(lot.qty >= 1 for lot in position.lots)


@given(FILLS, st.integers(18_000, 22_000))
def test_realised_plus_unrealised_telescopes(fills, mark):
    """What fills cost and what the rest is worth at a mark, without any lots."""
    position, realised = played(fills)
    cash = sum(-qty * price if side is B else qty * price for side, qty, price in fills)
    assert realised + book.unrealised_ticks(position, mark) == cash + position.qty * mark


@given(FILLS, st.integers(18_000, 22_000))
def test_mirrored_fills_give_a_mirrored_position_and_equal_results(fills, mark):
    mirrored = [(S if side is B else B, qty, MIRROR_TICKS - price) for side, qty, price in fills]
    position, realised = played(fills)
    other, other_realised = played(mirrored)
    assert other.qty == -position.qty
    assert other.lots == tuple(Lot(MIRROR_TICKS - lot.price_ticks, lot.qty, lot.ts_ns) for lot in position.lots)
    assert other_realised == realised
    assert book.unrealised_ticks(other, MIRROR_TICKS - mark) == book.unrealised_ticks(position, mark)


@given(FILLS)
def test_kinds_agree_with_what_happened(fills):
    position = FLAT
    for number, (side, qty, price) in enumerate(fills):
        kind = fill_kind(position.qty, side, qty)
        after, realised = apply_fill(position, side, qty, price, number)
        grew = abs(after.qty) > abs(position.qty)
        assert {
            FillKind.OPEN: position.qty == 0,
            FillKind.ADD: position.qty * after.qty > 0 and grew,
            FillKind.REDUCE: position.qty * after.qty > 0 and not grew,
            FillKind.CLOSE: position.qty != 0 and after.qty == 0,
            FillKind.FLIP: position.qty * after.qty < 0,
        }[kind]
        if kind in {FillKind.OPEN, FillKind.ADD}:
            assert realised == 0
        position = after


def test_the_worst_case_is_the_loss_at_the_stops():
    # Long 1 @ 20000, stop 12 ticks below: -12 ticks are -15 dollars on MES.
    long, _ = apply_fill(FLAT, B, 1, 20_000, 0)
    assert book.worst_ticks(long, 20_003, [StopCover(19_988, 1)]) == -12
    assert book.worst_ticks(long, 20_003, [StopCover(19_988, 1)]) * MES_TICK_UUSD == -15_000_000
    # A trailed stop 2 above the entry locks 2; a gap to 19980 costs 20 whatever the trigger says.
    assert book.worst_ticks(long, 20_010, [StopCover(20_002, 1)]) == 2
    assert book.worst_ticks(long, 19_980, [StopCover(19_988, 1)]) == -20


def test_an_unprotected_contract_has_no_known_worst_case():
    short, _ = apply_fill(FLAT, S, 2, 20_000, 0)
    assert book.worst_ticks(short, 20_000, []) is None
    assert book.worst_ticks(short, 20_000, [StopCover(20_008, 1)]) is None
    # One too many: the worst two count, 8 and 6 above a short.
    assert book.worst_ticks(short, 20_000, [StopCover(20_004, 1), StopCover(20_008, 1), StopCover(20_006, 1)]) == -14
    assert book.worst_ticks(FLAT, 20_000, []) == 0


def test_excursions_follow_the_side():
    long = Excursion(100, 100).with_mark(1, 105).with_mark(1, 98).with_mark(1, 101)
    short = Excursion(100, 100).with_mark(-1, 105).with_mark(-1, 98).with_mark(-1, 101)
    assert (long, short) == (Excursion(105, 98), Excursion(98, 105))


def test_a_round_trip_on_the_ledger():
    # +8 ticks on one MES: 10 dollars gross, 1.25 a side, 7.50 net.
    account = book.with_fill(book.open_account(10_000_000_000), 0, 1_250_000, MES_TICK_UUSD)
    account = book.with_fill(account, 8, 1_250_000, MES_TICK_UUSD)
    assert (account.gross_uusd, account.fees_uusd, account.net_uusd) == (10_000_000, 2_500_000, 7_500_000)
    assert account.equity_uusd(0) == 10_007_500_000
    assert account.equity_uusd(-5_000_000) == 10_002_500_000


def test_the_peak_rises_with_the_mark_and_stays():
    account = book.marked(book.open_account(10_000_000_000), 50_000_000)
    assert account.peak_uusd == 10_050_000_000
    assert book.marked(account, -70_000_000).peak_uusd == 10_050_000_000
    assert book.rebased(account, -70_000_000).peak_uusd == 9_930_000_000


def test_a_day_and_a_week_roll():
    account = book.with_fill(book.open_account(1_000_000_000), -40, 0, MES_TICK_UUSD)  # -50 dollars
    tuesday = book.next_day(account, 950_000_000, new_week=False)
    assert (tuesday.day_start_uusd, tuesday.net_uusd, tuesday.week_uusd(0)) == (950_000_000, 0, -50_000_000)
    assert (tuesday.week_start_uusd, tuesday.peak_uusd) == (1_000_000_000, 1_000_000_000)
    monday = book.next_day(tuesday, 950_000_000, new_week=True)
    assert (monday.week_start_uusd, monday.week_uusd(0), monday.own_uusd(0)) == (950_000_000, 0, -50_000_000)


def test_money_from_outside_moves_neither_drawdown_nor_own_result():
    # 1000 down to 900 is 10 %; 900 more overnight make 1800, which is 10 % below a peak of 2000.
    account = book.with_fill(book.open_account(1_000_000_000), -80, 0, MES_TICK_UUSD)
    after = book.next_day(account, 1_800_000_000, new_week=False)
    assert (after.peak_uusd, after.own_uusd(0)) == (2_000_000_000, -100_000_000)
    # A withdrawal of half likewise.
    assert book.next_day(account, 450_000_000, new_week=False).peak_uusd == 500_000_000


def test_a_position_carried_overnight_counts_once():
    account = book.open_account(1_000_000_000)
    after = book.next_day(account, 1_010_000_000, new_week=False, unrealised_uusd=10_000_000)
    assert after.equity_uusd(10_000_000) == 1_010_000_000


@given(st.integers(1, 10**12), st.integers(-(10**11), 10**11), st.integers(1, 10**12))
def test_the_drawdown_share_never_shrinks_over_night(start, result, next_start):
    account = Account(day_start_uusd=start, week_start_uusd=start, peak_uusd=start, gross_uusd=result)
    equity = account.equity_uusd(0)
    after = book.next_day(account, next_start, new_week=False)
    peak = max(start, equity)
    if equity > 0:
        assert (after.peak_uusd - next_start) * peak >= (peak - equity) * after.peak_uusd
        # ... and rounding adds less than one micro-dollar.
        assert (after.peak_uusd - 1) * equity < next_start * peak
    else:
        assert after.peak_uusd - next_start == peak - equity
