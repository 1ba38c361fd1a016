"""`learning show`: what it prints, of a file or a log, and how it refuses what it cannot read (issue 8, item 1)."""

import json
import shutil
from pathlib import Path

import pytest

from tests.learning.trades import around, feed
from trading_bot.cli import main
from trading_bot.core.learning_file import save_learning
from trading_bot.core.learning_loop import LearningLoop
from trading_bot.engines.costs import CostBook, Costs, SlippageSums

FIRST = Path(__file__).parents[1] / "learning" / "data" / "learning_state_v1.json"


@pytest.fixture
def show(tmp_path, capfd):
    def start(*arguments):
        code = main(["learning", "show", *map(str, arguments), "--data-dir", str(tmp_path)])
        out, err = capfd.readouterr()
        return code, out, err

    return start


@pytest.fixture
def saved(tmp_path):
    """K1 at x1.2 after 25 trades, S2 in quarantine with ten shadow trades, S1 with hypothetical trades only."""
    loop = LearningLoop(templates=("K1", "S2"))
    feed(loop, around(-2.0, 25), template="K1")
    feed(loop, around(-6.0, 40), template="S2")
    feed(loop, around(3.0, 10), template="S2", shadow=True)
    feed(loop, around(1.0, 3), template="S1", hypothetical=True, belief_e6=700_000, p_e6=600_000, promised_uusd=10**6)
    # 100 entries that slipped twice what was expected: (100·2 + 50·1)/150 = 1.667 in all, 1.5 within a week.
    costs = Costs(real=CostBook(entry=SlippageSums(fills=100, actual_e6=100_000_000, expected_e6=50_000_000), lots=4))
    save_learning(tmp_path / "learning_state.json", loop.export_to_dict(), costs=costs, log="runs/a", seq=4711)


def rows(out):
    return {(row["template"], row["book"]): row for row in json.loads(out)["templates"]}


@pytest.mark.usefixtures("saved")
def test_each_template_of_both_books_with_its_state_and_evidence(show):
    code, out, _ = show("--json")
    assert code == 0
    found = rows(out)
    k1, s2, s1 = found["K1", "real"], found["S2", "real"], found["S1", "hypothetical"]
    assert (k1["state"], k1["throttle"], k1["next_look_trades"]) == ("THROTTLED_120", 1.2, 15)
    # Twenty trades around -2: mean -40/40, sd² = (20·(100 + 4) - 40²/40)/20 = 102, z = -1·√40/√102 = -.626, P = .266.
    change = k1["last_change"]
    assert (change["previous"], change["state"], change["seq"]) == ("ACTIVE", "THROTTLED_120", None)
    assert (change["evidence"]["n"], change["evidence"]["wins"], change["evidence"]["mean_usd"]) == (20, 10, -1.0)
    assert change["evidence"]["p"] == pytest.approx(0.2657, abs=2e-4)
    assert change["evidence"]["threshold"] == 0.35
    assert (s2["state"], s2["throttle"], s2["shadow_trades"]) == ("QUARANTINED", None, 10)
    assert [way["state"] for way in s2["ways"]] == ["THROTTLED_150", "ARCHIVED"]
    assert (s1["lifetime_trades"], s1["lifetime_wins"], s1["lifetime_net_usd"]) == (3, 2, 13.0)
    [key] = k1["keys"]
    assert (key["n"], key["wins"]) == (25, 13)
    # 13 wins of 8 and 12 losses of 12 are -40: -1.6 a trade; with the prior -40/45 = -.889; the key (-40 - 20·.889)/45.
    assert key["mean_usd"] == pytest.approx(-1.6)
    assert key["estimate_usd"] == pytest.approx(-1.2840, abs=1e-3)
    assert s1["reliability"]["bins"][0]["promised"] == pytest.approx(0.6)


@pytest.mark.usefixtures("saved")
def test_for_people_it_says_what_would_change_and_what_the_next_session_adopts(show):
    code, out, _ = show()
    assert code == 0
    for said in (
        "Real trades",
        "HYPOTHETICAL trades",
        "in 15 trades",
        "ACTIVE -> THROTTLED_120",
        "active if the next 15 trades average above +",
        "x1.5 if the next 15 trades average between -",
        "sends nothing",
        "x1.5 if the next 50 shadow trades average above +",
        "archived if the next 110 shadow trades average below -",
        "up to record 4,711 of runs/a",
    ):
        assert said in out
    factor = next(line for line in out.splitlines() if "entry slippage factor" in line)
    assert factor.split()[-4:] == ["1.000", "1.500", "100", "fills"]


@pytest.mark.usefixtures("saved")
def test_one_template(show):
    code, out, _ = show("--template", "K1", "--json")
    assert code == 0
    assert {name for name, _ in rows(out)} == {"K1"}
    code, out, err = show("--template", "K9")
    assert code == 2
    assert "knows no template K9; it has" in err + out


def test_before_the_first_trade_every_template_has_its_prior(show):
    code, out, _ = show("--json")
    assert code == 0
    assert {row["state"] for row in json.loads(out)["templates"]} == {"ACTIVE"}
    assert all(row["sigma_p"] == pytest.approx(0.0790569) for row in json.loads(out)["templates"])


def test_a_file_of_the_first_version_is_shown(show, tmp_path):
    shutil.copy(FIRST, tmp_path / "learning_state.json")
    code, out, _ = show("--json")
    assert (code, rows(out)["K1", "real"]["state"]) == (0, "THROTTLED_120")


@pytest.mark.usefixtures("saved")
def test_a_damaged_file_is_refused_and_left_as_it_is(show, tmp_path):
    path = tmp_path / "learning_state.json"
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    code, out, err = show()
    assert code == 6
    assert "no complete JSON document" in err + out
    assert path.read_bytes() == before


def test_a_mistyped_folder_or_log_is_no_bot_without_trades(show, tmp_path):
    code, out, err = show("nowhere")
    assert (code, "LOG nowhere does not exist" in err + out) == (2, True)
    assert main(["learning", "show", "--data-dir", str(tmp_path / "nowhere")]) == 2
