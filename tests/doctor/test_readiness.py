"""The doctor on software, calendar, disk, learning state, dead man, nominal day and account: what fails, and how."""

import fcntl
import struct
import time
from datetime import UTC, datetime

import msgspec
import pytest

from trading_bot import _fast
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.config_files import load_config
from trading_bot.core import learning_file
from trading_bot.core.deadman_files import LOCK_FILE, STATE_FILE, DeadmanState
from trading_bot.doctor import account, companions, disk, nominal, readiness, software
from trading_bot.doctor.checks import Status
from trading_bot.domain.config import BotConfig, RunConfig
from trading_bot.domain.deadman_config import DeadmanConfig
from trading_bot.domain.units import NS_PER_S

WANTED = ("msgspec<0.23,>=0.20", "ib_insync<0.10,>=0.9.86", 'ib_async<2.2,>=2.1; extra == "ib-async"')
THERE = {"msgspec": "0.22.0", "ib_insync": "0.9.86"}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (THERE, ""),
        ({**THERE, "msgspec": "0.19.9"}, "msgspec 0.19.9 (expected <0.23,>=0.20)"),
        ({**THERE, "msgspec": "0.23"}, "msgspec 0.23"),
        ({"ib_insync": "0.9.86"}, "msgspec is missing"),
        ({"msgspec": "0.22.0", "ib_async": "2.1.0"}, ""),  # the other client library in its own environment
        ({**THERE, "ib_async": "2.1.0"}, "client libraries ib_insync and ib_async"),
        ({"msgspec": "0.22.0"}, "client libraries none"),
    ],
)
def test_packages_are_held_to_what_pyproject_asks_for(there, said):
    check = software.packages_check(WANTED, there.get)
    assert check.status is (Status.FAIL if said else Status.OK)
    assert said in check.todo
    assert check.exit_code == (2 if said else 0)


def elf(commands=b"", *, debug=False):
    """A 64-bit ELF file of nothing but a table of sections."""
    names = [b"", b".shstrtab", *([b".GCC.command.line"] if commands else []), *([b".debug_info"] if debug else [])]
    table = b"\0".join(names) + b"\0"
    bodies = {b".shstrtab": table, b".GCC.command.line": commands}
    rows, body, at = b"", b"", 64
    for name in names:
        content = bodies.get(name, b"")
        name_at = table.index(name + b"\0") if name else 0
        rows += struct.pack("<IIQQQQIIQQ", name_at, 1, 0, 0, at, len(content), 0, 0, 1, 0)
        body, at = body + content, at + len(content)
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 0x28, 64 + len(body))
    struct.pack_into("<HHH", head, 0x3A, 64, len(names), 1)
    return bytes(head) + body + rows


GOOD = b"GNU C11 12.2.0 -g -g0 -O3 -O2 -std=c11 -fPIC -ffp-contract=off -fwrapv -fno-fast-math"


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (elf(GOOD), Status.OK, "-O2 -ffp-contract=off -fno-fast-math -fwrapv"),
        (elf(GOOD.replace(b" ", b"\0")), Status.OK, "-O2"),  # a record for each switch
        (elf(GOOD.replace(b"-O2", b"-O0")), Status.FAIL, "a debug build: kernel"),
        (elf(GOOD + b" -DCYTHON_TRACE=1"), Status.FAIL, "a debug build: kernel"),
        (elf(debug=True), Status.FAIL, "a debug build: kernel"),
        (elf(GOOD.replace(b"-ffp-contract=off", b"")), Status.FAIL, "other flags"),
        (elf(GOOD + b" -ffast-math"), Status.FAIL, "other flags"),
        (elf(), Status.WARN, "not recorded"),
        (b"no library", Status.WARN, "not recorded"),
        (elf(GOOD)[:-10], Status.WARN, "not recorded"),
    ],
)
def test_how_the_kernels_were_compiled_is_read_from_themselves(tmp_path, content, status, said):
    library = tmp_path / "kernel.cpython-311.so"
    library.write_bytes(content)
    check = software.flags_check([library])
    assert check.status is status
    assert said in check.found


def test_a_kernel_that_is_missing_or_old_is_told(tmp_path):
    (tmp_path / "one.pyx").write_text("")
    found = {check.name: check for check in software.kernel_checks(tmp_path)}
    assert found["kernels"].status is Status.FAIL
    (tmp_path / "one.cpython-311.so").write_bytes(elf(GOOD))
    assert next(software.kernel_checks(tmp_path)).status is Status.OK
    later = time.time() + 60
    import os

    os.utime(tmp_path / "one.pyx", (later, later))
    assert next(software.kernel_checks(tmp_path)).status is Status.WARN


def test_the_kernels_of_this_very_run_are_no_debug_build_or_say_so():
    from pathlib import Path

    found = {check.name: check for check in software.software_checks()}
    assert found["environment"].status is Status.OK
    assert found["packages"].status is Status.OK
    assert found["kernels"].values["built"] == len(list(Path(_fast.__file__).parent.glob("*.pyx")))


def test_less_than_500_mb_is_too_little(tmp_path, monkeypatch):
    class Usage:
        free = 499_999_999

    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: Usage)
    check = next(disk.disk_checks(tmp_path, segment_mib=16, sync_ms=50, syncs=0))
    assert (check.status, check.exit_code) == (Status.FAIL, 2)
    Usage.free = 500_000_000
    assert next(disk.disk_checks(tmp_path, segment_mib=16, sync_ms=50, syncs=0)).status is not Status.FAIL


