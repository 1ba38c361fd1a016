"""DG13 on recorded minutes of ES (2013-10-07 to -11), against pandas: every price, touch, strength and the bias.

Written from docs/levels.md: whole columns at once where the engine goes bar by bar.
"""

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.levels_config import LevelsConfig
from trading_bot.engines.level_spans import Place
from trading_bot.engines.levels import LevelState, advance, bias_e6, level_rules, levels, remember
from trading_bot.engines.session import parse_calendar

DAYS = ("20131006", "20131007", "20131008", "20131009", "20131010", "20131011")
ROOT = Path(__file__).resolve().parents[2]
RULES = level_rules(LevelsConfig(), 250_000_000, anchor_rth=True)


@pytest.fixture(scope="module")
def minutes(shared_data):
    """The December contract, prices in ticks; `row` counts sessions by their Globex times in UTC."""
    frames = []
    for date in DAYS:
        with zipfile.ZipFile(shared_data / "es_1min" / f"future_cme_minute_es_{date}_trade.zip") as archive:
            text = archive.read(f"{date}_es_minute_trade_201312.csv")
        frame = pd.read_csv(io.BytesIO(text), names=["ms", "O", "H", "L", "C", "V"])
        frame["ts"] = pd.Timestamp(date).value + frame["ms"] * 1_000_000
        frames.append(frame)
    found = pd.concat(frames, ignore_index=True)
    found[list("OHLC")] = (found[list("OHLC")] * 4).round().astype("int64")
    found["V"] = found["V"].astype("int64")
    found["N"] = found["V"] * (found["H"] + found["L"]) // 2
    # The session of a minute: 22:00 UTC to 21:00 UTC.
    found["row"] = (found["ts"] + 2 * 3600 * 10**9) // (24 * 3600 * 10**9)
    found["hour"] = (found["ts"] % (24 * 3600 * 10**9)) / (3600 * 10**9)
    found["rth"] = (found["hour"] >= 13.5) & (found["hour"] < 20)
    found = found[(found["hour"] < 21) | (found["hour"] >= 22)]  # the calendar's sessions end at 21:00
    return found.drop_duplicates("ts").reset_index(drop=True)


@pytest.fixture(scope="module")
def engine(minutes):
    """(state, levels, bias) after every minute; the first two days enter as history."""
    table = parse_calendar(load_calendar("us_index.csv", ROOT / "data").extract(20_131_004, 12), source="test")
    state, rows = LevelState(), []
    first_row = minutes["row"].iloc[0]
    for row in minutes.itertuples():
        bar = MinuteBar(row.ts, row.O, row.H, row.L, row.C, row.V, row.N)
        place = Place(table.trading_day(row.ts))
        if row.row < first_row + 2:
            state = remember(state, bar, place, RULES)
            continue
        state = advance(state, bar, place, (), RULES)
        found = levels(state, (), RULES)
        rows.append((row.ts, state, found, bias_e6(found, row.C, RULES)))
    return rows


@pytest.fixture(scope="module")
def prices(minutes):
    """Name and price (ticks) of each level after each minute: long form, from groups of whole sessions."""
    own = minutes
    day = own.groupby("row").agg(PDH=("H", "max"), PDL=("L", "min"))
    rth = own[own["rth"]].groupby("row").agg(PSH=("H", "max"), PSL=("L", "min"), PDC=("C", "last"))
    night = own[own["hour"].ge(22) | own["hour"].lt(13.5)].groupby("row").agg(ONH=("H", "max"), ONL=("L", "min"))
    opening = own[own["hour"].ge(13.5) & own["hour"].lt(13.75)].groupby("row").agg(ORH=("H", "max"), ORL=("L", "min"))
    wide = own.join(day.join(rth).shift(), on="row").join(night, on="row").join(opening, on="row")
    after_open = wide["hour"].ge(13.5) & wide["hour"].lt(22)
    wide.loc[~after_open, ["ONH", "ONL"]] = None
    over = after_open & wide["hour"].ge(13.75 - 1 / 60 - 1e-9) & (wide["ORH"] - wide["ORL"]).ge(8)
    wide.loc[~over, ["ORH", "ORL"]] = None
    anchor = wide["row"] * 2 + after_open
    volume, notional = wide.groupby(anchor)["V"].cumsum(), wide.groupby(anchor)["N"].cumsum()
    closes = (wide["V"] * wide["C"]).groupby(anchor).cumsum()
    squares = (wide["V"] * wide["C"] ** 2).groupby(anchor).cumsum()
    vwap = notional / volume
    deviation = ((squares - 2 * vwap * closes + vwap**2 * volume) / volume).clip(lower=0) ** 0.5
    enough = wide.groupby(anchor).cumcount() >= 14
    for times in ("1.5", "2"):
        reach = float(times) * deviation
        wide[f"VWAP-{times}"] = (vwap - reach).where(enough & (deviation > 1e-3))
        wide[f"VWAP+{times}"] = (vwap + reach).where(enough & (deviation > 1e-3))
    return wide.set_index("ts")


