"""Who wants to hear of the account, and the messages about it: S> 6, 7, 8, 54, 61 to 64, 73, 74, 94, 95."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.account import Position
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.executions import ZONE
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.desk import Desk
    from trading_bot.adapters.gateway.gateway import Gateway

UPDATE_EVERY_S: Final = 180  # account values without a fill between, seconds of the wall
UUSD: Final = 1_000_000
# What account updates carry beside money.
TEXTS: Final = (("AccountType", "INDIVIDUAL", ""), ("AccountReady", "true", ""), ("Currency", "USD", "USD"))
_TEXT_TAGS: Final = {"AccountType": "INDIVIDUAL", "Cushion": "1", "LookAheadNextChange": "0"}


class AccountWatch:
    """Subscriptions about the account. They end with their client."""

    def __init__(self, gateway: "Gateway", desk: "Desk") -> None:
        self._gateway = gateway
        self._desk = desk
        self._answer_ns = int(gateway.config.answer_latency_ms * NS_PER_MS)
        self._ticking = False
        self._ticks = 0
        self._followed: set[Client] = set()
        self.positions: set[Client] = set()
        self.updates: set[Client] = set()
        self.summaries: dict[tuple[Client, int], tuple[str, ...]] = {}
        self.multis: dict[tuple[Client, int], str] = {}
        self.pnl: set[tuple[Client, int]] = set()
        self.pnl_single: dict[tuple[Client, int], int] = {}

    @property
    def _name(self) -> str:
        return self._gateway.config.account

    def follow(self, client: Client) -> None:
        """Tell a client of what it subscribed to until it leaves."""
        if client not in self._followed:
            self._followed.add(client)
            client.on_closed.append(partial(self._forget, client))
        if not self._ticking:
            self._ticking = True
            self._desk.at(self._second_ns, self._tick)

    def _forget(self, client: Client) -> None:
        self._followed.discard(client)
        self.positions.discard(client)
        self.updates.discard(client)
        self.pnl = {key for key in self.pnl if key[0] is not client}
        self.summaries = {key: tags for key, tags in self.summaries.items() if key[0] is not client}
        self.multis = {key: model for key, model in self.multis.items() if key[0] is not client}
        self.pnl_single = {key: con_id for key, con_id in self.pnl_single.items() if key[0] is not client}

    @property
    def _second_ns(self) -> int:
        """A second of the wall, as market time."""
        return int(NS_PER_S * self._gateway.clock.speed)

    def _tick(self) -> None:
        for client, req_id in self.pnl:
            self.send_pnl(client, req_id)
        for (client, req_id), con_id in self.pnl_single.items():
            self.send_pnl_single(client, req_id, con_id)
        self._ticks += 1
        if self._ticks % UPDATE_EVERY_S == 0:
            self._send_values()
        self._ticking = bool(self.pnl or self.pnl_single or self.updates or self.summaries or self.multis)
        if self._ticking:
            self._desk.at(self._second_ns, self._tick)

    def position_changed(self, con_id: int) -> None:
        """An execution: positions and account values follow it."""

        def send() -> None:
            for client in self.positions:
                self.send_position(client, self._desk.account.positions[con_id])
            self._send_values()

        self._desk.at(self._answer_ns, send)

    def _send_values(self) -> None:
        for client in self.updates:
            self.send_updates(client)
        for (client, req_id), tags in self.summaries.items():
            self.send_summary(client, req_id, tags)
        for (client, req_id), model in self.multis.items():
            self.send_multi(client, req_id, model)

    # Messages

    def _values(self) -> dict[str, str]:
        return self._desk.account.values(self._desk.flow.live.values())

    def send_position(self, client: Client, position: Position) -> None:
        """S> 61; the exchange is empty, as the broker leaves it."""
        fields = list(position.listed.wire())
        fields[7] = ""
        client.send(61, 3, self._name, *fields, position.qty, position.average_cost)

    def send_positions(self, client: Client) -> None:
        """What is held, then S> 62."""
        for position in self._desk.account.positions.values():
            if position.qty:
                self.send_position(client, position)
        client.send(62, 1)

    def send_updates(self, client: Client) -> None:
        """Values (S> 6), what is or was held (7) and the time (8)."""
        for tag, text, currency in TEXTS:
            client.send(6, 2, tag, text, currency, self._name)
        for tag, text in self._values().items():
            client.send(6, 2, tag, text, "USD", self._name)
        account = self._desk.account
        for con_id, position in account.positions.items():
            mark_ticks = account.marks[con_id]
            money = (position.value_uusd(mark_ticks), position.unrealized_uusd(mark_ticks), position.realized_uusd)
            value, unrealized, realized = (uusd / UUSD for uusd in money)
            price = position.listed.instrument.points(mark_ticks)
            held = (position.qty, price, value, position.average_cost, unrealized, realized, self._name)
            client.send(7, 8, *position.listed.wire(), *held)
        now_s = self._desk.now_ns // NS_PER_S
        client.send(8, 1, f"{datetime.fromtimestamp(now_s, ZONE):%H:%M}")

    def send_summary(self, client: Client, req_id: int, tags: tuple[str, ...]) -> None:
        """S> 63 for each known tag, then 64."""
        values = self._values()
        for tag in tags:
            if tag in values:
                client.send(63, 1, req_id, self._name, tag, values[tag], "USD")
            elif tag in _TEXT_TAGS:
                client.send(63, 1, req_id, self._name, tag, _TEXT_TAGS[tag], "")
            elif tag.startswith("$LEDGER"):
                for name in ("CashBalance", "FuturesPNL", "UnrealizedPnL", "RealizedPnL"):
                    client.send(63, 1, req_id, self._name, name, values[name], "USD")
        client.send(64, 1, req_id)

    def send_multi(self, client: Client, req_id: int, model: str) -> None:
        """S> 73 for each value, then 74."""
        for tag, text in self._values().items():
            client.send(73, 1, req_id, self._name, model, tag, text, "USD")
        client.send(74, 1, req_id)

    def send_pnl(self, client: Client, req_id: int) -> None:
        """S> 94: since the gateway's start, unrealized, realized."""
        account = self._desk.account
        unrealized, realized = account.unrealized_uusd / UUSD, account.realized_uusd / UUSD
        client.send(94, req_id, unrealized + realized, unrealized, realized)

    def send_pnl_single(self, client: Client, req_id: int, con_id: int) -> None:
        """S> 95: of one contract, with its position and value."""
        account = self._desk.account
        position = account.positions.get(con_id)
        if position is None:
            client.send(95, req_id, 0, 0.0, 0.0, 0.0, 0.0)
            return
        mark_ticks = account.marks[con_id]
        unrealized, realized = position.unrealized_uusd(mark_ticks) / UUSD, position.realized_uusd / UUSD
        value = position.value_uusd(mark_ticks) / UUSD
        client.send(95, req_id, position.qty, unrealized + realized, unrealized, realized, value)
