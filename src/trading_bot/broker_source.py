"""A market at a broker: connected, its contract bound, its history fetched, its streams asked for."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from trading_bot import log_setup
from trading_bot.adapters.ibkr import probe
from trading_bot.adapters.ibkr.account import Account
from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.arming import Arming, arm
from trading_bot.adapters.ibkr.contracts import BoundContract, bind, resolve
from trading_bot.adapters.ibkr.feed import IbkrFeed
from trading_bot.adapters.ibkr.history import load_history
from trading_bot.adapters.ibkr.link import Link
from trading_bot.adapters.ibkr.link_state import LIVE, UNKNOWN
from trading_bot.adapters.ibkr.orders import IbkrBroker
from trading_bot.adapters.ibkr.other_expiry import check_no_other_expiry
from trading_bot.adapters.ibkr.references import log_tag
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.adapters.ibkr.sink import SessionBroker
from trading_bot.adapters.ibkr.subscriptions import Subscriptions
from trading_bot.adapters.ibkr.trading_hours import HoursDesk, hours_of, later_differences
from trading_bot.adapters.ibkr.witness import MarketWitness
from trading_bot.config_files import RunOptions
from trading_bot.core.entry_facts import PAPER_ACCOUNT
from trading_bot.cores import read_cores
from trading_bot.domain.bars import unpack_bars
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import HistoryLoaded, LinkStatus
from trading_bot.domain.instruments import Instrument, instrument_by_symbol
from trading_bot.domain.ports import Broker
from trading_bot.domain.units import NS_PER_S, iso_from_ns
from trading_bot.engines.session import SessionTable, continuous_trading
from trading_bot.machine_setup import plan_machine

_OUTSIDE_RTH: Final = 4
_LINES_FOR_BOTH: Final = 4  # quotes and trades of two contracts
_CLOCK_S: Final = 5.0  # sessions and deadlines go by this machine's clock; the gateway's has whole seconds
_BEHIND_NS: Final = 60 * NS_PER_S  # a clock that was set back by less holds the run up so long
SENDING: Final = frozenset({"PAPER", "LIVE"})  # modes in which orders leave
SIMULATED: Final = "DUSIM"  # accounts of a gateway simulator, whose time may run fast


class BrokerSource(msgspec.Struct, frozen=True, kw_only=True):
    """What a run at a broker is built from."""

    session: IbkrSession
    instrument: Instrument
    bound: BoundContract
    market: Instrument  # whose market is seen: the traded one's, or the signal instrument's
    seen: BoundContract
    feed: IbkrFeed
    link: Link
    account: Account
    hours: HoursDesk
    config: BotConfig
    table: SessionTable
    speed: float
    arming: Arming | None  # LIVE

    def history(self) -> list[HistoryLoaded]:
        """Bars of earlier sessions, asked for now; the last close is what the price band is measured from.

        Raises:
            SourceUnreachable: the broker does not answer.
        """
        loaded = load_history(self.session, self.seen, self.market, self.config, self.table)
        if loaded:
            *_, newest = unpack_bars(loaded[-1].bars)
            self.feed.set_anchor(newest.close_ticks)
        return loaded

    def go_on_after(self, ts_ns: int, described: dict[str, Any]) -> None:
        """Continue a run whose log ends at `ts_ns` and whose feed was `described` so.

        Raises:
            UsageError: the clock is behind the log, or the run's orders belong to another client id.
        """
        behind_ns = ts_ns - self.session.stamp()
        if behind_ns > _BEHIND_NS:
            raise UsageError(
                f"the log of the run to be continued ends at {iso_from_ns(ts_ns)}, {behind_ns / NS_PER_S:.0f} s after "
                "now: set the clock right (or start the gateway simulator later), or choose another --data-dir"
            )
        ours = self.session.settings.client_id
        if (theirs := described.get("client_id", ours)) != ours:
            raise UsageError(
                f"the run to be continued had --client-id {theirs}, and its orders belong to that client: give "
                f"--client-id {theirs}, found {ours}"
            )
        self.feed.go_on_after(ts_ns)

    def start(self) -> None:
        """Ask for the streams and the account's values; from here on the connection is watched and repaired."""
        self.link.on_told.append(_say)
        wait_s = self.config.ibkr.resubscribe_wait_s
        wanted = self.config.ibkr.witness
        streams = Subscriptions(
            self.session,
            self.seen.contract,
            wait_s,
            self.feed.set_request_ids,
            bars=wanted,
            beside=self.bound.contract if self.market is not self.instrument else None,
            beside_trades=self.config.ibkr.tick_lines >= _LINES_FOR_BOTH,
        )
        if wanted:
            MarketWitness(self.session, self.market, streams)
        self.hours.watch(streams)
        self.link.start(streams)
        self.account.request()

    def observing(self, simulated: Broker) -> Broker:
        """Where nothing leaves: the simulated broker takes the orders, the connection tells the rest."""
        return SessionBroker(self.session, simulated, self._repeat)

    def sending(
        self,
        shadows: Broker,
        run_id: str,
        log_name: Callable[[], str],
        logged: Collection[str],
        killed: Callable[[], str],
    ) -> Broker:
        """The runner's broker where orders leave. `log_name` is the open log's; `shadows` has what is never sent.

        `logged` are the executions, by id, that the log has already; `killed` has the reason of a kill switch that was
        pulled, also where the loop has not come to it, and is asked before each entry leaves.
        The broker is asked for the margin of one contract; nothing is placed.
        """
        orders = IbkrBroker(
            self.session,
            self.bound,
            self.instrument,
            tag_of=lambda _ts_ns: _tag(run_id, log_name()),
            shadows=shadows,
            why_not=lambda ts_ns: self._why_not(killed(), ts_ns),
            logged=logged,
        )
        margin = orders.ask_margin()
        if isinstance(margin, Unknown):
            self.session.notice(margin.code, f"the margin of one contract is not known: {margin.reason}", error=True)
        else:
            self.account.set_margin(margin.data)
        return SessionBroker(self.session, orders, self._repeat)

    def _repeat(self) -> None:
        self.account.repeat()
        self.hours.repeat()

    def _why_not(self, killed: str, ts_ns: int) -> str:
        """Why no entry may leave now; empty when one may."""
        if killed:
            return f"the kill switch is pulled: {killed}; nothing was sent"
        return self.arming.why_not(ts_ns) if self.arming is not None else ""

    def close(self) -> None:
        """An orderly end of the connection."""
        if self.arming is not None:
            self.arming.disarm()
        self.link.close()
        self.session.close()

    @property
    def kind_of(self) -> dict[str, Any]:
        """What must be equal for a cut run to be continued."""
        return {"account": self.session.account, "contract": self.bound.con_id}


