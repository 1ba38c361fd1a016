"""Executions and commissions by their ids: each told once, corrections seen, commissions early or late (EX07, RC06).

The broker numbers an execution `0000e1a7.656447c6.01.01`; a correction has the same id but for a higher last number.
"""

from typing import Final

import msgspec

from trading_bot.adapters.ibkr.broker_rows import Execution
from trading_bot.domain.broker_events import BrokerNotice, CommissionReported
from trading_bot.domain.events import Input
from trading_bot.domain.orders import ClientOrderId, Leg
from trading_bot.domain.units import UUSD_PER_USD

_COMMISSION_USD_MAX: Final = 1e6  # the broker's mark for "unset" is 1.8e308
_CURRENCY: Final = "USD"


class _Told(msgspec.Struct):
    execution: Execution
    rank: int


class _Owed(msgspec.Struct, frozen=True):
    """A commission that was told as an estimate."""

    order_id: ClientOrderId
    leg: Leg
    qty: int
    estimated_uusd: int


class FillLedger:
    """What was executed and what it cost."""

    def __init__(self, fee_per_side_uusd: int) -> None:
        """`fee_per_side_uusd` is the estimate for one lot until the broker has reported one."""
        self._fee_uusd = fee_per_side_uusd
        self._told: dict[str, _Told] = {}  # by the id without the number of the correction
        self._seen: set[str] = set()
        self._owed: dict[str, _Owed] = {}
        self._reported: dict[str, int] = {}  # commissions that came before their execution

    def take(self, execution: Execution) -> tuple[bool, int]:
        """Whether an execution is news, and the lots it adds; a correction is news and adds what it changes."""
        base, rank = execution.base
        self._seen.add(execution.exec_id)
        before = self._told.get(base)
        if before is None:
            self._told[base] = _Told(execution, rank)
            return True, execution.qty
        if rank <= before.rank:
            return False, 0
        old, self._told[base] = before.execution, _Told(execution, rank)
        return True, execution.qty - old.qty

    def know(self, execution: Execution) -> None:
        """Remember an execution of before this run, so that it is never told."""
        base, rank = execution.base
        self._seen.add(execution.exec_id)
        self._told.setdefault(base, _Told(execution, rank))

    def commission(self, order_id: ClientOrderId, leg: Leg, execution: Execution) -> tuple[int, bool]:
        """Commission of an execution that is being told, in micro-dollars, and whether it is an estimate."""
        reported = self._reported.pop(execution.exec_id, None)
        if reported is not None:
            return reported, False
        estimated = self._fee_uusd * execution.qty
        self._owed[execution.exec_id] = _Owed(order_id, leg, execution.qty, estimated)
        return estimated, True

    def report(self, exec_id: str, commission: float, currency: str) -> list[Input]:
        """The broker's commission of an execution.

        No execution of a future is free: 0, as below 0 and the mark for "unset", says that it is not known yet. Taken
        for the truth, it would make the true report that follows a repetition, and every later estimate 0.
        """
        if not 0 < commission < _COMMISSION_USD_MAX:
            return []
        if currency != _CURRENCY:
            text = f"the commission of {exec_id} is in {currency}, expected {_CURRENCY}: the estimate stays"
            return [BrokerNotice(ts_ns=0, code=0, text=text, error=False)]
        uusd = round(commission * UUSD_PER_USD)
        owed = self._owed.pop(exec_id, None)
        if owed is None:
            if exec_id not in self._seen:
                self._reported[exec_id] = uusd
            return []
        self._fee_uusd = uusd // owed.qty
        return [
            CommissionReported(
                ts_ns=0,
                order_id=owed.order_id,
                leg=owed.leg,
                exec_id=exec_id,
                commission_uusd=uusd,
                estimated_uusd=owed.estimated_uusd,
            )
        ]
