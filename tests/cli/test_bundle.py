"""`bundle`: what names an account, a person, a machine or a folder is out of it, and it replays elsewhere (NV07)."""

import json
import os
import tarfile
import zlib
from pathlib import Path

import msgspec
import pytest

from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.build_digest import build_digest
from trading_bot.core.event_log import LogReader, MessageFrame
from trading_bot.core.replay import replay, session_logs
from trading_bot.domain import log_records
from trading_bot.domain.events import AccountSnapshot, DecisionMade, RunEnded
from trading_bot.reports.log_rewrite import rewrite_log
from trading_bot.reports.redaction import HIDDEN, Redactor

OPEN_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z
SIM = ("--mode", "OBSERVE", "--adapter", "sim", "--seed", "11", "--start", "2026-11-25T14:36:00Z", "--duration", "150")
CANARY = "canary-5e1f77"
ACCOUNT = "DUSIM7654"
PERSON = "alice.example"


@pytest.fixture(scope="module")
def sim_run(tmp_path_factory):
    """A run with trades of the simulated market, in a folder whose name nobody should read."""
    from trading_bot.cli import main

    data = tmp_path_factory.mktemp("sim") / PERSON / "data"
    assert main([*SIM, "--data-dir", str(data)]) == 0
    return next((data / "runs").iterdir())


def packed(run_main, *arguments, code=0):
    found, out, err = run_main("bundle", "--json", *arguments)
    assert found == code, out + err
    return json.loads(out)


def unpack(path, folder):
    with tarfile.open(path) as archive:
        assert {(member.uid, member.gid, member.uname, member.mtime) for member in archive} == {(0, 0, "", 0)}
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