def _say(status: LinkStatus) -> None:
    """A line for the person at the terminal: what is gone, or that all of it is there."""
    names = ("socket", "broker", "farm", "flowing")
    missing = [name for name in names if not getattr(status, name)]
    logger = log_setup.get_logger()
    (logger.warning if missing else logger.info)("link", up=status.up, missing=missing, reason=status.reason)


def open_broker(options: RunOptions, instrument: Instrument, table: SessionTable) -> BrokerSource:
    """Connect and prepare; nothing that trades is sent.

    Raises:
        SourceUnreachable: no gateway, a taken client id, or no answer.
        UsageError: account, clock or contract are not what was asked for, or another expiry is held.
    """
    config = options.loaded.config
    settings = IbkrSettings(
        host=options.host,
        port=options.port,
        client_id=options.client_id,
        account=options.account,
        connect_timeout_s=config.ibkr.connect_timeout_s,
        request_timeout_s=config.ibkr.request_timeout_s,
        messages_per_s_max=config.ibkr.messages_per_s_max,
        messages_reserved=config.ibkr.messages_reserved,
        latency=config.latency,
        loop=config.machine.loop,
        fast_path=config.machine.fast_path,
        spin=plan_machine(config.machine, read_cores()).spin,
    )
    fast = (options.speed or 1.0) if options.clock == "feed" else None
    if options.account is not None:
        _check_account(options.account, config.run.mode, fast)
    probe.probe(settings.host, settings.port)  # says most exactly what is wrong, before a client id is taken
    session = IbkrSession(settings, speed=fast)
    link = Link(session, config.ibkr, lambda ts_ns: _patience(table, ts_ns))
    with ExitStack() as undo:
        undo.callback(session.close)
        session.connect()
        _check_account(session.account, config.run.mode, fast)
        arming = _armed(options, session, table)
        if arming is not None:
            undo.callback(arming.disarm)
        now_ns = session.stamp()
        today = _trade_date(table, now_ns)
        bound = bind(session, instrument, config, today=today)
        if config.run.mode in SENDING:
            check_no_other_expiry(session, bound)
        sentences = (*_clock_differs(session, fast), *_told(bound, today, config))
        for sentence in (*sentences, *later_differences(hours_of(bound), table, now_ns)):
            session.notice(0, sentence, error=True)
        market, seen = _signal(session, instrument, bound, config, today)
        beside = instrument if market is not instrument else None
        feed = IbkrFeed(session, market, _description(session, bound, seen), beside=beside)
        link.on_data_type.append(lambda data_type: feed.set_delayed(delayed=data_type not in {LIVE, UNKNOWN}))
        account = Account(session, armed_until_ns=arming.expires_ns if arming is not None else 0)
        hours = HoursDesk(session, bound, table)
        link.on_reconnected += [account.request, hours.ask]
        undo.pop_all()
    return BrokerSource(
        session=session,
        instrument=instrument,
        bound=bound,
        market=market,
        seen=seen,
        feed=feed,
        link=link,
        account=account,
        hours=hours,
        config=config,
        table=table,
        speed=session.clock.speed,
        arming=arming,
    )


def _description(session: IbkrSession, bound: BoundContract, seen: BoundContract) -> dict[str, Any]:
    """What the log says of the feed."""
    return {
        "market": "ibkr",
        "library": session.lib.__name__,
        "server_version": session.server_version,
        "contract": bound.local_symbol,
        "con_id": bound.con_id,
        "expiry": bound.expiry,
        "account": session.account,
        "client_id": session.settings.client_id,
        "seen": seen.local_symbol,
        "speed": session.clock.speed,
    }


