"""Which set a start trades with: at a broker, the one its session began with (LE06)."""

from pathlib import Path

import msgspec
import pytest

from tests.core.worlds import ROOT
from tests.learned.sets import MONDAY_NS, TEMPLATES, books, one_set, value
from tests.reports import day_log
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.config_files import RunOptions, load_config
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.events import RunEnded
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.learned_files import write_learned
from trading_bot.learned_start import learned_for, loaded_with
from trading_bot.market_sources import Source
from trading_bot.run_folders import RunsBefore

WEDNESDAY_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z
DAY_NS = 86_400_000_000_000
MORNING = one_set(1, value("template.K1.stop_ticks", 8_000_000, 9_000_000))
NOON = one_set(2, value("template.K1.stop_ticks", 8_000_000, 8_000_000), at_ns=MONDAY_NS + 1)


ENDED = RunEnded(ts_ns=day_log.at(2), exit_reason="END", effects_digest="", state_digest="")


def session(folder: Path, learned, *, ended: bool) -> Path:
    """A run's folder with one log of 2026-11-25."""
    documents = RunDocuments(config=BotConfig(), templates=TEMPLATES, instrument=INSTRUMENTS["MES"], learned=learned)
    started = day_log.started(documents=documents.pack(), config_hash=documents.config_hash)
    records = [started, day_log.carried(), day_log.quote(day_log.at(1), 24_000, 24_001)]
    day_log.write(folder / "20261125", records + ([ENDED] if ended else []))
    return folder


def source(ts_ns: int, *, broker: bool) -> Source:
    return Source(
        feed=None,
        first_ts_ns=ts_ns,
        calendar=load_calendar("us_index.csv", ROOT / "data").extract(20261123, 8),
        history=lambda: (),
        kind_of={},
        bytes_total=0,
        broker=object() if broker else None,
    )


@pytest.fixture
def options(tmp_path):
    """A data directory in which NOON was adopted after MORNING."""
    write_learned(tmp_path / "data", books(MORNING, NOON))
    return RunOptions(loaded=load_config(), data_dir=tmp_path / "data", run_id="r")


def found(options, market, *, unfinished=None, runs=()):
    before = RunsBefore(attributes={}, unfinished=unfinished, runs=list(runs))
    return learned_for(options, market, before, hypothetical=True)


def test_a_start_without_a_past_takes_the_newest_set(options):
    assert found(options, source(WEDNESDAY_NS, broker=True)) == NOON
    assert (
        learned_for(
            options,
            source(WEDNESDAY_NS, broker=True),
            RunsBefore(attributes={}, unfinished=None, runs=[]),
            hypothetical=False,
        )
        is None
    )


@pytest.mark.parametrize("held", [MORNING, None])
def test_another_run_in_the_same_session_at_a_broker_keeps_what_it_began_with(options, tmp_path, held):
    earlier = session(tmp_path / "runs" / "a", held, ended=True)
    assert found(options, source(WEDNESDAY_NS, broker=True), runs=[earlier]) == held
    assert found(options, source(WEDNESDAY_NS + DAY_NS, broker=True), runs=[earlier]) == NOON
    assert found(options, source(WEDNESDAY_NS, broker=False), runs=[earlier]) == NOON


@pytest.mark.parametrize(
    ("ended", "ts_ns", "broker", "expected"),
    [
        (False, WEDNESDAY_NS, True, MORNING),
        (False, WEDNESDAY_NS, False, MORNING),
        (False, WEDNESDAY_NS + DAY_NS, True, MORNING),
        (True, WEDNESDAY_NS, True, MORNING),
        (True, WEDNESDAY_NS + DAY_NS, True, NOON),
        (True, WEDNESDAY_NS, False, NOON),
    ],
    ids=["cut", "cut, simulated", "cut a day ago", "halted today", "between two sessions", "over, simulated"],
)
def test_a_run_that_is_gone_on_with(options, tmp_path, ended, ts_ns, broker, expected):
    """A log without its end is gone on with as it is; one with its end is followed by another session's."""
    cut = session(tmp_path / "runs" / "a", MORNING, ended=ended)
    assert found(options, source(ts_ns, broker=broker), unfinished=cut) == expected


def test_a_calibration_map_and_a_learned_stop_exclude_each_other():
    loaded = load_config()
    stop = value("template.K1.stop_ticks", 8_000_000, 9_000_000)
    assert loaded_with(loaded, one_set(1, stop)).templates["K1"].stop_ticks == 9
    mapped = msgspec.structs.replace(loaded, maps={"K1": None})
    with pytest.raises(ConfigError, match="calibration map that was fitted at 8"):
        loaded_with(mapped, one_set(1, stop))


def test_a_template_that_could_never_trade_is_refused():
    """A wider stop needs a higher win rate than is held to be reachable, or a tier that allows it."""
    wide = value("template.K4.stop_ticks", 12_000_000, 12_000_000)
    assert loaded_with(load_config(), one_set(1, wide)).templates["K4"].stop_ticks == 12
    high = value("template.K1.belief_enter", 640_000, 999_000)
    low = value("template.K1.belief_enter", 640_000, 590_000)
    assert loaded_with(load_config(), one_set(1, high)).templates["K1"].belief_enter == 0.999
    with pytest.raises(ConfigError, match=r"thesis_belief|belief_hold"):
        loaded_with(load_config(), one_set(1, msgspec.structs.replace(low, value_e6=300_000)))
