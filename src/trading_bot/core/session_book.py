"""A machine and the log it writes: everything that enters or leaves the core passes here, in one order."""

from trading_bot._fast import ExchangeSim, LogFull
from trading_bot.core.apply import Results
from trading_bot.core.documents import RunDocuments
from trading_bot.core.machine import Machine
from trading_bot.core.run_logs import FolderLogs, MemoryLogs, SessionLog
from trading_bot.core.stopping import PROTECTED
from trading_bot.domain import events, log_records
from trading_bot.domain.config import canonical, config_tag
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.records import FrameClass

_CLASSES, _encode = log_records.CLASSES, log_records.ENCODER.encode


class SessionBook:
    """The open log of one session. `machine` is None before the first."""

    def __init__(self, documents: RunDocuments, logs: FolderLogs | MemoryLogs, exchange: ExchangeSim | None) -> None:
        """`exchange` is matched by the kernel's loop for a simulated broker."""
        self.documents = documents
        self.logs = logs
        self.machine: Machine | None = None
        self.log: SessionLog | None = None
        self._exchange = exchange

    def open(self, machine: Machine, log: SessionLog) -> None:
        """From here on this machine writes to this log."""
        log.writer.set_config_tag(config_tag(self.documents.config_hash))
        machine.state.kernel.set_writer(log.writer)
        machine.state.kernel.set_exchange(self._exchange)
        self.machine, self.log = machine, log

    @property
    def live(self) -> Machine:
        """The machine of an open session."""
        assert self.machine is not None
        return self.machine

    @property
    def writing(self) -> SessionLog:
        """The log of an open session."""
        assert self.log is not None
        return self.log

    @property
    def now_ns(self) -> int:
        """The latest time the core has seen."""
        state = self.live.state
        return max(state.ts_ns, state.kernel.now_ns)

    def append(self, cls: FrameClass, record: Event | Effect, cause_seq: int) -> int:
        """Write a record; its number."""
        payload = log_records.encode(record)
        return self.writing.append_message(cls, record.ts_ns, self.documents.instrument.id, cause_seq, payload)

    def append_results(self, results: Results, cause_seq: int) -> list[int]:
        """Write what followed from a record; their numbers."""
        numbers: list[int] = []
        write, instrument_id = self.writing.writer.append_message, self.documents.instrument.id
        try:
            for one in results:
                numbers.append(  # noqa: PERF401 (what is in the log counts when there is no room for the next)
                    write(_CLASSES[type(one)], one.ts_ns, instrument_id, cause_seq, _encode(one))
                )
        except LogFull:  # the log makes room, if the disk has it
            numbers += [self.append(_CLASSES[type(one)], one, cause_seq) for one in results[len(numbers) :]]
        return numbers

    def end(self, reason: str) -> str:
        """The last record, with the digests that a replay must find, and what the next session starts from.

        Returns:
            What a person should know of a position that is left with its stop: the next start goes on with this log,
            which has no last record then. Empty otherwise.
        """
        machine = self.live
        if reason == PROTECTED and (qty := machine.state.position.qty):
            self.release()
            return f"position {qty:+d} is left with its stop at the broker (run.stop); the same command goes on with it"
        ended = events.RunEnded(
            ts_ns=self.now_ns,
            exit_reason=reason,
            effects_digest=machine.digest.hexdigest(),
            state_digest=machine.state.digest(),
            carried=canonical(machine.state.carried()),
        )
        self.append(FrameClass.INPUT, ended, 0)
        machine.counters.observe(ended)
        machine.state.kernel.set_writer(None)
        self.release()
        return ""

    def release(self) -> None:
        """Close the log as it is. Raises BotError when the disk does not take its seal; it is let go all the same."""
        log, self.log = self.writing, None
        self.logs.release(log)