def everything(folder):
    """All bytes of a bundle, with what is compressed inside the records unfolded."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()
        if path.is_dir() and any(path.glob("seg-*.tbl")):
            with LogReader(path) as reader:
                for item in reader.spans():
                    if isinstance(item, MessageFrame):
                        yield from unfolded(msgspec.msgpack.decode(item.payload))


def unfolded(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key).encode()
            yield from unfolded(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from unfolded(inner)
    elif isinstance(value, bytes):
        try:
            yield zlib.decompress(value)
        except zlib.error:
            yield value


def records(folder):
    for log in session_logs(folder):
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    yield log_records.decode(item.payload)


def test_a_paper_run_with_its_secrets_out_replays_in_another_place(run_main, tmp_path, monkeypatch):
    """Account, person, folders and a token: in no file, no record and no compressed part; the effects are the same."""
    monkeypatch.setenv("SOME_API_TOKEN", CANARY)
    data = tmp_path / "home" / PERSON / "data"
    with running_gateway(seed=7, speed=60.0, start_ns=OPEN_NS, account=ACCOUNT) as gateway:
        run = ("--port", gateway.port, "--account", ACCOUNT, "--clock", "feed", "--speed", "60", "--duration", "4")
        code, out, _ = run_main("--mode", "PAPER", *run, "--data-dir", data, "--json")
        assert code == 0, out
    with (data / "logs" / "operator.jsonl").open("a") as journal:
        journal.write(json.dumps({"event": "kill", "reason": f"{CANARY} of {ACCOUNT}", "monitor_token": "x"}) + "\n")
    log_path = json.loads(out)["log_path"]
    assert any(
        isinstance(record, AccountSnapshot) and record.account == ACCOUNT for record in records(tmp_path / log_path)
    )
    ended = next(record for record in records(tmp_path / log_path) if isinstance(record, RunEnded))
    said = packed(run_main, log_path, "--data-dir", data, "--out", tmp_path / "bug.tar.gz")["bundle"]
    assert said["equal"]
    assert said["effects_digest_same"]
    assert not said["state_digest_same"]
    assert said["original"]["state_digest"] == ""
    assert said["replaced"]["account"] == 1
    elsewhere = tmp_path / "elsewhere"
    bundle = unpack(tmp_path / "bug.tar.gz", elsewhere)
    words = [word.encode() for word in (CANARY, ACCOUNT, PERSON, str(tmp_path), f"{Path.home()}/")]
    whole = list(everything(bundle))
    assert len(whole) > 500
    assert [word for word in words for part in whole if word in part] == []
    assert {record.account for record in records(bundle / "run") if isinstance(record, AccountSnapshot)} == {
        "DUSIM0001"
    }
    again = next(record for record in records(bundle / "run") if isinstance(record, RunEnded))
    assert again.effects_digest == ended.effects_digest
    assert ended.state_digest.encode() not in b"".join(whole), "it would confirm a guess of the account"
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(elsewhere))
    (data / "runs").rename(tmp_path / "gone")  # nothing but the bundle is left to read
    code, out, _ = run_main("replay", bundle / "run", "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["reason"]) == (0, True, "")
    assert report["effects_digest"] == said["original"]["effects_digest"]
    assert report["state_digest"] == said["bundled"]["state_digest"]
    assert run_main("log", "verify", bundle / "run", "--json")[0] == 0
    assert f"trading-bot replay {bundle.name}/run" in (bundle / "README.md").read_text()


def test_a_simulated_run_keeps_both_digests_and_replays_from_the_file(run_main, sim_run, tmp_path):
    said = packed(run_main, sim_run)
    path = tmp_path / f"bundle-{sim_run.name}.tar.gz"
    assert said["path"] == path.name
    assert (said["bundle"]["effects_digest_same"], said["bundle"]["state_digest_same"]) == (True, True)
    assert said["bundle"]["bundled"]["effects"] > 0
    code, out, _ = run_main("replay", path, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["records"]) == (0, True, said["bundle"]["records"])
    summary = json.loads((sim_run / "summary.json").read_text())
    assert (report["effects_digest"], report["state_digest"]) == (summary["effects_digest"], summary["state_digest"])
    bundle = unpack(path, tmp_path / "x")
    assert [part for part in everything(bundle) if PERSON.encode() in part] == []
    listed = json.loads((bundle / "bundle.json").read_text())["files"]
    held = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    assert held == set(listed) | {"bundle.json", "README.md"}
    assert {"run/run.json", "run/config.json", "run/summary.json", "documents/20261125.json"} <= held


def test_a_run_that_was_killed_stays_one_without_an_end(run_main, sim_run, tmp_path):
    """Cut in the middle of its last record: the same record is the last, and replay owes what it owed before."""
    cut = copied(sim_run, tmp_path / "cut")
    segment = next(session_logs(cut)[0].glob("seg-*.tbl"))
    os.truncate(segment, segment.stat().st_size // 128 * 64 + 24)
    before = replay(cut, build=build_digest())
    said = packed(run_main, cut, "--out", tmp_path / "cut.tar.gz")["bundle"]
    assert said["equal"]
    assert said["bundled"]["last_seq"] == before.last_seq
    assert any("no orderly end" in note for note in said["notes"])
    bundle = unpack(tmp_path / "cut.tar.gz", tmp_path / "x")
    code, out, _ = run_main("log", "verify", bundle / "run", "--json")
    assert (code, json.loads(out)["logs"][0]["closed"]) == (0, False)


def test_a_run_that_does_not_replay_is_packed_as_it_is(run_main, sim_run, tmp_path):
    """That is what bundles are for: the same first difference, exit 0 for the packing and 4 for the replay."""
    bent = tmp_path / "bent"
    made = next(record for record in records(sim_run) if isinstance(record, DecisionMade) and record.template)
    redactor = Redactor()
    redactor.replace_exactly(made.text, made.text.replace("p 0.", "p 9.") + "!")
    for log in session_logs(sim_run):
        rewrite_log(log, bent / log.name, redactor)
    before = replay(bent, build=build_digest())
    assert not before.ok
    said = packed(run_main, bent, "--out", tmp_path / "bent.tar.gz")["bundle"]
    assert (said["equal"], said["bundled"]["first_difference_seq"]) == (True, before.first_difference_seq)
    assert run_main("replay", tmp_path / "bent.tar.gz", "--json")[0] == 4


def test_of_a_damaged_log_it_holds_what_stands_before(run_main, sim_run, tmp_path):
    hurt = copied(sim_run, tmp_path / "hurt")
    segment = next(session_logs(hurt)[0].glob("seg-*.tbl"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 128 * 64 + 20] ^= 0xFF
    segment.write_bytes(data)
    said = packed(run_main, hurt, "--out", tmp_path / "hurt.tar.gz")["bundle"]
    assert not said["original"]["ok"]
    assert any("is damaged after record" in note for note in said["notes"])
    assert run_main("replay", tmp_path / "hurt.tar.gz", "--json")[0] == 0


def test_words_can_be_hidden(run_main, sim_run, tmp_path):
    """A word of the core's own changes what it says: the bundle is written, and the exit code tells."""
    word = next(record.reason for record in records(sim_run) if isinstance(record, DecisionMade))
    packed(run_main, sim_run, "--hide", word, "--out", tmp_path / "h.tar.gz", code=4)
    bundle = unpack(tmp_path / "h.tar.gz", tmp_path / "x")
    assert [part for part in everything(bundle / "run") if word.encode() in part] == []
    assert any(HIDDEN.encode() in part for part in everything(bundle / "run"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "x.zip"), "end in .tar.gz"),
        (("--out", "no/such/x.tar.gz"), "there is no folder"),
        (("--hide", "ab"), "too short"),
        (("--out", "there.tar.gz"), "exists"),
    ],
)
def test_what_cannot_be_done_is_said(run_main, sim_run, tmp_path, arguments, said):
    (tmp_path / "there.tar.gz").write_bytes(b"somebody's")
    code, out, _ = run_main("bundle", sim_run, *arguments, "--json")
    assert (code, said in json.loads(out)["error"]["message"]) == (2, True)
    assert (tmp_path / "there.tar.gz").read_bytes() == b"somebody's"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".bundle-")] == []


def test_what_is_no_bundle_is_refused(run_main, tmp_path):
    (tmp_path / "e.tar.gz").write_bytes(b"\x1f\x8b\x08\x08")
    assert run_main("replay", tmp_path / "e.tar.gz", "--json")[0] == 6
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b nothing")
    assert run_main("replay", tmp_path / "x.tar.gz", "--json")[0] == 6
    with tarfile.open(tmp_path / "y.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("a/run")
        link.type, link.linkname = tarfile.SYMTYPE, "/"
        archive.addfile(link)
    assert run_main("replay", tmp_path / "y.tar.gz", "--json")[0] == 6
    with tarfile.open(tmp_path / "z.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a/empty"))
    assert run_main("replay", tmp_path / "z.tar.gz", "--json")[0] == 2


def copied(run, folder):
    import shutil

    return shutil.copytree(run, folder)
