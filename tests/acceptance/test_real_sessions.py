"""The commands of the first issue on real data: counts, equal digests, replay, decisions in the data's own session."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOLIDAY = ("es_l3_holiday/esh4_glbx_mdp3_20231225.mbo.dbn.zst", (), "MES", 25_439, 2_973)
MBP1 = ("es_mbp1/nautilus_futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst", (), "MES", None, 120)
TAPE = ("es_tape/aferrante_ES_tbt_20220124.txt.gz", (), "MES", None, 2_026)
SPY_1 = ("spy_sessions", ("--date", "20131007"), "SPY", None, None)
SPY_2 = ("spy_sessions", ("--date", "20131010"), "SPY", None, None)
ALL = [
    pytest.param(HOLIDAY, id="holiday"),
    pytest.param(MBP1, id="mbp1"),
    pytest.param(TAPE, id="tape"),
    pytest.param(SPY_1, id="spy-20131007"),
    pytest.param(SPY_2, id="spy-20131010"),
]
ON = ("K1", "K2", "K3", "K4", "S1", "S2", "S3")
K5_MAX = "max = 0.70"
AFTER_THE_OPEN = {"SESSION_CLOSE_BUFFER", "SESSION_EXIT", "SESSION_CLOSED"}


def command(*arguments):
    """Exit code and JSON document of one command in a process of its own, as a user runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", *map(str, arguments), "--json"], capture_output=True, check=False
    )
    return done.returncode, json.loads(done.stdout)


def observe(shared_data, source, data_dir, *more):
    path, date, instrument, _, _ = source
    given = ("--input", shared_data / path, *date, "--instrument", instrument, "--data-dir", data_dir)
    code, summary = command("--mode", "OBSERVE", "--adapter", "files", *given, *more)
    assert code == 0, summary
    return summary


@pytest.mark.parametrize("source", ALL)
def test_two_runs_and_a_replay_give_the_same_digests(shared_data, tmp_path, source):
    first = observe(shared_data, source, tmp_path / "one")
    second = observe(shared_data, source, tmp_path / "two")
    code, replayed = command("replay", first["log_path"], "--data-dir", tmp_path)
    assert (code, replayed["ok"]) == (0, True)
    for name in ("effects_digest", "state_digest"):
        assert first[name] == second[name] == replayed[name]
    quotes, trades = source[3], source[4]
    assert quotes in {None, first["quotes"]}
    assert trades in {None, first["trades"]}
    assert (first["orders"], first["position_qty"]) == (0, 0)


@pytest.mark.parametrize("source", ALL)
def test_the_research_configuration_decides_in_the_datas_own_session(shared_data, tmp_path, source):
    summary = observe(shared_data, source, tmp_path, "--config", "globex_research.toml")
    skips = summary["skips_by_reason"]
    assert len(skips) >= 3, skips
    # The session may refuse what comes before the open and around the close, but it must not be the answer of the day.
    total = sum(skips.values()) + summary["approvals"]
    session = sum(count for reason, count in skips.items() if reason in AFTER_THE_OPEN)
    assert session <= total / 5, skips
    assert summary["approvals"] > 0


@pytest.mark.parametrize("source", [SPY_1, SPY_2], ids=["20131007", "20131010"])
def test_on_a_whole_session_every_template_that_is_on_enters(shared_data, tmp_path, source):
    """With K5 open: what it keeps out on a noisy day is its own matter, and the next test's."""
    shipped = (ROOT / "configs" / "strategies.toml").read_text()
    assert shipped.count(K5_MAX) == 1
    opened = tmp_path / "opened.toml"
    opened.write_text(shipped.replace(K5_MAX, "max = 1.0"))
    asked = ("--config", "globex_research.toml", "--strategies", opened)
    summary = observe(shared_data, source, tmp_path / "data", *asked)
    assert set(summary["approvals_by_template"]) == set(ON)
    assert all(count >= 1 for count in summary["approvals_by_template"].values()), summary["skips_by_template"]


@pytest.mark.parametrize("source", [SPY_1, SPY_2], ids=["20131007", "20131010"])
def test_as_shipped_only_the_veto_keeps_a_template_out(shared_data, tmp_path, source):
    """K5 blocks K1 to K4 above its noise (6.4), so one of them may have no entry, but then K5 is the first reason."""
    summary = observe(shared_data, source, tmp_path, "--config", "globex_research.toml")
    approvals, skips = summary["approvals_by_template"], summary["skips_by_template"]
    assert set(approvals) == set(ON)
    out = {name for name in ON if approvals[name] == 0}
    assert out <= {"K1", "K2", "K3", "K4"}, skips
    assert all(max(skips[name], key=skips[name].get) == "VETO" for name in out), skips
