"""Cores as a made-up machine tells them, what `[machine]` gets there, and pinning on this one (feature OP06)."""

import os
import threading

import msgspec
import pytest

from tests.log import tape
from trading_bot.collector import QuietLogs, collector_restored
from trading_bot.core.event_log import verify
from trading_bot.cores import core_list, core_text, read_cores
from trading_bot.domain.errors import UsageError
from trading_bot.domain.machine_config import MachineConfig
from trading_bot.machine_setup import ANYWHERE, MachinePlan, pinned, plan_machine

# As Linux writes it for four cores of which two are whole ones in two halves; the second is isolated.
TREE = {
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/devices/system/cpu/isolated": "1,3\n",
    "sys/devices/system/cpu/nohz_full": "3\n",
    "sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,2\n",
    "sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "1,3\n",
    "sys/devices/system/cpu/cpu2/topology/thread_siblings_list": "0,2\n",
    "sys/devices/system/cpu/cpu3/topology/thread_siblings_list": "1,3\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    "sys/devices/system/cpu/cpuidle/current_driver": "intel_idle\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "proc/cmdline": "quiet isolcpus=managed_irq,1,3 nohz_full=3 rcu_nocbs=1-3\n",
}


@pytest.fixture
def machine(tmp_path):
    def made(**changes):
        for name, text in {**TREE, **changes}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return msgspec.structs.replace(read_cores(tmp_path), allowed=(0, 2))

    return made


@pytest.mark.parametrize(
    ("text", "cores", "back"),
    [
        ("0-3", (0, 1, 2, 3), "0-3"),
        ("0,2-3,7", (0, 2, 3, 7), "0,2-3,7"),
        ("managed_irq,domain,1,3", (1, 3), "1,3"),
        ("", (), "none"),
        ("(null)", (), "none"),
    ],
)
def test_lists_of_cores_as_the_kernel_writes_them(text, cores, back):
    assert core_list(text) == cores
    assert core_text(cores) == back


def test_a_machine_is_read(machine):
    cores = machine()
    assert cores.online == (0, 1, 2, 3)
    assert cores.isolated == (1, 3)
    assert cores.tickless == (3,)
    assert cores.callbacks_off == (1, 2, 3)
    assert cores.siblings[1] == (1, 3)
    assert cores.governors == {0: "powersave"}
    assert cores.quota == 1.5


def test_a_machine_that_tells_nothing_is_one_too(tmp_path):
    cores = read_cores(tmp_path)
    assert cores.online == cores.allowed == tuple(sorted(os.sched_getaffinity(0)))
    assert cores.isolated == cores.tickless == ()
    assert cores.quota is None


def test_an_isolated_core_is_had_although_the_scheduler_leaves_it_out(machine):
    plan = plan_machine(MachineConfig(cpu=3), machine())
    assert (plan.core, plan.others, plan.spin, plan.warnings) == (3, (0, 2), False, ())


def test_a_core_that_is_not_there_is_refused(machine):
    with pytest.raises(UsageError, match=r"machine\.cpu is 9: this machine has the cores 0-3; name one of them"):
        plan_machine(MachineConfig(cpu=9), machine())


@pytest.mark.parametrize(
    ("cpu", "spins", "said"),
    [
        (-1, False, ["without machine.cpu"]),
        (0, True, ["not isolated (isolated: 1,3)", "isolcpus=0", "other half is core 2", "limit of 1.5 cores"]),
        (3, True, ["other half is core 1", "limit of 1.5 cores"]),
    ],
)
def test_spinning_wants_a_core_of_its_own(machine, cpu, spins, said):
    plan = plan_machine(MachineConfig(cpu=cpu, spin=True), machine())
    assert plan.spin is spins
    text = " | ".join(plan.warnings)
    assert len(plan.warnings) == len(said) - (1 if cpu == 0 else 0)
    for part in said:
        assert part in text


def test_the_only_core_does_not_spin(machine):
    cores = msgspec.structs.replace(machine(), allowed=(0,))
    plan = plan_machine(MachineConfig(cpu=0, spin=True), cores)
    assert not plan.spin
    assert plan.others == (0,)
    assert "the only core this process may use" in plan.warnings[0]


# --- this machine -----------------------------------------------------------------------------------------------------

CORES = tuple(sorted(os.sched_getaffinity(0)))
two_cores = pytest.mark.skipif(len(CORES) < 2, reason="this process may use one core only")


@two_cores
def test_the_trading_thread_has_its_core_and_every_other_thread_another(tmp_path):
    plan = MachinePlan(core=CORES[-1], others=CORES[:-1], spin=False)
    before = os.sched_getaffinity(0)
    waiting, ready = threading.Event(), threading.Event()
    seen = {}

    def other():
        ready.set()
        waiting.wait(10)
        seen["older"] = os.sched_getaffinity(0)

    older = threading.Thread(target=other)
    older.start()
    ready.wait(10)
    with collector_restored(), pinned(plan):
        assert os.sched_getaffinity(0) == {plan.core}
        logs = QuietLogs(tmp_path, run_id="x", segment_bytes=tape.SEGMENT, sync_s=0.01, plan=plan)
        earlier = set(threading.enumerate())  # of other tests, too
        log = logs.create(20261123)
        syncing = [one for one in threading.enumerate() if one.name.startswith("log-") and one not in earlier]
        for thread in syncing:
            assert os.sched_getaffinity(thread.native_id) == set(plan.others)
        assert os.sched_getaffinity(0) == {plan.core}
        logs.release(log)
    assert len(syncing) == 2
    waiting.set()
    older.join()
    assert seen["older"] == set(plan.others)
    assert os.sched_getaffinity(0) == before
    assert verify(tmp_path / "20261123").closed


def test_without_a_core_nothing_is_changed():
    before = os.sched_getaffinity(0)
    with pinned(ANYWHERE):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


def test_a_core_the_system_refuses_is_named():
    there_is_none = MachinePlan(core=4095, others=CORES, spin=False)
    with pytest.raises(UsageError, match=r"machine\.cpu is 4095: .* name one of"), pinned(there_is_none):
        pass
