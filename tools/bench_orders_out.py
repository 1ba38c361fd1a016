"""Rows of an order's way out: from the decision to the bytes on the socket, safety gate and log included.

The bot is real but for its broker and its market: runner, core, a log on disk, the adapter and a TCP connection on this
machine that somebody reads. Each round takes candidates to orders one by one; each order is withdrawn by the broker's
answer before the next. Times are CPU of the thread that trades.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from tools.bench_harness import Beside, Row, Sizes, interleave, median, percentile, ratio_of
from tools.bench_log import temporary
from tools.bench_stream import OPEN_NS, PRICE_TICKS, TickFeed, documents, make_ticks

from trading_bot._fast import ExchangeSim
from trading_bot.adapters.ibkr.bracket import OrderForm, bracket
from trading_bot.adapters.ibkr.clock import FeedClock
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.link_state import LinkState
from trading_bot.adapters.ibkr.order_templates import cut_templates
from trading_bot.adapters.ibkr.orders import IbkrBroker
from trading_bot.adapters.ibkr.references import log_tag
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.adapters.ibkr.sink import SessionBroker
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.core.documents import RunDocuments
from trading_bot.core.opening import RunIdentity
from trading_bot.core.run_logs import FolderLogs
from trading_bot.core.runner import BotRunner
from trading_bot.domain import events
from trading_bot.domain.kernel import Candidate, Outcome
from trading_bot.domain.orders import ApprovedOrder, Side
from trading_bot.domain.units import NS_PER_MIN, NS_PER_MS, NS_PER_S
from trading_bot.engines.budgets import Budgets

OUT_GOAL_US: Final = 20.0
_US: Final = 1e3
_VERSION: Final = 176  # of the protocol: what both libraries speak
_CANCELLED: Final = 202  # the broker's code
_EXPIRY: Final = 20261218
_START_NS: Final = OPEN_NS + 30 * NS_PER_MIN
_WARM_QUOTES: Final = 400
_QUOTES_BETWEEN: Final = 4
_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_ACCOUNT: Final = "DUSIM1"
_EQUITY_UUSD: Final = 25_000_000_000
# Worth 4 - 0.5 ticks where 2 are needed (specification 6.3).
_CANDIDATE: Final = Candidate(
    template=0,
    side=1,
    missing=False,
    episode=1,
    z_e6=1_000_000,
    belief_e6=850_000,
    p_e6=700_000,
    p_be_e6=580_000,
    stability_e6=100_000,
    edge_e6=4_000_000,
    uncertainty_e6=500_000,
    cost_e6=1_700_000,
    euc_e6=1_800_000,
    required_e6=2_000_000,
    cost_share_e6=140_000,
    slippage_e6=500_000,
    target_ticks=12,
    stop_ticks=8,
)


class Out(msgspec.Struct):
    """CPU of one order, ns: from the kernel's outcome and from the decision to the bytes given to the socket."""

    from_outcome_ns: int
    from_decision_ns: int
    bytes_out: bytes


