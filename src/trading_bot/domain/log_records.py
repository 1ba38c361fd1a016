"""Every message a log can hold, and the codec between them and bytes."""

from typing import Final, get_args

import msgspec

from trading_bot.domain import (
    broker_events,
    context,
    effects,
    events,
    latency_events,
    reconciling,
    rule_events,
    session_events,
    trade_events,
    witness_events,
)
from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.learning import LearningOrdered, LearningUpdate
from trading_bot.domain.records import FrameClass

LogRecord = (
    events.RunStarted
    | events.StateCarried
    | events.ProcessStarted
    | events.EffectsAbandoned
    | events.StopRequested
    | events.FeedEnded
    | events.RunEnded
    | events.CoreFailed
    | events.LogSpaceChanged
    | events.InstrumentBound
    | events.LinkStatus
    | events.AccountSnapshot
    | events.Reconciled
    | events.LatencySampled
    | latency_events.OrderTimed
    | latency_events.LatencySummary
    | events.KillRequested
    | events.FlattenRequested
    | events.KillCleared
    | events.HistoryLoaded
    | events.LearningSaveFailed
    | events.LearningRefused
    | LearningOrdered
    | context.ContextReceived
    | context.ContextLinesRefused
    | events.TimerFired
    | events.OrderSuppressed
    | events.OrderAcknowledged
    | events.OrderCancelled
    | events.OrderRejected
    | trade_events.OrderWorking
    | trade_events.OrderFilled
    | trade_events.StopTriggered
    | trade_events.RequestRefused
    | trade_events.ShadowFilled
    | trade_events.ShadowEnded
    | trade_events.BreakerClearRequested
    | broker_events.OrderUncertain
    | broker_events.CommissionReported
    | broker_events.BrokerNotice
    | witness_events.MarketWitnessed
    | session_events.HoursTold
    | session_events.HaltTold
    | events.OutcomeReached
    | events.DecisionMade
    | events.LockoutChanged
    | events.StrategyProposed
    | events.StrategyFailed
    | events.SafetyVerdict
    | events.SessionChanged
    | events.SessionExitFlatten
    | events.QualityStateChanged
    | events.ExecutionPenalised
    | events.ExitDetected
    | trade_events.TradeOpened
    | trade_events.FillMeasured
    | trade_events.ParamsAdopted
    | trade_events.CommissionCorrected
    | reconciling.ReconciliationDone
    | trade_events.StopResident
    | trade_events.PositionHeartbeat
    | trade_events.ExitDecided
    | trade_events.TradeClosed
    | trade_events.BreakerChanged
    | trade_events.FlattenAdvanced
    | rule_events.RuleChanged
    | rule_events.RulesMarked
    | context.ContextChanged
    | session_events.QuorumChanged
    | LearningUpdate
    | effects.PlaceOrder
    | effects.CancelOrder
    | effects.PlaceExit
    | effects.ModifyStop
    | effects.PlaceShadow
    | effects.AskBroker
    | effects.SaveLearningState
    | effects.LatchKillSwitch
    | effects.ArmTimer
    | effects.DisarmTimer
    | effects.Alert
    | effects.EndRun
)

ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
DECODER: Final = msgspec.msgpack.Decoder(LogRecord)


class UnreadableRecord(DataCorrupt, msgspec.ValidationError):
    """A payload that is no record. Who knows its number or its log says so; exit code 6 all the same."""


def encode(record: events.Event | effects.Effect) -> bytes:
    """Canonical msgpack of a record: equal records give equal bytes."""
    return ENCODER.encode(record)


def decode(payload: bytes | memoryview) -> events.Event | effects.Effect:
    """The record a payload holds.

    Raises:
        UnreadableRecord: a kind this version does not know, fields of the wrong type, or bytes that are no record.
    """
    try:
        record: events.Event | effects.Effect = DECODER.decode(payload)
    except (ValueError, RecursionError) as error:  # a DecodeError is a ValueError, and so is text that is not UTF-8
        raise UnreadableRecord(f"no record of this version: {error}") from error
    return record


def frame_class(record: events.Event | effects.Effect) -> FrameClass:
    """How replay treats a record."""
    return CLASSES[type(record)]


def _class_of(kind: type[events.Event | effects.Effect]) -> FrameClass:
    if issubclass(kind, events.Input):
        return FrameClass.INPUT
    return FrameClass.DERIVED if issubclass(kind, events.Derived) else FrameClass.EFFECT


CLASSES: Final = {kind: _class_of(kind) for kind in get_args(LogRecord)}
