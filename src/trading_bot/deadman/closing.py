"""The way to flat of the dead man: cancel, close, verify, again and again until the broker says that nothing is there.

The quantity of each order is the broker's word of the moment before, less what his own executions have taken since: he
can close a position, and never open one. Nothing is sent while an order of his is in doubt.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.rescue import Holding, Rescue, Seen, Sent, Working
from trading_bot.deadman.journal import Journal
from trading_bot.domain.deadman_config import DeadmanConfig
from trading_bot.domain.errors import BotError, SourceUnreachable

DOUBT_S: Final = 30.0  # orders.unknown_deadline_s: an order that nobody has heard of for so long was lost on its way
_SETTLE_S: Final = 2.0  # positions are told a little later than executions
_TURN_S: Final = 0.1
_QUOTE_S: Final = 1.0
_VERIFY_S: Final = 0.5


class _Trial(msgspec.Struct):
    """An order of his: the position it was sent against, and when."""

    sent: Sent
    con_id: int
    qty: int
    at_s: float

    @property
    def left(self) -> int:
        """What of the position its executions have left, signed."""
        sign = 1 if self.qty > 0 else -1
        return self.qty - sign * self.sent.filled

    @property
    def in_doubt(self) -> bool:
        """It may still fill, as far as anybody has said."""
        return not self.sent.over and self.left != 0


class Closing:
    """One case. `link` may be replaced by a new connection between attempts."""

    def __init__(
        self,
        link: Rescue,
        config: DeadmanConfig,
        journal: Journal,
        *,
        bot_client: int,
        cancel_as_bot: Callable[[], int] | None,
    ) -> None:
        """`bot_client` is the bot's client id; `cancel_as_bot` withdraws its orders alone, where it can run no more."""
        self.link = link
        self._config = config
        self._journal = journal
        self._bot_client = bot_client
        self._cancel_as_bot = cancel_as_bot
        self._trials: list[_Trial] = []

    def attempt(self) -> bool:
        """Once through; True when the broker has said twice that nothing of the instrument is there.

        Raises:
            SourceUnreachable: the connection is lost, or a question is not answered.
        """
        self._cancel()
        for market in (False, True):
            seen = self._look()
            if not seen.holdings:
                break
            for holding in seen.holdings:
                self._close(holding, market=market)
        return self._verified()

    def _look(self) -> Seen:
        answer = self.link.look()
        if isinstance(answer, Unknown):
            raise SourceUnreachable(f"the broker does not say what the account holds: {answer.reason}")
        return answer.data

    # --- orders ----------------------------------------------------------------------------------------------------

    def _cancel(self) -> None:
        """Nothing that works may fill beside an order that closes; after `cancel_wait_s` the position comes first."""
        seen = self._look()
        if not seen.orders:
            return
        end_s = time.monotonic() + self._config.cancel_wait_s
        if self._foreign(seen) and self._cancel_as_bot is not None:
            self._precisely(self._cancel_as_bot)
            self._gone(time.monotonic() + self._config.cancel_wait_s / 2)
            seen = self._look()
        if not seen.orders:
            return
        names = [one.order_ref or f"client {one.client_id}" for one in (*seen.orders, *seen.others)]
        self._journal.write("cancel_everything", orders=names)
        self.link.cancel_everything()
        left = self._gone(end_s)
        if left:
            self._journal.write("cancels_unanswered", level="critical", orders=[one.order_ref for one in left])

    def _foreign(self, seen: Seen) -> bool:
        """Orders that a global cancel would take from somebody else."""
        own = {self._bot_client, self.link.session.settings.client_id}
        return bool(seen.others) or any(one.client_id not in own for one in seen.orders)

    def _precisely(self, cancel: Callable[[], int]) -> None:
        try:
            self._journal.write("cancel_as_bot", client_id=self._bot_client, orders=cancel())
        except BotError as error:
            self._journal.write("cancel_as_bot_failed", why=str(error))

    def _gone(self, end_s: float) -> tuple[Working, ...]:
        """What still works when nothing does, or the time is over."""
        while True:
            orders = self._look().orders
            if not orders or time.monotonic() >= end_s:
                return orders
            self.link.idle(_TURN_S)

    # --- position --------------------------------------------------------------------------------------------------

    def _close(self, holding: Holding, *, market: bool) -> None:
        if self._doubtful(holding.con_id):
            self._journal.write("in_doubt", level="critical", contract=holding.name, qty=holding.qty)
            return
        limit = None if market else self._limit(holding)
        sent = self.link.close_position(holding, limit)
        trial = _Trial(sent=sent, con_id=holding.con_id, qty=holding.qty, at_s=time.monotonic())
        self._trials.append(trial)
        kind = "market" if limit is None else f"limit {limit:g}"
        self._journal.write("close", contract=holding.name, position=holding.qty, order=kind, order_id=sent.order_id)
        self.link.wait_for(sent, self._config.limit_wait_s)
        if not sent.over and trial.left:
            self._withdraw(sent)
        self._settle(trial)
        self._journal.write(
            "closed", contract=holding.name, filled=sent.filled, left=trial.left, over=sent.over, why=sent.why
        )

    def _limit(self, holding: Holding) -> float | None:
        """The touch and some ticks through it, in points; None where no live quote is to be had: at the market then."""
        touch = self.link.touch(holding.con_id, _QUOTE_S)
        if touch is None:
            return None
        bid, ask = touch
        through = self.link.instrument.points(self._config.limit_through_ticks)
        return bid - through if holding.qty > 0 else ask + through

    def _withdraw(self, sent: Sent) -> None:
        """An order that has neither filled nor ended: away with it before another one goes."""
        own = tuple(
            one
            for one in self._look().orders
            if one.order_id == sent.order_id and one.client_id == self.link.session.settings.client_id
        )
        if own:
            self.link.cancel_own(own)
            self.link.wait_for(sent, self._config.limit_wait_s)

    def _settle(self, trial: _Trial) -> None:
        """Wait until the position is told as the executions have made it, so that nothing is closed twice."""
        end_s = time.monotonic() + _SETTLE_S
        while self._held(trial.con_id) != trial.left and time.monotonic() < end_s:
            self.link.idle(_TURN_S)

    def _held(self, con_id: int) -> int:
        return next((one.qty for one in self._look().holdings if one.con_id == con_id), 0)

    def _doubtful(self, con_id: int) -> bool:
        """An order may still fill, or an execution is not yet in the position."""
        now_s = time.monotonic()
        self._trials = [one for one in self._trials if now_s - one.at_s < DOUBT_S]
        mine = [one for one in self._trials if one.con_id == con_id]
        return any(one.in_doubt for one in mine) or (
            bool(mine) and mine[-1].sent.filled > 0 and self._held(con_id) != mine[-1].left
        )

    def _verified(self) -> bool:
        for turn in range(2):
            if turn:
                self.link.idle(_VERIFY_S)
            seen = self._look()
            if not seen.nothing:
                self._journal.write(
                    "not_flat",
                    level="critical",
                    holdings={one.name: one.qty for one in seen.holdings},
                    orders=[one.order_ref for one in seen.orders],
                )
                return False
        return True
