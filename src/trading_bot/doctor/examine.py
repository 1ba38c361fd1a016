"""Everything the doctor looks at, in the order of its answer."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from trading_bot.config_files import LoadedConfig
from trading_bot.cores import Cores, read_cores
from trading_bot.doctor import account, clocks, companions, disk, gateway, processor, readiness, software, wake_up
from trading_bot.doctor.account import CLIENT_ID
from trading_bot.doctor.checks import Check, Status, fail, ok
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import BotError, UsageError
from trading_bot.domain.machine_config import MachineConfig
from trading_bot.machine_setup import ANYWHERE, MachinePlan, plan_machine

Load = Callable[[], LoadedConfig]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The doctor's answer. `ok`: nothing keeps the bot from trading; `exit_code` is that of the first check that does.

    `ts` is UTC wall time.
    """

    ok: bool
    exit_code: int
    fails: int
    warns: int
    ts: str
    checks: tuple[Check, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look. `quick` measures nothing; `gateway` False asks none; `port` None takes the mode's.

    `account` asks for a look at it, with `client_id`; `nominal` plays an ordinary day of a profile, None plays none.
    """

    data_dir: Path
    host: str
    port: int | None
    quick: bool = False
    gateway: bool = True
    account: str | None = None
    client_id: int = CLIENT_ID
    nominal: Callable[[str], Check] | None = None


def examine(asked: Asked, load: Load, *, now_ns: int, ts: str) -> Report:
    """Look at everything. `load` reads the configuration, `now_ns` is wall time.

    Nothing is raised for what is found; the machine's own trouble (no /proc) shows as a check.
    """
    checks = tuple(_checks(asked, load, now_ns))
    failing = [check for check in checks if check.status is Status.FAIL]
    return Report(
        ok=not failing,
        exit_code=failing[0].exit_code if failing else 0,
        fails=len(failing),
        warns=sum(check.status is Status.WARN for check in checks),
        ts=ts,
        checks=checks,
    )


def _checks(asked: Asked, load: Load, now_ns: int) -> Iterator[Check]:
    loaded, broken = _loaded(load)
    config = BotConfig() if loaded is None else loaded.config
    running, _pid = readiness.bot_in(asked.data_dir)
    before, begin_s = processor.cpu_times(), time.monotonic()
    cores = read_cores()
    yield from software.software_checks()
    yield from processor.core_checks(cores, config.machine)
    yield from processor.limit_checks()
    yield from clocks.clock_checks(measures=not asked.quick)
    if not asked.quick:
        plan = _measured_on(config.machine, cores, running=running is not False)
        yield from wake_up.wake_up_checks(config.machine, plan, spins=not running)
    yield from disk.disk_checks(
        asked.data_dir,
        segment_mib=config.log.segment_mib,
        sync_ms=config.log.sync_ms,
        syncs=0 if asked.quick else disk.SYNCS_BESIDE_A_BOT if running else disk.SYNCS,
    )
    if time.monotonic() - begin_s > processor.STEAL_SPAN_S:
        yield processor.steal_check(before, processor.cpu_times())
    if loaded is None:
        assert broken is not None
        yield broken
    else:
        yield from readiness.config_checks(loaded)
        yield from readiness.calendar_checks(loaded, asked.data_dir, now_ns)
    yield from readiness.switch_checks(asked.data_dir)
    yield companions.deadman_check(config, asked.data_dir)
    yield companions.learning_check(asked.data_dir)
    yield readiness.log_check(asked.data_dir)
    if asked.nominal is not None and loaded is not None and running is False and not asked.quick:
        yield asked.nominal(config.run.profile)
    if asked.gateway and config.run.adapter == "ibkr":
        yield from _at_gateway(asked, config, now_ns)


def _at_gateway(asked: Asked, config: BotConfig, now_ns: int) -> Iterator[Check]:
    port = asked.port or gateway.PORTS[config.run.mode == "LIVE"]
    reachable = True
    for check in gateway.gateway_checks(asked.host, port):
        reachable = reachable and check.status is not Status.FAIL
        yield check
    if not reachable:
        return
    if asked.account is None:
        said = "not looked at: --account ID asks for money, permission and kind of market data, with an id of its own"
        yield ok(account.SECTION, "account", said)
        return
    yield from account.account_checks(
        config, host=asked.host, port=port, account=asked.account, client_id=asked.client_id, now_ns=now_ns
    )


def _measured_on(config: MachineConfig, cores: Cores, *, running: bool) -> MachinePlan:
    """The trading thread's core, unless a bot has it, or there is none such."""
    if running:
        return ANYWHERE
    try:
        return plan_machine(config, cores)
    except UsageError:  # which `core_checks` has told
        return ANYWHERE


def _loaded(load: Load) -> tuple[LoadedConfig | None, Check | None]:
    try:
        return load(), None
    except BotError as error:
        check = fail(readiness.SECTION, "configuration", "refused", str(error), exit_code=error.exit_code)
        return None, check
