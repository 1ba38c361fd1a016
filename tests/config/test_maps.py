"""DE03, specification 6.2: calibration maps as files, and what is refused about them (docs/calibration.md)."""

import json
from pathlib import Path

import pytest

from trading_bot.config_files import load_config
from trading_bot.core.documents import RunDocuments
from trading_bot.core.state import State
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.kernel import MapKnot
from trading_bot.map_files import map_files, read_map, read_maps

MAP = """
schema = 1
template = "K1"
instrument = "MES"
version = 3
fitted_at = "2026-11-20T22:00:00Z"
trades = 412
target_ticks = 16
stop_ticks = 8
hold_s = 1200
source = "walk-forward over 2026"

[[normal]]
belief = 0.60
p_target = 0.42
p_stop = 0.48
mark_ticks = -0.5

[[normal]]
belief = 0.75
p_target = 0.55
p_stop = 0.36
mark_ticks = 1.0
"""
LENGTHS = {"target_ticks": 16, "stop_ticks": 8, "hold_s": 1200}


@pytest.fixture
def k1():
    return load_config().templates


def written(tmp_path, text, name="k1.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_map_of_a_folder_reaches_the_kernel_and_the_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "maps"
    folder.mkdir()
    written(folder, MAP)
    (tmp_path / "mine.toml").write_text('[decision]\nmaps = "maps"\n')
    loaded = load_config(tmp_path / "mine.toml")
    plain = load_config()
    documents = RunDocuments(
        config=loaded.config, templates=loaded.templates, instrument=INSTRUMENTS["MES"], maps=loaded.maps
    )
    assert (
        documents.config_hash
        != RunDocuments(config=loaded.config, templates=loaded.templates, instrument=INSTRUMENTS["MES"]).config_hash
    )
    read_back = RunDocuments.unpack(documents.pack(), where="test")
    assert read_back == documents
    assert read_back.maps["K1"].normal == (MapKnot(0.60, 0.42, 0.48, -0.5), MapKnot(0.75, 0.55, 0.36, 1.0))
    index = list(documents.templates).index("K1")
    now_ns = 1_795_620_600_000_000_000
    fitted, without = (
        State(
            RunDocuments(config=config.config, templates=config.templates, instrument=INSTRUMENTS["MES"], maps=maps)
        ).kernel.terms(index, 1, 0.70, now_ns)
        for config, maps in ((loaded, read_back.maps), (plain, {}))
    )
    # Two thirds of the way from .60 to .75: .42 + 2/3 * .13, .48 - 2/3 * .12, -.5 + 2/3 * 1.5
    assert (fitted.p_e6, fitted.p_stop_e6, fitted.p_time_e6, fitted.mark_e6) == (506_667, 400_000, 93_333, 500_000)
    assert (fitted.fitted, without.fitted) == (True, False)
    assert without.p_time_e6 == 0


def test_json_says_the_same(tmp_path):
    toml = read_map(written(tmp_path, MAP))
    document = {
        "schema": 1,
        "template": "K1",
        "instrument": "MES",
        "version": 3,
        "fitted_at": "2026-11-20T22:00:00Z",
        "trades": 412,
        **LENGTHS,
        "source": "walk-forward over 2026",
        "normal": [
            {"belief": 0.60, "p_target": 0.42, "p_stop": 0.48, "mark_ticks": -0.5},
            {"belief": 0.75, "p_target": 0.55, "p_stop": 0.36, "mark_ticks": 1},
        ],
    }
    assert read_map(written(tmp_path, json.dumps(document), "k1.json")) == toml


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 2", "schema is 2; this version reads calibration maps of schema 1"),
        ("schema = 1\n", "", "schema is None"),
        ('"K1"', '"K11"', "template K11 is not in the strategy file"),
        ('"MES"', '"MNQ"', "fitted on MNQ, this run trades MES"),
        ("version = 3", "version = 0", "version: expected `int` >= 1"),
        ("trades = 412", "trades = -1", "trades: expected `int` >= 0"),
        ("stop_ticks = 8", "stop_ticks = 9", "fitted at stop_ticks = 9, template K1 has 8"),
        ("hold_s = 1200", "hold_s = 600", "fitted at hold_s = 600, template K1 has 1200"),
        ("2026-11-20T22:00:00Z", "yesterday", "fitted_at is 'yesterday'; expected a time such as"),
        ("2026-11-20T22:00:00Z", "2026-11-20T22:00:00", "a time of no zone"),
        (
            "belief = 0.75",
            "belief = 0.60",
            r"normal\[1\].belief is 0.6 after 0.6: knots are written in ascending order",
        ),
        ("belief = 0.75", "belief = 1.75", r"normal\[1\].belief is 1.75, expected 0 to 1"),
        ("p_target = 0.55", "p_target = 0.65", r"normal\[1\]: p_target 0.65 \+ p_stop 0.36 is above 1"),
        ("p_stop = 0.36", "p_stop = -0.1", r"normal\[1\].p_stop is -0.1, expected 0 to 1"),
        ("p_stop = 0.36", "p_stop = nan", r"normal\[1\].p_stop is nan, expected 0 to 1"),
        ("mark_ticks = 1.0", "mark_ticks = inf", r"normal\[1\].mark_ticks is inf"),
        ("mark_ticks = 1.0", "mark = 1.0", r"normal\[1\]: unknown key mark"),
        ("mark_ticks = 1.0", "", r"normal\[1\].mark_ticks is None; expected a number"),
        ("p_stop = 0.36", 'p_stop = "36 %"', r"normal\[1\].p_stop is '36 %'; expected a number"),
        ("[[normal]]", "[[wild]]", "unknown key wild"),
        ("trades = 412", "trades = ", "not valid TOML"),
    ],
)
def test_what_is_no_map_is_refused_with_the_reason(tmp_path, k1, old, new, said):
    assert old in MAP
    path = written(tmp_path, MAP.replace(old, new))
    with pytest.raises(ConfigError, match=said) as refusal:
        read_maps([path], templates=k1, instrument=INSTRUMENTS["MES"])
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(("knots", "said"), [(1, "normal has 1 knots, expected 2 to 8"), (9, "normal has 9 knots")])
def test_a_map_has_two_to_eight_knots(tmp_path, knots, said):
    head = MAP[: MAP.index("[[normal]]")]
    rows = [f"[[normal]]\nbelief = 0.{n + 1}\np_target = 0.5\np_stop = 0.5\nmark_ticks = 0\n" for n in range(knots)]
    with pytest.raises(ConfigError, match=said):
        read_map(written(tmp_path, head + "".join(rows)))
    with pytest.raises(ConfigError, match="a map needs knots under at least one of low, normal, high"):
        read_map(written(tmp_path, head))


def test_two_maps_of_one_template_and_empty_places_are_refused(tmp_path, k1):
    with pytest.raises(ConfigError, match="no calibration map in this folder"):
        map_files(tmp_path)
    with pytest.raises(ConfigError, match=r"not found; decision\.maps names a file or a folder"):
        map_files(tmp_path / "nothing.toml")
    written(tmp_path, MAP, "a.toml")
    written(tmp_path, MAP.replace("version = 3", "version = 4"), "b.toml")
    with pytest.raises(
        ConfigError, match=r"b.toml: a map of template K1 \(version 4\), and so is .*a.toml \(version 3\)"
    ):
        read_maps(map_files(tmp_path), templates=k1, instrument=INSTRUMENTS["MES"])


def test_the_page_shows_a_map_that_is_read(tmp_path, k1):
    page = (Path(__file__).parents[2] / "docs" / "calibration.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    (found,) = read_maps([written(tmp_path, example)], templates=k1, instrument=INSTRUMENTS["MES"]).values()
    assert found.normal == read_map(written(tmp_path, MAP)).normal
