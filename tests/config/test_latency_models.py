"""NV06: latency models as files: what is read, what is refused, and what depends on them (docs/latency-model.md)."""

import json

import msgspec
import pytest

from trading_bot.config_files import load_config
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.errors import ConfigError, UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.latency_model import LatencyBucket, LatencyModel
from trading_bot.domain.simulator_config import SimulatorConfig
from trading_bot.engines.exchange_config import exchange_config
from trading_bot.latency_files import read_latency_model, write_latency_model

MES = INSTRUMENTS["MES"]
MODEL = LatencyModel(
    instrument="MES",
    fitted_at="2026-11-21T15:00:00Z",
    points=(0, 500_000, 1_000_000),
    buckets=(
        LatencyBucket(burst_min=0, samples=60, entry_ns=(1_000, 2_000, 9_001), response_ns=(0, 0, 5)),
        LatencyBucket(burst_min=12, samples=50, entry_ns=(3_000, 4_000, 8_000), response_ns=(1, 2, 3)),
    ),
    samples=110,
)


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_latency_model(tmp_path / "line.json", MODEL)
    (tmp_path / "bot.toml").write_text('[simulator]\nlatency_model = "line.json"\n')
    return tmp_path


def test_a_model_of_a_file_reaches_the_simulator_and_the_log(written):
    loaded = load_config(written / "bot.toml")
    assert loaded.latency == MODEL
    built = exchange_config(loaded.config.simulator, MES, 5, loaded.latency)
    assert built.latency == MODEL
    assert (built.entry_latency_max_ns, built.response_latency_max_ns) == (9_001, 5)
    documents = msgspec.structs.replace(RunDocuments.default(), config=loaded.config, latency=loaded.latency)
    assert RunDocuments.unpack(documents.pack(), where="here").latency == MODEL


def test_the_hash_of_a_configuration_knows_the_content_of_its_model(written):
    """A cut run goes on with the model it began with, or cold."""
    first = load_config(written / "bot.toml")
    write_latency_model(written / "line.json", msgspec.structs.replace(MODEL, points=(0, 400_000, 1_000_000)))
    second = load_config(written / "bot.toml")
    assert first.config == second.config
    assert first.config_hash != second.config_hash


def test_without_a_model_the_hash_is_the_one_of_always():
    loaded = load_config()
    assert loaded.latency is None
    default = msgspec.structs.replace(
        RunDocuments.default(),
        config=loaded.config,
        templates=loaded.templates,
        vetoes=loaded.vetoes,
        events=loaded.events,
    )
    assert default.config_hash == loaded.config_hash


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "map"}, "kind is 'map'"),
        ({"schema": 2}, "schema 2"),
        ({"point": []}, "unknown key point; did you mean points"),
        ({"points": [0, 5]}, "points are"),
        ({"samples": 0}, "samples"),
        ({"buckets": [{"burst_min": 0}]}, r"buckets\[0\]"),
        ({"fitted_at": 5}, "fitted_at"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused_with_file_and_key(written, change, said):
    path = written / "line.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError, match=rf"line\.json: .*{said}"):
        load_config(written / "bot.toml")


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_what_is_no_model_at_all_is_refused(written, text):
    (written / "line.json").write_text(text)
    with pytest.raises(ConfigError, match=r"line\.json"):
        read_latency_model(written / "line.json")


def test_a_file_that_is_not_there_is_named(written):
    (written / "line.json").unlink()
    with pytest.raises(ConfigError, match=r"line\.json: cannot be read"):
        load_config(written / "bot.toml")
    with pytest.raises(UsageError, match="--out"):
        write_latency_model(written / "nowhere" / "line.json", MODEL)


def test_a_model_of_another_market_is_refused(written):
    write_latency_model(written / "line.json", msgspec.structs.replace(MODEL, instrument="ES"))
    with pytest.raises(ConfigError, match=r"line\.json: fitted on the ticks of ES, this run sees MES"):
        load_config(written / "bot.toml")
    (written / "bot.toml").write_text('[simulator]\nlatency_model = "line.json"\n[ibkr]\nsignal_instrument = "ES"\n')
    assert load_config(written / "bot.toml").latency is not None


def test_a_preset_and_a_model_exclude_each_other(written):
    (written / "bot.toml").write_text('[simulator]\nlatency_model = "line.json"\npreset = "model"\n')
    with pytest.raises(ConfigError, match=r"simulator\.latency_model.*simulator\.preset"):
        load_config(written / "bot.toml")


def test_the_scale_is_for_messages_and_not_for_the_brokers_servers():
    built = exchange_config(SimulatorConfig(latency_scale=4.0), MES, 0)
    ms = 1_000_000
    assert (built.entry_latency_ns, built.response_latency_ns) == (100 * ms, 100 * ms)
    assert (built.child_latency_ns, built.stop_latency_ns) == (5 * ms, 5 * ms)
    drawn = exchange_config(SimulatorConfig(latency_scale=0.5), MES, 0, MODEL).latency
    assert drawn.buckets[0].entry_ns == (500, 1_000, 4_500)
    assert drawn.buckets[1].response_ns == (0, 1, 2)
    assert exchange_config(SimulatorConfig(preset="pessimistic", latency_scale=0.0), MES, 0).entry_latency_ns == 0
