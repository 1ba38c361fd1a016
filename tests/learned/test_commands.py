"""From trades to a set in force and back, by the command line (features LE05, LE11)."""

import itertools
import json
import shutil

import pytest

from tests.core.worlds import messages
from trading_bot import cli, log_setup
from trading_bot.analytics.proposal_files import read_proposal
from trading_bot.config_trail import config_history
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.events import RunStarted
from trading_bot.domain.trade_events import ParamsAdopted
from trading_bot.learned_files import FILE_NAME, read_learned
from trading_bot.reports.trade_facts import read_facts

STRATEGY = """schema = 1
[template.E1]
on = true
title = "in and out with the queue, for tests: it loses"
cadence = "grid"
entry = "marketable"
target_ticks = 30
stop_ticks = 3
hold_s = 20
gain = 8.0
belief_enter = 0.6
belief_hold = 0.55
weights = { queue_imbalance = 1.0, ofi_1s = 0.5 }
triggers = [{ signal = "queue_imbalance", min = 0.2 }]
[template.E1.exits]
thesis_belief = 0.0
trail = false
"""
CONFIG = """schema = 1
[decision]
stability_max = 9.0
equity_assumed_usd = 1000000.0
[costs]
cost_share_max = 1.0
[safety]
entries_per_minute_max = 60
entries_per_hour_max = 600
entries_per_day_max = 1000
attempts_per_day_max = 10000
fees_day_usd_max = 10000.0
[lockouts]
spread_ticks = 100
slippage_ticks = 100.0
[reentry]
cooldown_s = 0
cooldown_loss_s = 0
[breakers]
losses_in_row_max = 100
[learning]
look_every_trades = 100
[simulator]
history_sessions = 0
"""
BELIEF = "template.E1.belief_enter"


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """A data directory with a session of a hundred trades, most of them long enough before its end."""
    base = tmp_path_factory.mktemp("commands")
    (base / "eager.toml").write_text(STRATEGY)
    (base / "open.toml").write_text(CONFIG)
    run(base, "2026-11-24T15:00:00Z", 1_200)
    return base


@pytest.fixture
def world(traded, tmp_path, monkeypatch):
    """The same, to be changed. Further runs are named in their order, which within a second their names do not tell."""
    numbers = itertools.count()
    monkeypatch.setattr(log_setup, "new_run_id", lambda: f"29990101T000000Z-{next(numbers):04x}")
    shutil.copytree(traded, tmp_path / "world")
    return tmp_path / "world"


def run(base, start, seconds):
    options = f"--mode SIM --adapter sim --seed 5 --start {start} --duration {seconds} --json"
    files = ["--config", f"{base}/open.toml", "--strategies", f"{base}/eager.toml", "--data-dir", f"{base}/data"]
    assert cli.main([*options.split(), *files]) == 0


@pytest.fixture
def ask(capsysbinary):
    """A command of `learning`, its exit code and its JSON."""

    def asked(base, *words, code=0):
        capsysbinary.readouterr()
        assert cli.main(["learning", *map(str, words), "--data-dir", f"{base}/data", "--json"]) == code
        found = json.loads(capsysbinary.readouterr().out)
        return found["error"]["message"] if code else found

    return asked


@pytest.fixture(scope="module")
def proposed(traded):
    path = traded / "proposal.json"
    assert cli.main(["learning", "propose", "--data-dir", f"{traded}/data", "--out", str(path), "--json"]) == 0
    return path


def test_a_proposal_is_bounded_and_stands_on_trades_and_shadow_trades(traded, proposed):
    found = read_proposal(proposed)
    assert (found.hypothetical, found.based_on, found.instrument) == (True, 0, "MES")
    [change] = [one for one in found.changes if one.parameter == BELIEF]
    assert (change.old_e6, change.new_e6) == (600_000, 610_000)
    assert change.trades >= 10
    facts = read_facts(traded / "data")
    entered = facts.entered()
    shadows = len(facts.trades) - len(entered)  # of the quarantine at its end
    assert change.shadow_trades == found.shadow_run.challenger.trades + shadows >= 20
    [row] = found.evidence
    assert (row.trades, row.shadow_trades) == (len(entered), shadows)
    assert row.net_uusd == facts.net_uusd(hypothetical=True)
    assert row.skill_uusd + row.luck_uusd + row.execution_uusd == row.net_uusd
    # The champion ran over the same ticks as the session itself, so it must have traded what that traded.
    assert found.shadow_run.champion.trades == len(entered)
    assert found.shadow_run.champion.net_uusd == facts.net_uusd(hypothetical=True)


