"""What left the core, for people: stages of a kill, and the diagnostic lines. It decides nothing."""

from trading_bot import log_setup
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain.effects import Alert, Effect
from trading_bot.domain.events import DecisionMade, Event, SafetyVerdict
from trading_bot.domain.reasons import Action


class Told:
    """Called for each result once it is in the log and on its way."""

    def __init__(self, desk: OperatorDesk) -> None:
        """`desk` keeps the time of a kill's stages."""
        self._desk = desk

    def __call__(self, number: int, record: Event | Effect) -> None:
        """`number` is the record's in the log."""
        self._desk.told(record)
        log_record(number, record)


def log_record(number: int, record: Event | Effect) -> None:
    """Diagnostic lines for what a person looks for: entries, refusals, alerts. Skips are in the event log."""
    logger = log_setup.get_logger()
    if isinstance(record, Alert):
        emit = {"warning": logger.warning, "error": logger.error, "critical": logger.critical}
        emit.get(record.level, logger.info)("alert", code=record.code, text=record.text, ts_ns=record.ts_ns)
    elif isinstance(record, DecisionMade):
        if record.action == Action.ENTER:
            logger.info("decision", decision_id=number, ts_ns=record.ts_ns, text=record.text, on_console=False)
    elif isinstance(record, SafetyVerdict):
        order_id = "-".join(map(str, record.order_id))
        emit_verdict = logger.warning if record.failed else logger.info
        emit_verdict(record.verdict, order_id=order_id, ts_ns=record.ts_ns, detail=record.detail, on_console=False)
