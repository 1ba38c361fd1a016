"""Peer process: nautilus_trader's live path, DataEngine to Strategy.on_quote_tick. Run by bench_peers.py.

The strategy does nothing and no exchange is simulated: the cost of handing one ready-made quote to a strategy.
"""

import gc
import json
import struct
import sys
import time
from pathlib import Path

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.data.engine import DataEngine
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

RECORD = struct.Struct("<IIQBBHIqqiiiiBBHI")
QUOTE = 1
TICK = 0.25


class Nothing(Strategy):
    """Sees every quote and does nothing."""

    seen = 0

    def on_quote_tick(self, tick: QuoteTick) -> None:  # noqa: ARG002
        """Count, so that the parent can tell that quotes arrive."""
        self.seen += 1


def quotes_of(path: Path, instrument_id: object) -> list[QuoteTick]:
    """The stream's quotes as the library's own objects."""
    return [
        QuoteTick(
            instrument_id,
            Price(record[9] * TICK, 2),
            Price(record[10] * TICK, 2),
            Quantity(record[11], 0),
            Quantity(record[12], 0),
            record[8],
            record[7],
        )
        for record in RECORD.iter_unpack(path.read_bytes())
        if record[3] == QUOTE
    ]


def main() -> None:
    """Build the engine, then one pass over the quotes per line of input."""
    clock = TestClock()
    trader_id = TraderId("BENCH-001")
    bus = MessageBus(trader_id, clock)
    cache = Cache()
    instrument = TestInstrumentProvider.future(symbol="ESZ21", underlying="ES", venue="GLBX")
    cache.add_instrument(instrument)
    engine = DataEngine(bus, cache, clock)
    portfolio = Portfolio(bus, cache, clock)
    strategy = Nothing()
    strategy.register(trader_id, portfolio, bus, cache, clock)
    venue, symbol = instrument.id.venue, instrument.id.symbol
    bus.subscribe(topic=f"data.quotes.{venue}.{symbol}", handler=strategy.handle_quote_tick)
    engine.start()
    strategy.start()
    quotes = quotes_of(Path(sys.argv[1]), instrument.id)
    gc.collect()
    gc.disable()

    def once() -> float:
        process = engine.process
        began = time.perf_counter_ns()
        for quote in quotes:
            process(quote)
        return (time.perf_counter_ns() - began) / len(quotes)

    once()
    if strategy.seen != len(quotes):
        raise SystemExit(f"the strategy saw {strategy.seen} of {len(quotes)} quotes")
    print(json.dumps({"quotes": len(quotes)}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"ns": once()}), flush=True)


if __name__ == "__main__":
    main()
