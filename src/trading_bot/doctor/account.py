"""The account behind a gateway, looked at over a short connection with a client id of its own: `doctor --account ID`.

One what-if order asks for the margin of a contract; it is never placed. Nothing else is sent that could trade.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from trading_bot.adapters.ibkr.account import Account
from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.bracket import OrderForm
from trading_bot.adapters.ibkr.contracts import BoundContract, bind
from trading_bot.adapters.ibkr.questions import Questions
from trading_bot.adapters.ibkr.rescue import Rescue
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.doctor.checks import Check, fail, ok, warn
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import BotError, SourceUnreachable, UsageError
from trading_bot.domain.events import AccountSnapshot
from trading_bot.domain.instruments import Instrument, instrument_by_symbol
from trading_bot.domain.units import NS_PER_S, usd_from_uusd

SECTION: Final = "account"
CLIENT_ID: Final = 98
_PAPER: Final = "D"  # first letter of every paper account id
_LIVE_DATA: Final = 1
_KINDS: Final = {1: "live", 2: "frozen", 3: "delayed", 4: "delayed and frozen"}
_WAIT_S: Final = 4.0
_SETTINGS: Final = "docs/ibkr.md section 2"


def account_checks(
    config: BotConfig, *, host: str, port: int, account: str, client_id: int, now_ns: int
) -> Iterator[Check]:
    """Account, money, contract, permission to trade, kind of market data, and what is open there."""
    if (wrong := _of_mode(account, config.run.mode)) is not None:
        yield wrong
        return
    instrument = instrument_by_symbol(config.run.instrument)
    settings = IbkrSettings(
        host=host,
        port=port,
        client_id=client_id,
        account=account,
        connect_timeout_s=config.ibkr.connect_timeout_s,
        request_timeout_s=config.ibkr.request_timeout_s,
        loop="asyncio",
        fast_path=False,
    )
    try:
        link = Rescue(settings, instrument)
    except BotError as error:
        yield fail(SECTION, "account", account, str(error), exit_code=error.exit_code)
        return
    try:
        said = f"{account}, {'paper' if account.startswith(_PAPER) else 'live'}; client id {client_id}"
        yield ok(SECTION, "account", said, values={"account": account, "client_id": client_id})
        yield _money(link)
        yield from _contract(link, instrument, config, now_ns)
        yield _open(link)
    except BotError as error:
        yield fail(SECTION, "connection", "lost", str(error), exit_code=error.exit_code)
    finally:
        link.close()


def _of_mode(account: str, mode: str) -> Check | None:
    paper = account.startswith(_PAPER)
    if (mode == "PAPER" and not paper) or (mode == "LIVE" and paper):
        advice = f"mode {mode} refuses it: name a {'paper' if mode == 'PAPER' else 'live'} account"
        found = f"{account} is a {'paper' if paper else 'live'} one"
        return fail(SECTION, "account", found, advice, exit_code=UsageError.exit_code)
    return None


def _money(link: Rescue) -> Check:
    told: list[AccountSnapshot] = []
    Account(link.session).request()
    end_s = link.session.clock.wall_s() + _WAIT_S
    while not told and link.session.clock.wall_s() < end_s:
        link.session.pump(0.05)
        told = [event for event in link.session.inputs if isinstance(event, AccountSnapshot)]
        link.session.inputs.clear()
    link.session.ib.client.reqAccountUpdates(False, link.account)
    if not told:
        advice = "the bot enters nothing before it knows this: look at the account in the gateway's own window"
        return fail(SECTION, "money", "the broker does not tell it", advice, exit_code=SourceUnreachable.exit_code)
    equity, free = usd_from_uusd(told[0].equity_uusd), usd_from_uusd(told[0].margin_free_uusd)
    values = {"equity_usd": equity, "free_usd": free}
    return ok(SECTION, "money", f"equity {equity:,.2f} USD, free {free:,.2f} USD", values=values)


def _contract(link: Rescue, instrument: Instrument, config: BotConfig, now_ns: int) -> Iterator[Check]:
    today = datetime.fromtimestamp(now_ns / NS_PER_S, tz=UTC).date()
    try:
        bound = bind(link.session, instrument, config, today=today)
    except BotError as error:
        yield fail(SECTION, "contract", instrument.symbol, str(error), exit_code=error.exit_code)
        return
    left = bound.days_left(today) if bound.expiry else None
    values = {"con_id": bound.con_id, "local_symbol": bound.local_symbol, "expiry": bound.expiry, "days_left": left}
    said = f"{bound.local_symbol}, tick and multiplier as registered"
    if left is not None and left < config.safety.expiry_days_min:
        advice = f"no entries with fewer than {config.safety.expiry_days_min} days: name the next one in ibkr.contract"
        yield warn(SECTION, "contract", f"{said}, expires in {left} days", advice, values=values)
    else:
        yield ok(SECTION, "contract", said + (f", {left} days left" if left is not None else ""), values=values)
    yield _permission(link, bound, instrument, config)
    yield data_check(_data_type(link.session, bound), config.run.mode)


def _permission(link: Rescue, bound: BoundContract, instrument: Instrument, config: BotConfig) -> Check:
    """What the broker would ask for one contract; who may not trade is refused the question."""
    questions = Questions(link.session, bound, instrument)
    form = OrderForm(link.session.lib, link.account, instrument)
    answer = link.session.run(questions.margin_per_contract(form.what_if()))
    if isinstance(answer, Unknown):
        advice = f"{answer.reason}. Read-Only API off, futures permission on: {_SETTINGS}"
        if config.run.mode == "OBSERVE":
            return warn(SECTION, "permission", "orders would be refused (OBSERVE sends none)", advice)
        return fail(SECTION, "permission", "orders are refused", advice, exit_code=UsageError.exit_code)
    margin = usd_from_uusd(answer.data)
    said = f"orders are taken (asked by a what-if order, never placed): margin {margin:,.2f} USD a contract"
    return ok(SECTION, "permission", said, values={"margin_usd": margin})


def _data_type(session: IbkrSession, bound: BoundContract) -> tuple[int, str]:
    """The kind of market data, 0 when the broker does not say, and what else it said."""
    kinds: list[int] = []
    texts: list[str] = []
    client = session.ib.client
    request_id = client.getReqId()

    def on_kind(told_id: int, kind: int, *_more: Any) -> None:
        if told_id == request_id:
            kinds.append(kind)

    def on_error(told_id: int, code: int, text: str, *_more: Any) -> None:
        if told_id == request_id:
            texts.append(f"{code} {text}")

    session.listen("marketDataType", on_kind)
    session.listen("error", on_error)
    client.reqMktData(request_id, bound.contract, "", False, False, [])
    end_s = session.clock.wall_s() + _WAIT_S
    while not kinds and not texts and session.clock.wall_s() < end_s:
        session.pump(0.05)
        session.inputs.clear()
    client.cancelMktData(request_id)
    return (kinds[-1] if kinds else 0), "; ".join(texts)


def data_check(told: tuple[int, str], mode: str) -> Check:
    """Nothing is entered on anything but live data."""
    kind, text = told
    values = {"type": kind}
    if kind == _LIVE_DATA and not text:
        return ok(SECTION, "market data", "live", values=values)
    found = _KINDS.get(kind, "the broker does not say which kind")
    advice = (
        f"{text + '. ' if text else ''}the bot enters on live data only: subscribe to CME real-time data, docs/ibkr.md"
    )
    if mode == "OBSERVE":
        return warn(SECTION, "market data", found, advice, values=values)
    return fail(SECTION, "market data", found, advice, exit_code=UsageError.exit_code, values=values)


def _open(link: Rescue) -> Check:
    answer = link.look()
    if isinstance(answer, Unknown):
        advice = "unknown is not flat, and the bot would not enter: look in the gateway's own window"
        return fail(SECTION, "open there", answer.reason, advice, exit_code=SourceUnreachable.exit_code)
    seen = answer.data
    values = {
        "holdings": {one.name: one.qty for one in seen.holdings},
        "orders": len(seen.orders),
        "other_orders": len(seen.others),
    }
    if seen.nothing:
        return ok(SECTION, "open there", f"no position and no order in {link.instrument.symbol}", values=values)
    held = ", ".join(f"{one.qty:+d} {one.name}" for one in seen.holdings) or "no position"
    advice = "a start goes on with what its log knows; anything else halts it (docs/reconciliation.md)"
    return warn(SECTION, "open there", f"{held}, {len(seen.orders)} orders", advice, values=values)
