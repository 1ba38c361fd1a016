"""`config show|explain|check` on the tables of a trading day."""

import json

from tests.conftest import ROOT

SHIPPED = (ROOT / "configs" / "strategies.toml").read_text(encoding="utf-8")


def test_show_has_the_tables_of_the_day_and_stars_what_is_assumed(run_main):
    _, out, _ = run_main("config", "show", "--json")
    keys = json.loads(out)["keys"]
    assert keys["exits.trail_atr"]["assumed"] == ""
    assert keys["exits.thesis_s"]["assumed"]
    assert keys["breakers.daily_halt_pct"]["fixed_by_user"] is True
    assert keys["simulator.history_sessions"]["bounds"] == "0 .. 20"
    assert {key.split(".")[0] for key in keys} >= {"exits", "breakers", "learning", "simulator", "orders"}
    _, out, _ = run_main("config", "show")
    table, reasons = out.split("* assumed", 1)
    lines = {
        line.split()[0]: line.split()[1:3] for line in table.splitlines() if line.startswith((" exits.", " orders."))
    }
    assert lines["orders.exit_check_ms"] == ["1000", "*"]
    assert lines["exits.trail"] == ["true", "bool"]
    assert "orders.exit_check_ms" in reasons


def test_explain_names_the_profile_that_pauses_longer(run_main):
    _, out, _ = run_main("config", "explain", "breakers.losses_pause_min", "--profile", "conservative", "--json")
    answer = json.loads(out)
    assert answer["layers"] == ["default: 20", "profile conservative: 120"]
    assert (answer["unit"], answer["bounds"]) == ("min", "1 .. 1440")
    _, out, _ = run_main("config", "explain", "run.mode", "--json")
    assert json.loads(out)["choices"] == ["OBSERVE", "PAPER", "LIVE", "BACKTEST", "SIM"]


def test_check_and_explain_tell_what_a_template_does_differently(run_main, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(SHIPPED + "\n[template.S3.exits]\ntrail = false\n", encoding="utf-8")
    code, out, _ = run_main("config", "check", file)
    assert code == 0
    assert "S3 trail" in out
    _, out, _ = run_main("config", "explain", "template.S3", "--strategies", file, "--json")
    assert json.loads(out)["exits"] == {"trail": False}
    assert "Exits that differ" not in run_main("config", "check", ROOT / "configs" / "strategies.toml")[1]


def test_a_misspelt_exit_of_a_template_ends_with_2_and_the_nearest_name(run_main, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(SHIPPED + "\n[template.S3.exits]\ntrail_form_r = 1\n", encoding="utf-8")
    code, _, err = run_main("config", "check", file)
    assert code == 2
    assert "template.S3.exits: unknown key trail_form_r; did you mean trail_from_r?" in err


def test_a_preset_beside_its_own_number_ends_with_2(run_main, tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text('[simulator]\npreset = "model"\nentry_latency_ms = 40\n', encoding="utf-8")
    code, _, err = run_main("config", "check", file)
    assert code == 2
    assert "simulator.entry_latency_ms (40.0) and simulator.preset (model) exclude each other" in err


def test_show_gives_what_is_in_force_under_a_preset(run_main, tmp_path):
    """docs/simulator.md, section 10: optimistic is 10, 10, 0, 0 ms in the optimistic queue."""
    file = tmp_path / "bot.toml"
    file.write_text('[simulator]\npreset = "optimistic"\n', encoding="utf-8")
    _, out, _ = run_main("config", "show", "--config", file, "--json")
    keys = json.loads(out)["keys"]
    names = ("queue_model", "entry_latency_ms", "response_latency_ms", "child_latency_ms", "stop_latency_ms")
    assert [keys[f"simulator.{name}"]["value"] for name in names] == ["optimistic", 10, 10, 0, 0]
    assert {keys[f"simulator.{name}"]["origin"] for name in names} == {"preset optimistic"}
    assert keys["simulator.stop_trigger"]["origin"] == "default"


def test_a_fault_that_is_none_ends_with_2_before_any_run(run_main, tmp_path):
    file = tmp_path / "bot.toml"
    for fault, said in (
        ("STAL 2026-11-25T15:10:00Z 12", "'STAL' is not a valid FaultKind"),
        ("STALL 2026-11-25T15:10:00Z", "2 parts"),
        ("STALL 2026-11-25T15:10:00Z soon", "'soon'"),
    ):
        file.write_text(f'[simulator]\nfaults = ["STALL 2026-11-25T15:00:00Z 5", "{fault}"]\n', encoding="utf-8")
        code, _, err = run_main("config", "check", file)
        assert code == 2
        assert f"{file}: simulator.faults: '{fault}' is no fault" in err
        assert said in err
        assert "KIND TIME SECONDS [SIZE]" in err
    file.write_text('[simulator]\nfaults = ["STALL 2026-11-25T15:00:00Z 5"]\n', encoding="utf-8")
    assert run_main("config", "check", file)[0] == 0


def test_check_lists_scheduled_events_and_names_what_is_wrong_with_one(run_main, tmp_path):
    shipped = ROOT / "data" / "events" / "us_events.toml"
    code, out, _ = run_main("config", "check", shipped)
    assert code == 0
    assert "2026-12-09T19:00:00.000000000Z" in out
    answer = json.loads(run_main("config", "check", shipped, "--json")[1])
    assert (answer["kind"], len(answer["events"])) == ("scheduled events", 8)
    file = tmp_path / "mine.toml"
    file.write_text(shipped.read_text(encoding="utf-8").replace("-05:00", "", 1), encoding="utf-8")
    code, _, said = run_main("config", "check", file)
    assert code == 2
    assert "FOMC decision, January 2026" in said
    assert "no zone" in said
