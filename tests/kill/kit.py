"""A run in a folder over the exchange simulator, as `--adapter files` has it."""

from tests.core.worlds import BUILD, SEGMENT_BYTES, ListFeed
from trading_bot._fast import ExchangeSim
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.core.opening import RunIdentity
from trading_bot.core.run_logs import FolderLogs
from trading_bot.core.runner import BotRunner
from trading_bot.engines.exchange_config import exchange_config

PLAIN = {"decision": {"stability_max": 9.0}, "session": {"open_delay_min": 0}}


def simulated(docs):
    exchange = ExchangeSim(exchange_config(docs.config.simulator, docs.instrument, 0, docs.latency))
    return SimBroker(exchange, suppress=False, instrument_id=docs.instrument.id), exchange


def runner_over(folder, docs, tape, *, recovered=None, desk=None):
    broker, exchange = simulated(docs) if recovered is None else (recovered.broker, recovered.exchange)
    logs = FolderLogs(folder, run_id="test", segment_bytes=SEGMENT_BYTES, sync_s=0.05)
    identity = RunIdentity(run_id="test", build=BUILD, orders_count=True, clock_stands=True)
    return BotRunner(
        docs,
        feed=ListFeed(tape),
        broker=broker,
        exchange=exchange,
        logs=logs,
        identity=identity,
        recovered=recovered,
        desk=desk,
    )


def until_protected(runner):
    """Run until there is a position whose stop is in force."""
    while runner.machine is None or runner.machine.state.trade is None or not protected(runner):
        assert not runner.ended, "no position before the end"
        runner.run_once()


def protected(runner):
    return runner.machine.state.trade.resident_stop_qty > 0
