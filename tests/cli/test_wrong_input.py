"""What a person does wrong: each ends with the code of its kind and says what to do, never as a bug of ours."""

import json
import signal

import pytest

from tests.cli.test_run_and_replay import write_tape

HEADER = "ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor\n"
ROW = "1795609800000000000,6700.00,5,6700.25,5,,,\n"


@pytest.fixture
def tape(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + ROW)
    return path


def observe(run_main, *arguments):
    return run_main("--mode", "OBSERVE", "--adapter", "files", *arguments, "--json")


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_data_directory_that_takes_no_files_ends_with_2(run_main, tape, tmp_path, where):
    (tmp_path / "file").write_text("")
    code, out, err = observe(run_main, "--input", tape, "--data-dir", tmp_path / where)
    error = json.loads(out)["error"]
    assert (code, error["type"]) == (2, "UsageError")
    assert "--data-dir" in error["message"]
    assert "Traceback" not in err


def test_an_export_into_a_file_ends_with_2(run_main, tape, tmp_path):
    _, out, _ = observe(run_main, "--input", tape, "--data-dir", tmp_path / "data")
    (tmp_path / "file").write_text("")
    code, out, _ = run_main(
        "log", "export", json.loads(out)["log_path"], "--parquet", tmp_path / "file" / "columns", "--json"
    )
    assert code == 2
    assert "--parquet" in json.loads(out)["error"]["message"]


@pytest.mark.parametrize("seconds", ["1e300", "inf", "nan", "0", "-1", "1e10"])
def test_a_duration_without_sense_ends_with_2(run_main, tape, tmp_path, seconds):
    code, out, _ = observe(run_main, "--input", tape, "--data-dir", tmp_path / "data", "--duration", seconds)
    assert code == 2
    assert "--duration" in json.loads(out)["error"]["message"]


def test_an_interrupt_before_the_run_is_a_json_document_too(run_main, tape, tmp_path, monkeypatch):
    from trading_bot import cli_run

    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cli_run, "loaded_for", interrupted)
    code, out, _ = observe(run_main, "--input", tape, "--data-dir", tmp_path / "data")
    assert (code, json.loads(out)["error"]["code"]) == (130, 130)


def test_a_traceback_that_no_file_takes_is_on_stderr(run_main, tmp_path, monkeypatch):
    from trading_bot import cli_run

    def broken(*_):
        raise RuntimeError("seeded")

    monkeypatch.setattr(cli_run, "loaded_for", broken)
    (tmp_path / "file").write_text("")
    code, out, err = run_main("--data-dir", tmp_path / "file", "--json")
    assert code == 1
    assert "stderr" in json.loads(out)["error"]["message"]
    assert "RuntimeError: seeded" in err


def test_the_same_broken_file_elsewhere_gives_the_same_digests(run_main, tmp_path):
    """Specification 13: digests are without paths; the alert of a failed source names the file."""
    digests = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        tape, columns = write_tape(folder)
        tape.write_text(tape.read_text() + "1,2\n")
        code, out, _ = observe(
            run_main, "--input", tape, "--columns", columns, "--data-dir", folder / "data", "--instrument", "MES"
        )
        summary = json.loads(out)
        assert code == 6
        digests.add((summary["effects_digest"], summary["state_digest"]))
    assert len(digests) == 1