@pytest.mark.parametrize(("day", "status"), [("2029-12-01", Status.OK), ("2029-12-02", Status.FAIL)])
def test_a_calendar_of_less_than_thirty_days_is_too_short(tmp_path, day, status):
    """The table ends on 2029-12-31."""
    now_ns = round(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp()) * NS_PER_S
    check = next(readiness.calendar_checks(load_config(), tmp_path, now_ns))
    assert (check.name, check.status) == ("calendar", status)


def test_a_learning_state_that_cannot_be_used_is_told(tmp_path):
    assert companions.learning_check(tmp_path).status is Status.OK
    path = tmp_path / learning_file.FILE_NAME
    learning_file.save_learning(path, {"templates": {}}, log="data/runs/r/20261125", seq=12_345)
    check = companions.learning_check(tmp_path)
    assert (check.status, check.values["seq"]) == (Status.OK, 12_345)
    path.write_bytes(path.read_bytes()[:-3])
    assert companions.learning_check(tmp_path).status is Status.WARN


def of_mode(mode, **deadman):
    return BotConfig(run=RunConfig(mode=mode), deadman=DeadmanConfig(**deadman))


def test_nobody_beside_a_bot_that_sends_orders_is_told(tmp_path):
    assert companions.deadman_check(of_mode("OBSERVE"), tmp_path).status is Status.OK
    for mode in ("PAPER", "LIVE"):
        check = companions.deadman_check(of_mode(mode), tmp_path)
        assert check.status is Status.WARN
        assert "trading-bot deadman" in check.todo
    assert companions.deadman_check(of_mode("LIVE", start=True), tmp_path).status is Status.OK
    check = companions.deadman_check(of_mode("LIVE", client_id=1), tmp_path)
    assert (check.status, check.exit_code) == (Status.FAIL, 2)


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"doing": "watching", "connected": True, "account": "DU1"}, Status.OK, "account DU1"),
        ({"doing": "waiting", "connected": False}, Status.OK, "waiting"),
        ({"doing": "watching", "connected": False, "problem": "no gateway"}, Status.WARN, "not connected"),
        ({"doing": "watching", "connected": True, "ts_wall_ns": 1}, Status.WARN, "has said nothing"),
    ],
)
def test_a_dead_man_who_watches_is_shown_with_what_keeps_him(tmp_path, values, status, said):
    state = DeadmanState(**{"pid": 7, "ts_wall_ns": time.time_ns(), **values})
    (tmp_path / STATE_FILE).write_bytes(msgspec.json.encode(state))
    with (tmp_path / LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check = companions.deadman_check(of_mode("LIVE"), tmp_path)
    assert check.status is status
    assert said in check.found


def test_a_gate_that_closes_more_than_30_percent_of_an_ordinary_day_is_a_warning():
    """Specification 6.3."""
    check = nominal.nominal_check("scalper", 390, 0.4, {"EUC_LOW": 0.31, "BREAKER": 0.30}, 0.30)
    assert check.status is Status.WARN
    assert check.todo.startswith("EUC_LOW close more than 30%")
    assert nominal.nominal_check("scalper", 390, 0.4, {"BREAKER": 0.30}, 0.30).status is Status.OK
    assert nominal.nominal_check("scalper", 390, 0.0, {}, 0.30).status is Status.WARN


@pytest.fixture(scope="module")
def gateway():
    with running_gateway(seed=7, speed=1.0, start_ns=1_795_617_300_000_000_000) as running:
        yield running


def looked_at(gateway, mode="PAPER", number="DUSIM1"):
    checks = account.account_checks(
        of_mode(mode),
        host="127.0.0.1",
        port=gateway.port,
        account=number,
        client_id=account.CLIENT_ID,
        now_ns=1_795_617_300_000_000_000,
    )
    return {check.name: check for check in checks}


def test_an_account_that_can_trade_is_shown_and_left_as_it_was(gateway):
    found = looked_at(gateway)
    assert {check.status for check in found.values()} == {Status.OK}
    assert found["money"].values["equity_usd"] == 10_000.0
    assert found["contract"].values["local_symbol"] == "MESZ6"
    assert found["permission"].values["margin_usd"] > 0
    assert found["market data"].values == {"type": 1}
    assert gateway.call(lambda served: (len(served.desk.executions.rows), list(served.desk.open_orders()))) == (0, [])


@pytest.mark.parametrize(
    ("action", "values", "name", "said"),
    [
        ("refuse_requests", {"requests": [3], "code": 321, "text": "Read-Only mode"}, "permission", "Read-Only mode"),
        ("refuse_requests", {"requests": [1], "code": 354, "text": "not subscribed"}, "market data", "354"),
        ("ignore_requests", {"requests": [61]}, "open there", "unknown is not flat"),
    ],
)
def test_what_keeps_an_account_from_trading_fails(gateway, monkeypatch, action, values, name, said):
    monkeypatch.setattr(account, "_WAIT_S", 1.0)
    gateway.call(lambda served: served.scenario.do(action, **values))
    found = looked_at(gateway)
    gateway.call(lambda served: served.scenario.do(action, on=False, **values))
    assert found[name].status is Status.FAIL
    assert said in found[name].todo


def test_another_account_and_a_taken_id_are_refused(gateway):
    assert looked_at(gateway, number="DUSIM7")["account"].exit_code == 2
    assert looked_at(gateway, mode="LIVE")["account"].exit_code == 2
    gateway.call(lambda served: served.scenario.do("take_client_id", client_id=account.CLIENT_ID))
    found = looked_at(gateway)
    gateway.call(lambda served: served.scenario.do("take_client_id", client_id=account.CLIENT_ID, on=False))
    assert found["account"].exit_code == 3