class OrderWorld:
    """A bot that is ready to enter, and a clock that only `entered` moves."""

    def __init__(self, folder: Path) -> None:
        """Everything up to the first candidate."""
        documents_ = _documents()
        self.session = _session()
        self.other = _connected(self.session)
        self.contract = _contract(self.session.lib)
        tag = log_tag("bench", 20261125)
        self.orders = IbkrBroker(
            self.session,
            self._bound(),
            documents_.instrument,
            tag_of=lambda _ts_ns: tag,
            shadows=SimBroker(ExchangeSim(), suppress=False, instrument_id=documents_.instrument.id),
        )
        self.runner = BotRunner(
            documents_,
            feed=TickFeed(make_ticks(1, start_ns=_START_NS - NS_PER_S), 1),
            broker=SessionBroker(self.session, self.orders, lambda: None),
            logs=FolderLogs(folder, run_id="bench", segment_bytes=_SEGMENT_BYTES, sync_s=0.05),
            identity=RunIdentity(run_id="bench", build="bench", mode="PAPER", adapter="ibkr"),
        )
        while self.runner.machine is None:
            self.runner._step()  # noqa: SLF001
        self.now_ns = _START_NS
        self._count = 0
        self._open()
        self._marks: dict[str, int] = {}
        self._stamp()

    def _bound(self) -> BoundContract:
        return BoundContract(
            contract=self.contract,
            con_id=self.contract.conId,
            symbol="MES",
            local_symbol=self.contract.localSymbol,
            expiry=_EXPIRY,
            exchange="CME",
            trading_hours="",
            liquid_hours="",
            time_zone="US/Central",
        )

    @property
    def state(self) -> Any:
        """The core's."""
        return self.runner.book.live.state

    def _open(self) -> None:
        """Quotes until the data are good, and what an adapter tells at its beginning."""
        self.runner._pending.clear()  # noqa: SLF001
        for _ in range(_WARM_QUOTES):
            self._quote(250 * NS_PER_MS)
        told = (
            events.LinkStatus(ts_ns=self.now_ns, up=True, data_type=1),
            events.AccountSnapshot(
                ts_ns=self.now_ns,
                account=_ACCOUNT,
                equity_uusd=_EQUITY_UUSD,
                margin_free_uusd=_EQUITY_UUSD,
                margin_per_contract_uusd=1_000_000_000,
            ),
            events.Reconciled(ts_ns=self.now_ns, ok=True, position_qty=0, working_orders=0),
        )
        for event in told:
            self.runner._input(event)  # noqa: SLF001

    def _quote(self, after_ns: int) -> None:
        self.now_ns += after_ns
        self.state.kernel.on_quote(self.now_ns, PRICE_TICKS, 20, PRICE_TICKS + 1, 20)

    def _stamp(self) -> None:
        """Note the thread's CPU when a decision is made and when the bytes have been given to the socket."""
        marks, pacing, engine = self._marks, self.session.outbox._pacing, self.state.decisions  # noqa: SLF001
        decide, transmit, now_ns = engine.decide, pacing._transmit, time.thread_time_ns  # noqa: SLF001

        class Decisions:
            def decide(self, *arguments: Any, **named: Any) -> Any:
                decision = decide(*arguments, **named)
                marks["decided"] = now_ns()
                return decision

        def write(frames: bytes, messages: int) -> None:
            transmit(frames, messages)
            marks["written"] = now_ns()

        self.state.decisions = Decisions()
        pacing._transmit = write  # noqa: SLF001

    def entered(self) -> Out:
        """One candidate becomes an order, and is gone again."""
        self._count += 1
        for _ in range(_QUOTES_BETWEEN):  # the same entry is not sent twice in a second
            self._quote(300 * NS_PER_MS)
        self.runner._input(  # noqa: SLF001
            events.LatencySampled(ts_ns=self.now_ns, decision_us_p99=100.0, loop_lag_us_max=100.0)
        )
        candidate = msgspec.structs.replace(_CANDIDATE, episode=self._count)
        kernel = self.state.kernel
        outcome = events.OutcomeReached(
            ts_ns=self.now_ns,
            code=int(Outcome.CANDIDATE),
            at_grid=False,
            dvs_c=kernel.dvs_c,
            dvs_band=kernel.dvs_band,
            exit_mask=0,
            candidates=(candidate,),
        )
        self._marks.clear()
        began_ns = time.thread_time_ns()
        self.runner._decide(outcome)  # noqa: SLF001
        if "written" not in self._marks:
            raise RuntimeError(f"the candidate to measure did not become an order: {self.state.journal}")
        out = Out(self._marks["written"] - began_ns, self._marks["written"] - self._marks["decided"], self._heard())
        self._withdraw(self.orders._index.highest_order_id - 2)  # noqa: SLF001
        return out

    def _heard(self) -> bytes:
        """What has come at the other end; in the same instant on one machine."""
        return self.other.recv(1 << 16)

    def _withdraw(self, first: int) -> None:
        """The broker ends the three orders; the day's budgets are given back."""
        for order_id in range(first, first + 3):
            self.orders._on_error(order_id, _CANCELLED, "Order Canceled - reason:")  # noqa: SLF001
        while self.session.inputs:
            told = self.session.inputs.popleft()
            self.runner._input(msgspec.structs.replace(told, ts_ns=self.now_ns))  # noqa: SLF001
        self.state.budgets = Budgets()
        if self.state.entries:
            raise RuntimeError("the order to measure was not withdrawn")

    def close(self) -> None:
        """End everything, without the formalities of a run."""
        self.other.close()
        self.session.hang_up()
        self.session.close()
        self.runner.book.release()


