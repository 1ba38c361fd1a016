"""Client process of the wire rows: this product.

`bench_wire_ours.py order PORT LOOP`: the shortest way from a tick to an order. The product's connection, intake,
door, log on disk and kernel; the kernel has an outcome with every quote (a position whose target is reached), and the
answer to it is written at once from the product's order templates, through its pacing: one limit order. No core, no
gate: what decides is the kernel alone.

`bench_wire_ours.py stream PORT LOOP PATH`: the whole bot as in OBSERVE, over the product's feed, with its runner, core,
simulated exchange and a synced log. When the gateway hangs up, each quote's number and receive stamp are read from that
log and written to `PATH`.
"""

import gc
import sys
import time
from array import array
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.bench_kernel import fresh_kernel, log_for  # noqa: E402
from tools.bench_log import BUILD, temporary  # noqa: E402
from tools.bench_stream import OPEN_NS, documents, kernel_config  # noqa: E402

from trading_bot._fast import ExchangeSim  # noqa: E402
from trading_bot._fast.door import Door  # noqa: E402
from trading_bot.adapters.ibkr.bracket import LegTerms, OrderForm, Shape  # noqa: E402
from trading_bot.adapters.ibkr.clock import FeedClock  # noqa: E402
from trading_bot.adapters.ibkr.feed import IbkrFeed  # noqa: E402
from trading_bot.adapters.ibkr.order_templates import cut_templates  # noqa: E402
from trading_bot.adapters.ibkr.pacing import Lane  # noqa: E402
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings  # noqa: E402
from trading_bot.adapters.ibkr.subscriptions import BID_ASK  # noqa: E402
from trading_bot.adapters.sim.broker import SimBroker  # noqa: E402
from trading_bot.collector import QuietLogs  # noqa: E402
from trading_bot.core.log_reader import LogReader  # noqa: E402
from trading_bot.core.opening import RunIdentity  # noqa: E402
from trading_bot.core.replay import session_logs  # noqa: E402
from trading_bot.core.runner import BotRunner  # noqa: E402
from trading_bot.domain.instruments import instrument_by_symbol  # noqa: E402
from trading_bot.domain.orders import Side  # noqa: E402
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameKind  # noqa: E402

_INSTRUMENT: Final = instrument_by_symbol("MES")
_PUMP_S: Final = 0.02  # as the product's feed
_NEVER_NS: Final = 2**62
_DOOR_RECORDS: Final = 16
_LOG_TICKS: Final = 400_000
_UNPACED: Final = 1_000_000  # messages a second: the rows are about an order, not about waiting
_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_SYNC_S: Final = 0.05


def connected(port: int, loop: str) -> tuple[IbkrSession, Any]:
    """A session and the library's contract."""
    settings = IbkrSettings(host="127.0.0.1", port=port, client_id=1, loop=loop, messages_per_s_max=_UNPACED)
    session = IbkrSession(settings)
    session.connect()
    contract = session.lib.Future(
        conId=1001,
        symbol="MES",
        lastTradeDateOrContractMonth="20261218",
        exchange="CME",
        currency="USD",
        multiplier="5",
        localSymbol="MESZ6",
        tradingClass="MES",
    )
    return session, contract


def answer(session: IbkrSession, contract: Any) -> None:
    """An order for each quote, until the gateway hangs up."""
    templates = cut_templates(session.ib.client, contract, OrderForm(session.lib, session.account, _INSTRUMENT))
    terms = LegTerms(Shape.LIMIT, Side.BUY, 1, 24_000, "tb00000000.261125-1-0-E")
    order_id = 1
    with temporary() as folder:
        log = log_for(folder, _LOG_TICKS)
        kernel = fresh_kernel(kernel_config(), log)
        intake, client = session.intake, session.ib.client

        def on_outcome(_code: int) -> int:
            nonlocal order_id
            session.send_frames(Lane.PROTECT, templates.order(order_id, terms))
            order_id += 1
            kernel.set_position(1, 1, 0, 0)
            return _NEVER_NS

        kernel.set_position(1, 1, 0, 0)
        door = Door(_INSTRUMENT.id, _INSTRUMENT.tick_size_e9, _DOOR_RECORDS)
        request_id = client.getReqId()
        intake.watch([(request_id, BID_ASK, door)])
        client.reqTickByTickData(request_id, contract, BID_ASK, 0, False)
        gc.collect()
        gc.disable()
        while session.connected:
            intake.arm(kernel, _NEVER_NS, on_outcome)
            session.pump(_PUMP_S)
            session.inputs.clear()
            _behind(intake.take(), kernel, on_outcome)
        log.abandon()


def _behind(ticks: bytes, kernel: Any, on_outcome: Any) -> None:
    """What came between two pumps."""
    at, count = 0, len(ticks) // FRAME_ALIGN
    while at < count:
        at, code = kernel.run(ticks, at, _NEVER_NS)
        if code:
            on_outcome(code)


def observe(session: IbkrSession, contract: Any, path: Path) -> None:
    """The whole bot over the stream, then what its log holds."""
    begin_ns = time.monotonic_ns()
    session.set_clock(FeedClock(OPEN_NS, 1.0, monotonic_ns=begin_ns))
    feed = IbkrFeed(session, _INSTRUMENT, {"kind": "bench"})
    exchange = ExchangeSim()
    with temporary() as folder:
        runner = BotRunner(
            documents(),
            feed=feed,
            broker=SimBroker(exchange, suppress=True, instrument_id=_INSTRUMENT.id),
            exchange=exchange,
            logs=QuietLogs(folder, run_id=BUILD, segment_bytes=_SEGMENT_BYTES, sync_s=_SYNC_S),
            identity=RunIdentity(run_id=BUILD, build=BUILD),
        )
        runner.run_once()  # the log is made with the first
        while runner.machine is None:
            runner.run_once()

        def hung_up(*_reason: object) -> None:
            runner.stop_asked = "the gateway hung up"
            session.wake()

        session.ib.client.conn.disconnected += hung_up
        request_id = session.ib.client.getReqId()
        feed.set_request_ids({request_id: BID_ASK})
        session.ib.client.reqTickByTickData(request_id, contract, BID_ASK, 0, False)
        runner.run()
        numbers, stamps = array("q"), array("q")
        for log in session_logs(folder):
            _read_quotes(log, numbers, stamps, begin_ns - OPEN_NS)
    with path.open("wb") as file:
        numbers.tofile(file)
        stamps.tofile(file)


def _read_quotes(log: Path, numbers: "array[int]", stamps: "array[int]", offset_ns: int) -> None:
    with LogReader(log) as reader:
        for span in reader.spans():
            if hasattr(span, "count"):
                for row in TICK_RECORD.iter_unpack(span.buffer):
                    if row[3] == FrameKind.QUOTE:
                        numbers.append(row[11] - 1)
                        stamps.append(row[7] + offset_ns)


def main() -> None:
    """One of the two."""
    what, port, loop = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    session, contract = connected(port, loop)
    if what == "order":
        answer(session, contract)
    else:
        observe(session, contract, Path(sys.argv[4]))
    session.close()


if __name__ == "__main__":
    main()
