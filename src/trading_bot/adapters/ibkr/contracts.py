"""Which contract is traded: asked from the broker, held against the registry, chosen by the roll rule (spec 10).

Everything refused here is refused before anything is sent that could trade.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.instruments import POINTS_E9, Instrument
from trading_bot.domain.units import NS_PER_S, is_whole

_MONTH_DIGITS: Final = 6
_NO_SUCH_CONTRACT: Final = 200
_GRID_TOLERANCE: Final = 1e-9


class BoundContract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract at the broker. `contract` is the library's own object, the one to pass with every request.

    `expiry` is its last trade date, YYYYMMDD. `trading_hours` is the broker's text, in `time_zone`.
    """

    contract: Any
    con_id: int
    symbol: str
    local_symbol: str
    expiry: int
    exchange: str
    trading_hours: str
    liquid_hours: str
    time_zone: str

    def days_left(self, today: date) -> int:
        """Calendar days until the last trade date."""
        return (_date(self.expiry) - today).days


def bind(
    session: IbkrSession, instrument: Instrument, config: BotConfig, *, today: date | None = None
) -> BoundContract:
    """The contract to trade: `resolve` with `ibkr.contract`; `today` None is the date of now, UTC."""
    day = today or datetime.fromtimestamp(session.stamp() / NS_PER_S, tz=UTC).date()
    return resolve(session, instrument, config.ibkr.contract, day)


def resolve(session: IbkrSession, instrument: Instrument, wanted: str, today: date) -> BoundContract:
    """The contract of the trade date `today`: the one `wanted` names (MESZ6, 202612), else by the roll rule.

    Raises:
        SourceUnreachable: the broker does not answer.
        UsageError: no such contract, an expired one, or one that differs from the registry.
    """
    details = _listed(session, instrument, wanted)
    living = sorted((row for row in details if _expiry(row) >= _number(today)), key=_expiry)
    if not living:
        last = max((_expiry(row) for row in details), default=0)
        raise UsageError(
            f"{wanted or instrument.symbol} has expired: the last trade date of what the broker lists is {last}, today "
            f"is {_number(today)}; name a living contract in ibkr.contract, or leave it empty"
        )
    chosen = living[0] if wanted or instrument.security_type != "FUT" else _volume_leader(session, living, today)
    _check(session, chosen, instrument)
    return _bound(chosen)


def _listed(session: IbkrSession, instrument: Instrument, wanted: str) -> Sequence[Any]:
    """Contract details of what the symbol, and the contract that was asked for, can mean."""
    query = session.lib.Contract(
        secType=instrument.security_type,
        symbol=instrument.symbol,
        exchange=instrument.exchange,
        currency=instrument.currency,
        includeExpired=bool(wanted),  # so that an expired one is called expired, and not unknown
    )
    if len(wanted) == _MONTH_DIGITS and wanted.isdigit():
        query.lastTradeDateOrContractMonth = wanted
    elif wanted:
        query.localSymbol = wanted
    answer = session.ask(session.ib.reqContractDetailsAsync(query))
    if isinstance(answer, Unknown) and answer.code == _NO_SUCH_CONTRACT:
        answer = Known([])
    if isinstance(answer, Unknown):
        raise SourceUnreachable(
            f"the broker does not say which contracts {instrument.symbol} has ({answer.reason}); try again"
        )
    if not answer.data:
        raise UsageError(
            f"the broker lists no {instrument.security_type} {wanted or instrument.symbol} at {instrument.exchange} in "
            f"{instrument.currency}; check ibkr.contract and the permissions of the account"
        )
    rows: Sequence[Any] = answer.data
    return rows


def _volume_leader(session: IbkrSession, living: Sequence[Any], today: date) -> Any:
    """The one with the larger volume in the last full session; from the Monday before its expiry on, the next one."""
    if len(living) == 1:
        return living[0]
    front, following = living[0], living[1]
    expiry = _date(_expiry(front))
    if today >= expiry - timedelta(days=expiry.weekday()):
        return following
    volumes = [_last_volume(session, row.contract) for row in (front, following)]
    return following if None not in volumes and volumes[1] > volumes[0] else front


def _last_volume(session: IbkrSession, contract: Any) -> Any:
    """Volume of the last complete session, None where the broker does not say."""
    answer = session.ask(
        session.ib.reqHistoricalDataAsync(
            contract,
            endDateTime="",
            durationStr="3 D",
            barSizeSetting="1 day",
            whatToShow="TRADES",
            useRTH=False,
            formatDate=1,
            keepUpToDate=False,
            chartOptions=[],
        )
    )
    if isinstance(answer, Unknown) or len(answer.data) < 2:
        return None
    return answer.data[-2].volume  # the last bar is the session under way


def _check(session: IbkrSession, row: Any, instrument: Instrument) -> None:
    """Tick, multiplier, currency and market rules as the registry has them.

    Raises:
        UsageError: which value differs, with both.
    """
    contract = row.contract
    found = {
        "tick size": (float(row.minTick), instrument.tick_size_points),
        "multiplier": (float(contract.multiplier or 1), float(instrument.multiplier)),
        "currency": (contract.currency, instrument.currency),
        "symbol": (contract.symbol, instrument.symbol),
    }
    if instrument.security_type != "FUT":
        del found["multiplier"]  # a lot of shares is ours
    for name, (theirs, ours) in found.items():
        if theirs != ours:
            raise _differs(contract, name, theirs, ours)
    for number in sorted({int(text) for text in row.marketRuleIds.split(",") if text}):
        answer = session.ask(session.ib.reqMarketRuleAsync(number))
        if isinstance(answer, Unknown) or answer.data is None:
            raise SourceUnreachable(
                f"the broker does not tell market rule {number} of {contract.localSymbol}; try again"
            )
        for increment in answer.data:
            ratio = increment.increment * POINTS_E9 / instrument.tick_size_e9
            if abs(ratio - 1) > _GRID_TOLERANCE:
                raise _differs(
                    contract, f"price increment of rule {number}", increment.increment, found["tick size"][1]
                )


def _differs(contract: Any, name: str, theirs: object, ours: object) -> UsageError:
    return UsageError(
        f"{contract.localSymbol} (conId {contract.conId}): the {name} is {theirs} at the broker and {ours} in the "
        f"registry; nothing was sent. Correct domain/instruments.py, or name another --instrument"
    )


def _bound(row: Any) -> BoundContract:
    contract = row.contract
    return BoundContract(
        contract=contract,
        con_id=contract.conId,
        symbol=contract.symbol,
        local_symbol=contract.localSymbol,
        expiry=_expiry(row) if contract.secType == "FUT" else 0,
        exchange=contract.exchange,
        trading_hours=row.tradingHours,
        liquid_hours=row.liquidHours,
        time_zone=row.timeZoneId,
    )


def _expiry(row: Any) -> int:
    text = row.contract.lastTradeDateOrContractMonth[:8]
    try:
        return _number(_date(int(text))) if is_whole(text) else _number(date.max)
    except ValueError:
        return _number(date.max)  # digits that are no date


def _date(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
