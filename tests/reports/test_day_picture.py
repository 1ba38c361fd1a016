"""The picture of a day: its size, what it says, and that nothing it says stands on something else."""

import itertools
import struct
import sys

import msgspec
import pytest

from tests.reports import day_log as day
from trading_bot.domain import events
from trading_bot.domain.effects import LatchKillSwitch
from trading_bot.domain.errors import UsageError
from trading_bot.domain.learning import LearningState
from trading_bot.domain.orders import Side
from trading_bot.reports.day_ledger import read_day
from trading_bot.reports.day_picture import day_figure, draw_day, summary_line


def full_day(folder):
    """Everything that a day can have, some of it at once."""
    active, light, heavy = LearningState.ACTIVE, LearningState.THROTTLED_120, LearningState.THROTTLED_150
    first = [
        day.started(),
        day.carried(),
        day.session(0, "SESSION_OPEN_DELAY"),
        *day.waves(0, 3_000),
        day.session(300, "SESSION_ENTRIES"),
        *day.three_trades(),
        day.resident(600, 6_000_000),
        events.OrderRejected(ts_ns=day.at(1_400), order_id=(5, 0), code=201, text="margin"),
        day.breaker(1_500, "LOSSES_IN_ROW", "PAUSE", tripped=True),
        day.outcome(1_600, 20),
        events.QualityStateChanged(ts_ns=day.at(1_600), data_down=True, dvs_c=20),
        day.outcome(1_900, 100),
        events.QualityStateChanged(ts_ns=day.at(1_960), data_down=False, dvs_c=100),
        day.breaker(2_700, "LOSSES_IN_ROW", "PAUSE", tripped=False),
        day.breaker(2_800, "DAILY_ALERT", "ALERT", tripped=True),
        LatchKillSwitch(ts_ns=day.at(3_000), reason="it cost $5 and then $7, so I stopped it", source="cli"),
    ]
    causes = ["THESIS", "VOLATILITY", "TRAILING", "QUALITY", "SESSION", "KILL", "SOMETHING_NEW"]
    more = [
        day.closed(20 + k, "K1", Side.SELL, 1, (4_000 + 90 * k, 4_060 + 90 * k), (24_020, 24_018), cause, 2.5)
        for k, cause in enumerate(causes)
    ]
    second = [
        day.started(day.at(3_000)),
        day.carried(day.at(3_000), kill_reason="it cost"),
        events.KillCleared(ts_ns=day.at(3_600), reason="looked at it", source="cli"),
        *day.waves(3_600, 20_000),
        *more,
        day.learned(5_000, "S1", active, light),
        day.learned(5_060, "K1_WITH_A_VERY_LONG_NAME", active, heavy),
        day.learned(5_120, "S2", active, LearningState.QUARANTINED),
        events.ProcessStarted(
            ts_ns=day.at(5_200), recovery="full", config_hash="", kernel_build="", last_seq=9, torn_bytes=0
        ),
        day.session(22_500, "SESSION_CLOSE_BUFFER"),
        day.session(23_100, "SESSION_EXIT"),
        events.SessionExitFlatten(ts_ns=day.at(23_100), reason="RTH_CLOSE", minutes_remaining=5.0, position_qty=0),
        day.session(23_400, "SESSION_CLOSED"),
    ]
    day.write(folder / "20261125", first)
    day.write(folder / "20261125-02", second)
    return read_day(folder)


def quiet_day(folder):
    return read_day(day.write(folder, [day.started(), *day.waves(0, 3_600), day.skip(3_600, "EUC_LOW")]))


def empty_log(folder):
    return read_day(day.write(folder, [day.started()]))


