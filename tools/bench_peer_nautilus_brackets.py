"""Peer process: nautilus_trader's backtest engine with a strategy that enters with brackets. Run by bench_peers.py.

The same signal as in bench_peer_hft.py: three averages of the mid price and the imbalance of the touch, at most one
entry in five minutes; a market entry with a limit target and a stop, as the library's own bracket.
"""

import gc
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

from bench_peer_nautilus import RECORD, TICK, quotes_of
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, AssetClass, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import FuturesContract
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

TRADE = 2
COOL_DOWN_NS = 300_000_000_000
BRACKET = 8 * TICK
VENUE = Venue("XCME")
AGGRESSORS = (AggressorSide.NO_AGGRESSOR, AggressorSide.BUYER, AggressorSide.SELLER)


class Brackets(Strategy):
    """Enters with a bracket when averages and imbalance agree."""

    def __init__(self, instrument: FuturesContract) -> None:
        """Flat, with nothing averaged yet."""
        super().__init__()
        self.instrument = instrument
        self.on_reset()

    def on_reset(self) -> None:
        """Forget the round before."""
        self.fast = self.middle = self.slow = 0.0
        self.entered_ns = 0
        self.entries = 0

    def on_start(self) -> None:
        """Ask for quotes and trades."""
        self.subscribe_quote_ticks(self.instrument.id)
        self.subscribe_trade_ticks(self.instrument.id)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Average, and enter."""
        bid, ask = tick.bid_price.as_double(), tick.ask_price.as_double()
        price = (bid + ask) / 2
        if self.slow == 0.0:
            self.fast = self.middle = self.slow = price
        self.fast = fast = self.fast + 0.1 * (price - self.fast)
        self.middle = middle = self.middle + 0.02 * (price - self.middle)
        self.slow = slow = self.slow + 0.005 * (price - self.slow)
        bid_qty, ask_qty = tick.bid_size.as_double(), tick.ask_size.as_double()
        imbalance = (bid_qty - ask_qty) / (bid_qty + ask_qty)
        side = (fast > middle > slow and imbalance > 0.2) - (fast < middle < slow and imbalance < -0.2)
        if side and tick.ts_init - self.entered_ns > COOL_DOWN_NS and self.portfolio.is_flat(self.instrument.id):
            self.entered_ns = tick.ts_init
            self.entries += 1
            self._enter(side, ask if side > 0 else bid)

    def _enter(self, side: int, price: float) -> None:
        orders = self.order_factory.bracket(
            instrument_id=self.instrument.id,
            order_side=OrderSide.BUY if side > 0 else OrderSide.SELL,
            quantity=self.instrument.make_qty(1),
            tp_price=self.instrument.make_price(price + side * BRACKET),
            sl_trigger_price=self.instrument.make_price(price - side * BRACKET),
            tp_post_only=False,
        )
        self.submit_order_list(orders)


def contract() -> FuturesContract:
    """A micro future as the library wants it, listed over the time of the stream."""
    symbol = Symbol("MESZ6")
    return FuturesContract(
        instrument_id=InstrumentId(symbol, VENUE),
        raw_symbol=symbol,
        asset_class=AssetClass.INDEX,
        currency=USD,
        price_precision=2,
        price_increment=Price.from_str("0.25"),
        multiplier=Quantity.from_int(5),
        lot_size=Quantity.from_int(1),
        underlying="MES",
        activation_ns=0,
        expiration_ns=4_000_000_000_000_000_000,
        ts_event=0,
        ts_init=0,
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.05"),
    )


def trades_of(path: Path, instrument_id: InstrumentId) -> list[TradeTick]:
    """The stream's trades as the library's own objects."""
    return [
        TradeTick(
            instrument_id,
            Price(record[9] * TICK, 2),
            Quantity(record[11], 0),
            AGGRESSORS[record[13]],
            TradeId(str(index)),
            record[8],
            record[7],
        )
        for index, record in enumerate(RECORD.iter_unpack(path.read_bytes()))
        if record[3] == TRADE
    ]


def main() -> None:
    """Build the engine with its data, then one run per line of input; loading and sorting are not counted."""
    instrument = contract()
    config = BacktestEngineConfig(
        logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=False), run_analysis=False
    )
    engine = BacktestEngine(config)
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USD)], base_currency=USD)
    engine.add_instrument(instrument)
    data = [*quotes_of(Path(sys.argv[1]), instrument.id), *trades_of(Path(sys.argv[1]), instrument.id)]
    engine.add_data(data)
    strategy = Brackets(instrument)
    engine.add_strategy(strategy)
    gc.collect()
    gc.disable()

    def once() -> float:
        engine.reset()
        began = time.perf_counter_ns()
        engine.run()
        return (time.perf_counter_ns() - began) / len(data)

    once()
    closed = len([order for order in engine.cache.orders() if order.is_closed])
    print(json.dumps({"events": len(data), "entries": strategy.entries, "orders": closed}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"ns": once()}), flush=True)


if __name__ == "__main__":
    main()