def order_out_rows(sizes: Sizes) -> list[Row]:
    """An order's way out beside three `placeOrder` of the library over a connection of the same kind."""
    with temporary() as folder, order_world(folder) as world:
        count = max(sizes.calls // 500, 20)
        whole: list[list[float]] = []
        client, form = (
            world.session.ib.client,
            OrderForm(world.session.lib, _ACCOUNT, world.runner.documents.instrument),
        )
        terms = bracket(_approved(world), "tb00000000.261125-1-0", 1_000)

        def ours() -> float:
            outs = [world.entered() for _ in range(count)]
            whole.append([out.from_outcome_ns / _US for out in outs])
            return median([out.from_decision_ns / _US for out in outs])

        def library() -> float:
            with by_library(client):
                taken = [_cpu_us(lambda: _place_all(client, world.contract, form, terms)) for _ in range(count)]
            world.other.recv(1 << 20)
            return median(taken)

        found, beside = interleave([ours, library], sizes.rounds)
        bytes_row = _bytes_row(sizes, world, form, terms)
    outcome = median([median(one) for one in whole[-sizes.rounds :]])
    floor = Beside(f"{world.session.lib.__name__} placeOrder x 3", median(beside))
    ratio = ratio_of(found, beside)
    return [
        Row(
            name="order out: from the decision to the bytes, CPU",
            unit="µs",
            ours=median(found),
            floor=floor,
            ratio=ratio,
            goal="≤ 20 µs",
            met=median(found) <= OUT_GOAL_US,
            note=f"gate, log and the write included; {count} orders a round, medians",
        ),
        Row(
            name="order out: from the kernel's outcome to the bytes, CPU",
            unit="µs",
            ours=outcome,
            floor=floor,
            ratio=outcome / median(beside),
            note=f"the decision too; p99 of the last round {percentile(whole[-1], 0.99):.0f} µs",
        ),
        bytes_row,
    ]


def _bytes_row(sizes: Sizes, world: OrderWorld, form: OrderForm, terms: Any) -> Row:
    client = world.session.ib.client
    templates = cut_templates(client, world.contract, form)
    prices = [leg.price_ticks for leg in terms]
    kept: list[str] = []

    def ours() -> float:
        return _each_us(
            lambda: templates.bracket(Side.BUY, 1, *prices, "tb00000000.261125-1-0", 1_000), sizes.calls // 10
        )

    def library() -> float:
        before, client.sendMsg = client.sendMsg, kept.append
        try:
            return _each_us(lambda: _place_all(client, world.contract, form, terms), sizes.calls // 500 + 1)
        finally:
            client.sendMsg = before
            kept.clear()

    found, beside = interleave([ours, library], sizes.rounds)
    return Row(
        name="bytes of a bracket from templates",
        unit="µs",
        ours=median(found),
        floor=Beside(f"{world.session.lib.__name__}, the same bytes", median(beside)),
        ratio=ratio_of(found, beside),
        note="three messages; nothing is sent",
    )


@contextmanager
def order_world(folder: Path) -> Iterator[OrderWorld]:
    """A world that is closed afterwards."""
    with ExitStack() as undo:
        world = OrderWorld(folder / "run")
        undo.callback(world.close)
        yield world


@contextmanager
def by_library(client: Any) -> Iterator[None]:
    """The library's own way to the socket, without its limit a second."""
    ours = client.__dict__.pop("sendMsg")
    limit, client.MaxRequests = client.MaxRequests, 0
    try:
        yield
    finally:
        client.sendMsg, client.MaxRequests = ours, limit


def _place_all(client: Any, contract: Any, form: OrderForm, terms: Any) -> None:
    for order_id, leg in enumerate(terms, 1_000):
        client.placeOrder(order_id, contract, form.order(leg))


def _cpu_us(call: Callable[[], object]) -> float:
    began_ns = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - began_ns) / _US


def _each_us(call: Callable[[], object], count: int) -> float:
    began_ns = time.thread_time_ns()
    for _ in range(count):
        call()
    return (time.thread_time_ns() - began_ns) / _US / count


def _approved(world: OrderWorld) -> ApprovedOrder:
    """The order that the gate has approved, from the log's own record of the first one that left."""
    found: list[ApprovedOrder] = []
    dispatch = world.runner.broker.dispatch

    def keep(effect: Any) -> None:
        found.append(effect.order)
        dispatch(effect)

    world.runner.broker.dispatch = keep  # type: ignore[method-assign]
    try:
        world.entered()
    finally:
        world.runner.broker.dispatch = dispatch  # type: ignore[method-assign]
    return found[0]


def _documents() -> RunDocuments:
    return msgspec.structs.replace(documents(), con_id=730283085, expiry=_EXPIRY, gates_real=True)


def _contract(library: Any) -> Any:
    return library.Future(
        conId=730283085,
        symbol="MES",
        lastTradeDateOrContractMonth=str(_EXPIRY),
        exchange="CME",
        currency="USD",
        localSymbol="MESZ6",
        tradingClass="MES",
        multiplier="5",
    )


def _session() -> IbkrSession:
    settings = IbkrSettings(host="127.0.0.1", port=1, client_id=1, messages_per_s_max=1_000_000, messages_reserved=1)
    session = IbkrSession(settings)
    session.account, session.accounts = _ACCOUNT, (_ACCOUNT,)
    session.link = LinkState(socket=True, broker=True, farm=True, flowing=True)
    session.set_clock(FeedClock(_START_NS, 1.0))
    return session


def _connected(session: IbkrSession) -> socket.socket:
    """The session's library on a real connection as after its handshake; the gateway's end of it."""
    client = session.ib.client
    with socket.create_server(("127.0.0.1", 0)) as server:
        session.loop.run_until_complete(client.conn.connectAsync(*server.getsockname()))
        other, _ = server.accept()
    client._serverVersion = client.decoder.serverVersion = _VERSION  # noqa: SLF001
    client.connState, client._apiReady, client._accounts = 2, True, [_ACCOUNT]  # noqa: SLF001
    client.updateReqId(1_000)
    return other