def size(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def texts(figure):
    """Every text that is drawn, with its box in pixels. Labels of ticks outside of an axis exist, but are not drawn."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    undrawn = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        shown = {id(label) for label in axis.get_ticklabels() if axis.axes.get_visible()}
        labels = [label for tick in axis.get_major_ticks() for label in (tick.label1, tick.label2)]
        low, high = sorted(axis.get_view_interval())
        inside = {id(tick.label1) for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high}
        undrawn |= {id(label) for label in labels if id(label) not in shown & inside}
    found = figure.findobj(
        lambda artist: isinstance(artist, Text) and artist.get_visible() and id(artist) not in undrawn
    )
    return [(text.get_text(), text.get_window_extent()) for text in found if text.get_text().strip()]


@pytest.mark.parametrize("make", [full_day, quiet_day, empty_log])
def test_the_picture_is_1600_by_1000(tmp_path, make):
    path = draw_day(make(tmp_path / "log"), tmp_path / "pictures" / "day.png", title="A day")
    assert size(path) == (1600, 1000)


@pytest.mark.parametrize("make", [full_day, quiet_day, empty_log])
def test_no_text_stands_on_another_or_leaves_the_picture(tmp_path, make):
    found = texts(day_figure(make(tmp_path / "log")))
    assert len(found) > 10
    for (one, box), (other, other_box) in itertools.combinations(found, 2):
        overlap = (
            min(box.x1, other_box.x1) - max(box.x0, other_box.x0),
            min(box.y1, other_box.y1) - max(box.y0, other_box.y0),
        )
        assert min(overlap) <= 1.5, (one, other, overlap)
    for text, box in found:
        assert 0 <= box.x0 <= box.x1 <= 1600, (text, box)
        assert 0 <= box.y0 <= box.y1 <= 1000, (text, box)


def test_what_happened_has_its_name_in_the_picture(tmp_path):
    found = {text for text, _ in texts(day_figure(full_day(tmp_path / "log")))}
    assert "MES, Wednesday 25 November 2026" in found
    assert {"data down", "new log", "restart", "flatten", "cleared: looked at it", "S1 throttled ×1.2"} <= found
    assert any(text.startswith("kill: it cost $5") for text in found)
    assert {"session", "kill switch", "quality low", "breaker", "loss warning", "S1", "S2"} <= found
    assert {"entry 0.85 data", "entry 0.75 exec.", "kill 0.25 data", "kill 0.30 exec."} <= found
    assert {
        "long entry (2)",
        "short entry (8)",
        "target (1)",
        "stop (1)",
        "time stop (1)",
        "something new (1)",
    } <= found
    assert any("HYPOTHETICAL" in text for text in found)
    assert "−11.25" in found  # the seven others earned what they cost
    assert {"10:00", "15:30"} <= found


def test_a_dollar_sign_in_a_reason_is_no_formula(tmp_path):
    from matplotlib.text import Text

    found = [text for text in day_figure(full_day(tmp_path / "log")).findobj(Text) if "$" in text.get_text()]
    assert [text.get_parse_math() for text in found] == [False]


def test_fills_of_a_broker_are_not_called_hypothetical(tmp_path):
    trades = [
        msgspec.structs.replace(row, outcome=msgspec.structs.replace(row.outcome, hypothetical=False))
        for row in day.three_trades()
    ]
    ledger = read_day(day.write(tmp_path / "log", [day.started(hypothetical=False, mode="PAPER"), *trades]))
    assert not any("HYPOTHETICAL" in text for text, _ in texts(day_figure(ledger)))


def test_the_summary_counts_by_hand(tmp_path):
    ledger = read_day(day.write(tmp_path / "a", [day.started(), *day.three_trades(), day.resident(1, 6_000_000)]))
    assert summary_line(ledger) == (
        "3 trades  ·  net −11.25 USD after 10.00 commission  ·  1 target  ·  1 stop  ·  1 time stop  ·  "
        "longest without a stop 6 ms"
    )
    assert summary_line(quiet_day(tmp_path / "b")) == "no trades  ·  decisions: 1, entries sent: 0"


def test_without_matplotlib_one_sentence_names_the_extra(tmp_path, monkeypatch):
    ledger = quiet_day(tmp_path / "log")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"install trading-bot\[reports\]"):
        draw_day(ledger, tmp_path / "day.png")
    assert not (tmp_path / "day.png").exists()


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        draw_day(empty_log(tmp_path / "log"), tmp_path / "file" / "day.png")


def test_nothing_of_pyplot_is_loaded(tmp_path):
    """Pyplot keeps global state and looks for a display."""
    draw_day(quiet_day(tmp_path / "log"), tmp_path / "day.png")
    assert "matplotlib.pyplot" not in sys.modules