def test_nothing_is_adopted_without_a_word_and_nothing_twice(world, proposed, ask):
    assert "add --yes" in ask(world, "adopt", proposed, code=2)
    assert not (world / "data" / FILE_NAME).exists()
    adopted = ask(world, "adopt", proposed, "--yes")
    assert (adopted["book"], adopted["set"]["number"]) == ("hypothetical", 1)
    assert "is in force, the proposal was made on" in ask(world, "adopt", proposed, "--yes", code=2)


def test_the_next_run_trades_with_it_and_tells_why_until_it_is_rolled_back(world, proposed, ask):
    ask(world, "adopt", proposed, "--yes")
    begun = [("2026-11-25T15:00:00Z", 610_000, 0.61)]
    ask_back = ("2026-11-30T15:00:00Z", 600_000, 0.6)
    for start, new_e6, belief in (*begun, ask_back):
        if start == ask_back[0]:
            ask(world, "rollback", "--yes")
        run(world, start, 20)
        newest = max((world / "data" / "runs").iterdir())
        records = [record for _, record in messages(newest)]
        [told] = [one for one in records if isinstance(one, ParamsAdopted) and one.parameter == BELIEF]
        assert (told.new, told.fills >= 10 or told.evidence.startswith("rolled back")) == (new_e6, True)
        documents = RunDocuments.unpack(next(one for one in records if isinstance(one, RunStarted)).documents, where="")
        assert documents.templates["E1"].belief_enter == belief
        [changed] = [one for one in config_history(world / "data").starts[-1].changes if one.key == BELIEF]
        assert changed.origin == ("learned set 1" if belief == 0.61 else f"file {world / 'eager.toml'}")
    sets = ask(world, "params")["hypothetical"]
    assert [(one["number"], one["kind"]) for one in sets] == [(1, "ADOPTED"), (2, "ROLLED_BACK")]
    assert "nothing to roll back" in ask(world, "rollback", "--yes", code=2)


def test_a_proposal_that_was_edited_is_refused(world, proposed, tmp_path, ask):
    edited = tmp_path / "edited.json"
    edited.write_text(proposed.read_text().replace("610000", "605000"))
    assert "damaged or edited" in ask(world, "adopt", edited, "--yes", code=6)
    assert "expected a file" in ask(world, "adopt", tmp_path / "none.json", "--yes", code=2)


def test_evidence_of_a_simulator_goes_to_real_trading_only_when_that_is_said(world, proposed, ask):
    ask(world, "adopt", proposed, "--yes", "--promote")
    books = read_learned(world / "data")
    assert (len(books.real), books.hypothetical) == (1, ())
    assert books.real[0].hypothetical_evidence


def test_a_rollback_takes_the_book_that_has_something_or_the_one_that_is_named(world, proposed, ask):
    for promoted in ([], ["--promote"]):
        ask(world, "adopt", proposed, "--yes", *promoted)
    assert "--book real or --book hypothetical" in ask(world, "rollback", "--yes", code=2)
    assert ask(world, "rollback", "--yes", "--book", "real")["book"] == "real"
    assert ask(world, "rollback", "--yes", "--all")["book"] == "hypothetical"
    assert "nothing to roll back" in ask(world, "rollback", "--yes", code=2)


def test_nothing_is_proposed_about_parameters_that_have_not_traded_yet(world, proposed, ask):
    ask(world, "adopt", proposed, "--yes")
    assert "let it trade first" in ask(world, "propose", code=2)


def test_a_challenger_of_a_strategy_file_meets_the_champion_on_the_same_market(world, ask):
    strategy = (world / "eager.toml").read_text()
    (world / "wide.toml").write_text(strategy.replace("stop_ticks = 3", "stop_ticks = 6"))
    found = ask(world, "challenge", "--params", world / "wide.toml")
    facts = read_facts(world / "data")
    assert found["champion"] == found["recorded"]
    assert found["champion"]["net_uusd"] == facts.net_uusd(hypothetical=True)
    assert found["challenger"]["trades"] != found["champion"]["trades"]
    assert found["verdict"] == "TOO_FEW"


def test_an_empty_data_directory_is_told(tmp_path, ask):
    assert "no log" in ask(tmp_path, "propose", code=2)
    assert ask(tmp_path, "params") == {"real": [], "hypothetical": []}
    assert "--book both" in ask(tmp_path, "propose", "--book", "both", code=2)


def test_people_are_shown_what_was_found(traded, proposed, capsys):
    data = ["--data-dir", f"{traded}/data"]
    assert cli.main(["learning", "attribution", *data]) == 0
    shown = capsys.readouterr().out
    assert "luck z" in shown
    assert "E1" in shown
    assert cli.main(["learning", "params", *data]) == 0
    assert "Nothing was ever adopted" in capsys.readouterr().out
    assert cli.main(["learning", "adopt", str(proposed), *data]) == 2
    shown = capsys.readouterr()
    assert BELIEF in shown.out
    assert "0.61" in shown.out
    assert "nothing has changed" in shown.err