NAMES = ("PSH", "PSL", "PDH", "PDL", "PDC", "ONH", "ONL", "ORH", "ORL")


def test_every_price_is_that_of_whole_sessions(engine, prices):
    seen = dict.fromkeys((*NAMES, "VWAP-1.5", "VWAP+2"), 0)
    for ts, state, _, _ in engine:
        marks = {mark.name: mark.price_ticks for mark in state.marks}
        row = prices.loc[ts]
        for name in NAMES:
            expected = None if pd.isna(row[name]) else int(row[name])
            assert marks.get(name) == expected, (ts, name)
            seen[name] += expected is not None
        for name, sign in (("VWAP-1.5", -1), ("VWAP+1.5", 1), ("VWAP-2", -1), ("VWAP+2", 1)):
            assert (name in marks) is not pd.isna(row[name]), (ts, name)
            if name in marks:
                # The last tick inside; floats may not tell at the tick itself.
                assert -1e-3 <= (row[name] - marks[name]) * sign < 1 + 1e-3, (ts, name)
                seen[name] = seen.get(name, 0) + 1
    assert min(seen.values()) > 500


@pytest.mark.parametrize("name", ["PSH", "PSL", "PDC", "ONH", "ONL", "ORH", "ORL"])
def test_touches_strength_and_acceptance_are_those_of_columns(engine, prices, name):
    checked = touched = accepted = 0
    marks = {ts: {mark.name: mark for mark in state.marks}.get(name) for ts, state, _, _ in engine}
    live = prices[prices.index.isin(list(marks)) & prices[name].notna()]
    for _, part in live.groupby(["row", name]):
        price = part[name].iloc[0]
        after = part.iloc[1:]  # the minute that made it a level does not touch it
        touching = (after["L"] - 2 <= price) & (price <= after["H"] + 2)
        touches = (touching & ~touching.shift(fill_value=False)).cumsum()
        side = (after["C"] > price).astype(int) - (after["C"] < price).astype(int)
        settled = side.where((side != 0) & (side == side.shift())).ffill()
        home = settled.bfill().iloc[0] if len(settled) else None
        for ts in after.index:
            mark = marks[ts]
            assert mark.touches == touches[ts], (ts, name)
            assert mark.accepted == (pd.notna(settled[ts]) and settled[ts] != home), (ts, name)
            checked += 1
        touched += int(touches.iloc[-1]) if len(touches) else 0
        accepted += int((settled.notna() & (settled != home)).sum())
    assert checked > 500
    assert touched


WEIGHTS = {"PS": 1.0, "OR": 1.2, "PD": 0.8, "ON": 0.9, "VWAP-1.5": 0.9, "VWAP+1.5": 0.9, "VWAP-2": 0.7, "VWAP+2": 0.7}


def test_list_and_bias_follow_from_the_marks(engine, prices):
    """Merged by strength, nearest twelve, pull of the nearest live one on each side: in floats, from the page."""
    biases = []
    for ts, state, found, bias in engine[::7]:
        close = prices.loc[ts]["C"]
        rows = []
        for mark in state.marks:
            weight = 0.6 if mark.name[0] == "R" else WEIGHTS.get(mark.name) or WEIGHTS[mark.name[:2]]
            fresh = 0.8**mark.age if 0 <= mark.age <= 120 else 0.0
            rows.append((mark.accepted, -weight * (1 + fresh), mark.price_ticks))
        kept = []
        for accepted, strength, price in sorted(rows, key=lambda row: (row[0], round(row[1], 5))):
            if all(abs(price - other) > 4 for _, _, other in kept):
                kept.append((accepted, -strength, price))
        kept = sorted(kept, key=lambda row: abs(row[2] - close))[:12]
        assert sorted(price for _, _, price in kept) == [level.price_ticks for level in found], ts
        below = max(((p, s) for a, s, p in kept if not a and p < close), default=(close - 40, 0.0))
        above = min(((p, s) for a, s, p in kept if not a and p > close), default=(close + 40, 0.0))
        pull = below[1] * max(0, 1 - (close - below[0]) / 40) - above[1] * max(0, 1 - (above[0] - close) / 40)
        assert bias / 1e6 == pytest.approx(pull / 2.4, abs=1e-4), ts
        biases.append(bias / 1e6)
    series = pd.Series(biases)
    assert series.min() < -0.3 < 0.3 < series.max()
