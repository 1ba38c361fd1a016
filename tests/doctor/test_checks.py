"""The doctor's judgement on figures made for it: clocks, stolen time, limits, the disk."""

import time

import pytest

from trading_bot.adapters.ibkr.probe import Gateway
from trading_bot.doctor import clocks, disk, gateway, processor
from trading_bot.doctor.checks import Status, percentile
from trading_bot.domain.errors import SourceUnreachable

# 2026-11-20 14:30:00 as if it were UTC: (20777 days since 1970) * 86400 + 52200.
TOLD_S = 20_777 * 86_400 + 52_200


def test_a_gateways_stamp_is_read_with_and_without_a_zone():
    assert gateway.stamp_s("20261120 14:30:00 EST") == TOLD_S
    assert gateway.stamp_s("20261120-14:30:00") == TOLD_S
    assert gateway.stamp_s("yesterday") is None
    assert gateway.stamp_s("20269920 14:30:00 EST") is None


def bounds(*pairs):
    return [(low, high) for low, high in pairs]


@pytest.mark.parametrize("zone_s", [0, -5 * 3600, 5 * 3600 + 1800, 13 * 3600 + 2700])
def test_the_offset_is_what_every_look_allows_whatever_the_zone(zone_s):
    check = gateway.clock_check(bounds((zone_s - 0.2, zone_s + 0.8), (zone_s + 0.1, zone_s + 1.1)), "told")
    assert check.status is Status.OK
    assert check.values["offset_s"] == pytest.approx(0.45)
    assert check.values["within_s"] == pytest.approx(0.35)


def test_a_clock_that_is_surely_wrong_is_a_warning():
    check = gateway.clock_check(bounds((-30.5, -29.5), (-30.1, -29.2)), "told")
    assert check.status is Status.WARN
    assert check.values["offset_s"] == pytest.approx(-29.8)
    assert "NTP" in check.todo
    assert gateway.clock_check(bounds((0.5, 1.5)), "told").status is Status.OK  # it may be right


def test_a_clock_of_another_speed_is_told_as_such():
    check = gateway.clock_check(bounds((0.0, 1.0), (13.0, 14.0)), "told")
    assert check.status is Status.WARN
    assert "--clock feed" in check.todo


def test_a_gateway_with_this_machines_time_agrees_with_it(monkeypatch):
    monkeypatch.setattr(gateway, "_PAUSE_S", 0.01)

    def ask(host, port):
        now = time.gmtime(time.time() - 5 * 3600)
        return Gateway(host=host, port=port, server_version=176, connected_at=time.strftime("%Y%m%d %H:%M:%S EST", now))

    checks = {check.name: check for check in gateway.gateway_checks("127.0.0.1", 4002, ask=ask)}
    assert checks["reachable"].status is checks["clock"].status is Status.OK
    assert abs(checks["clock"].values["offset_s"]) <= 0.51
    assert checks["API version"].values == {"server_version": 176}
    assert checks["client library"].values["library"] in {"ib_insync", "ib_async"}


def test_without_a_gateway_nothing_more_is_asked():
    def ask(_host, _port):
        raise SourceUnreachable("nothing listens")

    *_, last = gateway.gateway_checks("127.0.0.1", 4002, ask=ask)
    assert (last.name, last.status, last.exit_code, last.todo) == ("reachable", Status.FAIL, 3, "nothing listens")


@pytest.mark.parametrize(
    ("kept", "error_ns", "status"),
    [
        (True, 12_000_000, Status.OK),
        (True, 2_500_000_000, Status.WARN),
        (False, 16_000_000_000, Status.WARN),
        (None, 0, Status.OK),
    ],
)
def test_a_clock_nobody_steers_is_a_warning(kept, error_ns, status):
    assert clocks.kept_check(error_ns, kept=kept).status is status


def test_the_kernel_tells_of_its_clock():
    error_ns, kept = clocks.kernel_clock()
    assert kept in {True, False, None}
    assert 0 <= error_ns <= 20_000_000_000  # the kernel stops counting at 16 s


@pytest.mark.parametrize(("stolen", "status"), [(0, Status.OK), (1, Status.OK), (5, Status.WARN)])
def test_stolen_time(tmp_path, stolen, status):
    proc = tmp_path / "proc"
    proc.mkdir()

    def at(idle, steal):
        (proc / "stat").write_text(f"cpu  10 0 20 {idle} 0 0 1 {steal} 99 0\ncpu0 1 2 3\n")
        return processor.cpu_times(tmp_path)

    before, after = at(1_000, 7), at(1_200 - stolen, 7 + stolen)  # guest time (99) is in user time already
    assert after[0] - before[0] == 200
    check = processor.steal_check(before, after)
    assert check.status is status
    assert check.values["share"] == stolen / 200


def test_swap_and_huge_pages_are_told(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 2097148 0 -2\n")
    pages = tmp_path / "sys/kernel/mm/transparent_hugepage"
    pages.mkdir(parents=True)
    (pages / "enabled").write_text("[always] madvise never\n")
    found = {check.name: check for check in processor.limit_checks(tmp_path)}
    assert found["swap"].status is found["huge pages"].status is Status.WARN
    assert found["swap"].values == {"kib": 2_097_148}


def test_a_disk_is_judged_by_the_time_the_log_gives_it(tmp_path):
    found = {check.name: check for check in disk.disk_checks(tmp_path, segment_mib=16, sync_ms=50, syncs=3)}
    assert found["keeping the log"].values["samples"] == 3
    assert found["keeping the log"].values["max_ms"] > 0
    assert list(tmp_path.iterdir()) == []
    found = {check.name: check for check in disk.disk_checks(tmp_path, segment_mib=2**40, sync_ms=50, syncs=0)}
    assert (found["room"].status, found["room"].exit_code) == (Status.FAIL, 2)


def test_a_data_directory_that_is_a_file_fails(tmp_path):
    (tmp_path / "data").write_text("")
    found = list(disk.disk_checks(tmp_path / "data", segment_mib=16, sync_ms=50, syncs=0))
    (check,) = [check for check in found if check.name == "data directory"]
    assert (check.status, check.exit_code) == (Status.FAIL, 2)
    assert "it is a file" in check.found


def test_percentiles_of_a_few_samples():
    assert [percentile([4, 1, 3, 2], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 3, 4, 4]