def _armed(options: RunOptions, session: IbkrSession, table: SessionTable) -> Arming | None:
    """LIVE is armed for the trading session of now, or not at all.

    Raises:
        UsageError: nobody armed it, or there is no session to arm it for.
    """
    if options.loaded.config.run.mode != "LIVE":
        return None
    now_ns = session.stamp()
    day = table.trading_day(now_ns)
    if not options.arm:
        raise UsageError(f"--mode LIVE sends real orders and was not armed: add --arm and --account {session.account}")
    if day is None:
        raise UsageError("--mode LIVE is armed for one session, and the calendar has none for today: renew it")
    return arm(
        options.data_dir,
        session.account,
        options.account,
        now_ns=now_ns,
        trade_date=day.trade_date,
        expires_ns=day.globex_close_ns,
    )


def _check_account(account: str, mode: str, fast: float | None) -> None:
    """Before anything is asked: the account is one of this mode, and only a simulator's has a clock of its own.

    Raises:
        UsageError: it is not.
    """
    paper = account.startswith(PAPER_ACCOUNT)
    if mode == "PAPER" and not paper:
        raise UsageError(
            f"--mode PAPER with account {account}: paper account ids start with {PAPER_ACCOUNT}, this is a live one; "
            "log in as the paper user, or name a paper --account"
        )
    if mode == "LIVE" and paper:
        raise UsageError(
            f"--mode LIVE with account {account}: that is a paper account; nothing was sent. Use --mode PAPER"
        )
    if fast is not None and not account.startswith(SIMULATED):
        raise UsageError(
            f"--clock feed with account {account}: only a gateway simulator's account ({SIMULATED}...) has a clock of "
            "its own; leave --clock and --speed out"
        )


def _trade_date(table: SessionTable, ts_ns: int) -> date:
    """The day the contract is chosen for; a time the calendar does not know counts by its date in UTC."""
    day = table.trading_day(ts_ns)
    if day is None:
        return datetime.fromtimestamp(ts_ns / NS_PER_S, tz=UTC).date()
    return date(day.trade_date // 10_000, day.trade_date // 100 % 100, day.trade_date % 100)


def _clock_differs(session: IbkrSession, fast: float | None) -> Iterator[str]:
    """What a person should know about the clocks: the bot's sessions go by its own."""
    answer = None if fast is not None else session.ask(session.current_time())
    if answer is None or isinstance(answer, Unknown):
        return
    ahead_s = answer.data - session.stamp() / NS_PER_S
    if abs(ahead_s) > _CLOCK_S:
        where = "ahead of" if ahead_s > 0 else "behind"
        yield (
            f"the gateway's clock is {abs(ahead_s):.0f} s {where} this machine's: set this one "
            "right (NTP); beside gateway-sim give --clock feed and its --speed"
        )


def _told(bound: BoundContract, today: date, config: BotConfig) -> Iterator[str]:
    """What a person should know about a contract that was named although it ends soon."""
    least = config.safety.expiry_days_min
    if bound.expiry and bound.days_left(today) < least:
        yield (
            f"{bound.local_symbol} expires on {bound.expiry}, in {bound.days_left(today)} days: no entries with fewer "
            f"than {least} (safety.expiry_days_min)"
        )


def _signal(
    session: IbkrSession, traded: Instrument, bound: BoundContract, config: BotConfig, today: date
) -> tuple[Instrument, BoundContract]:
    """Whose market is seen: `ibkr.signal_instrument`, resolved and checked as the traded one is, or that one itself.

    Raises:
        SourceUnreachable, UsageError: as for the traded one; or its prices are not the traded one's.
    """
    symbol = config.ibkr.signal_instrument
    if not symbol or symbol == traded.symbol:
        return traded, bound
    market = instrument_by_symbol(symbol)
    if (market.underlying, market.tick_size_e9) != (traded.underlying, traded.tick_size_e9):
        raise UsageError(
            f"ibkr.signal_instrument {symbol} is {market.underlying} in ticks of {market.tick_size_points:g}, the "
            f"traded {traded.symbol} is {traded.underlying} in ticks of {traded.tick_size_points:g}: they need the "
            "same prices, as ES and MES have"
        )
    return market, resolve(session, market, "", today)


@lru_cache(maxsize=4)
def _tag(run_id: str, log_name: str) -> str:
    """What every order reference of a log begins with; a second log of one trade date has its own."""
    trade_date, _, number = log_name.partition("-")
    return log_tag(f"{run_id} {number}" if number else run_id, int(trade_date or 0))


def _patience(table: SessionTable, ts_ns: int) -> int:
    """How many times longer than in regular hours the market may be silent (specification 4); 0 while it is shut."""
    day = table.trading_day(ts_ns)
    if not continuous_trading(day, ts_ns):
        return 0
    return 1 if continuous_trading(day, ts_ns, market="rth") else _OUTSIDE_RTH
