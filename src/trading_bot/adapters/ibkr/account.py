"""Money on the account, as the broker tells it (TWS API, reqAccountUpdates)."""

from typing import Any, Final

from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.events import AccountSnapshot
from trading_bot.domain.units import uusd_from_usd

EQUITY: Final = "NetLiquidation"
FREE: Final = "AvailableFunds"
_BASE: Final = ("USD", "BASE")
_USD_MAX: Final = 1e12  # beyond it is a mark for "unset", or nonsense; in micro-dollars it still fits 64 bits
_DECIMALS: Final = 6  # of a micro-dollar; the broker may tell more
_TELL_S: Final = 5.0  # the broker repeats itself every few minutes, and after every execution


class Account:
    """Follows one account; a snapshot for the core when the first answer is complete, and when it has changed since."""

    def __init__(self, session: IbkrSession, *, armed_until_ns: int = 0) -> None:
        """Nothing is asked yet. `armed_until_ns`: when the arming of LIVE ends, 0 in other modes."""
        self._session = session
        self._values: dict[str, float] = {}
        self._complete = False
        self._told: tuple[int, int, int] | None = None
        self._told_s = 0.0
        self._margin_uusd = 0
        self._armed_until_ns = armed_until_ns
        session.listen("updateAccountValue", self._on_value)
        session.listen("accountDownloadEnd", self._on_end)

    def request(self) -> None:
        """Ask, also after a reconnection: the subscription ends with the connection."""
        self._complete = False
        self._session.ib.client.reqAccountUpdates(True, self._session.account)

    def repeat(self) -> None:
        """Tell again what is known: a log that has begun since does not have it."""
        self._told = None
        self._tell(at_once=True)

    def set_margin(self, margin_per_contract_uusd: int) -> None:
        """What a what-if order said."""
        self._margin_uusd = margin_per_contract_uusd
        self._tell(at_once=True)

    def _on_value(self, key: str, value: str, currency: str, account: str, *_more: Any) -> None:
        if account != self._session.account or key not in {EQUITY, FREE} or currency not in _BASE:
            return
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not abs(number) <= _USD_MAX:  # neither is nan
            self._session.notice(0, f"account value {key} is {value[:40]!r}: no amount of an account, not used")
            return
        self._values[key] = round(number, _DECIMALS)
        self._tell(at_once=False)

    def _on_end(self, account: str) -> None:
        if account != self._session.account:
            return
        if missing := [key for key in (EQUITY, FREE) if key not in self._values]:
            self._session.notice(
                0, f"the broker tells no {' and no '.join(missing)} of {account}: no entries", error=True
            )
            return
        self._complete = True
        self._tell(at_once=True)

    def _tell(self, *, at_once: bool) -> None:
        wall_s = self._session.clock.wall_s()
        if not self._complete or (not at_once and wall_s - self._told_s < _TELL_S):
            return
        equity_uusd, free_uusd = (int(uusd_from_usd(self._values[key])) for key in (EQUITY, FREE))
        if self._told == (equity_uusd, free_uusd, self._margin_uusd):
            return
        self._told, self._told_s = (equity_uusd, free_uusd, self._margin_uusd), wall_s
        self._session.tell(
            AccountSnapshot(
                ts_ns=0,
                account=self._session.account,
                equity_uusd=equity_uusd,
                margin_free_uusd=free_uusd,
                margin_per_contract_uusd=self._margin_uusd,
                armed_until_ns=self._armed_until_ns,
            )
        )
