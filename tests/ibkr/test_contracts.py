"""Which contract is traded: the roll rule, the registry held against it, what is refused before anything is sent."""

from datetime import date

import msgspec
import pytest

from tests.ibkr.rig import connected
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr import contracts
from trading_bot.adapters.ibkr.contracts import bind, resolve
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.instruments import INSTRUMENTS

MES = INSTRUMENTS["MES"]
TODAY = date(2026, 11, 25)


@pytest.fixture(scope="module")
def gateway():
    with running_gateway(messages_per_s=0) as running:
        yield running


@pytest.fixture
def session(gateway):
    with connected(gateway) as session:
        yield session


def test_the_nearest_quarter_is_the_front_and_everything_the_run_needs_is_known_of_it(session):
    found = resolve(session, MES, "", TODAY)
    assert (found.local_symbol, found.expiry, found.symbol, found.exchange) == ("MESZ6", 20261218, "MES", "CME")
    assert found.contract.conId == found.con_id > 0
    assert found.days_left(TODAY) == 23
    assert found.time_zone == "US/Central"


# The third Friday of December 2026 is the 18th; the Monday before it the 14th (specification 10).
@pytest.mark.parametrize(
    ("today", "symbol"),
    [(date(2026, 12, 11), "MESZ6"), (date(2026, 12, 13), "MESZ6"), (date(2026, 12, 14), "MESH7")],
)
def test_from_the_monday_before_expiry_the_next_contract_is_traded(session, today, symbol):
    assert resolve(session, MES, "", today).local_symbol == symbol


@pytest.mark.parametrize(
    ("volumes", "symbol"),
    [((900, 901), "MESH7"), ((900, 900), "MESZ6"), ((900, 20), "MESZ6"), ((None, 5), "MESZ6"), ((5, None), "MESZ6")],
)
def test_before_that_the_volume_leader_of_the_last_session_is_traded(session, monkeypatch, volumes, symbol):
    by_symbol = dict(zip(("MESZ6", "MESH7"), volumes, strict=True))
    monkeypatch.setattr(contracts, "_last_volume", lambda _session, contract: by_symbol[contract.localSymbol])
    assert resolve(session, MES, "", date(2026, 12, 11)).local_symbol == symbol


def test_the_volume_of_the_last_complete_session_is_the_one_compared(session):
    def bars(count):
        return session.ask(
            session.ib.reqHistoricalDataAsync(found.contract, "", f"{count} D", "1 day", "TRADES", False, 1, False, [])
        ).data

    found = resolve(session, MES, "", TODAY)
    # The session under way is the last bar; the one before is of 24 November.
    assert bars(3)[-2].date == date(2026, 11, 24)
    assert contracts._last_volume(session, found.contract) == bars(3)[-2].volume > 0


@pytest.mark.parametrize("named", ["MESH7", "202703"])
def test_a_contract_can_be_named_by_local_symbol_or_month(session, named):
    config = BotConfig(ibkr=msgspec.structs.replace(BotConfig().ibkr, contract=named))
    assert bind(session, MES, config, today=TODAY).local_symbol == "MESH7"


@pytest.mark.parametrize("named", ["MESU6", "202609"])
def test_an_expired_contract_is_called_expired(session, named):
    with pytest.raises(UsageError, match=rf"{named} has expired.*20260918.*20261125.*ibkr\.contract"):
        resolve(session, MES, named, TODAY)


@pytest.mark.parametrize("named", ["MESX6", "203012"])
def test_a_contract_that_is_not_listed_is_refused(session, named):
    with pytest.raises(UsageError, match=rf"lists no FUT {named}.*ibkr\.contract"):
        resolve(session, MES, named, TODAY)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tick_size_e9": 500_000_000}, r"tick size is 0\.25 at the broker and 0\.5 in the registry"),
        ({"multiplier": 50}, r"multiplier is 5\.0 at the broker and 50\.0 in the registry"),
    ],
)
def test_a_contract_that_differs_from_the_registry_is_refused_with_both_values(session, changes, sentence):
    with pytest.raises(UsageError, match=rf"MESZ6 \(conId \d+\): the {sentence}; nothing was sent"):
        resolve(session, msgspec.structs.replace(MES, **changes), "", TODAY)


def test_the_market_rule_is_compared_too(gateway, session, monkeypatch):
    fine = msgspec.structs.replace(MES, tick_size_e9=50_000_000)
    gateway.call(lambda real: monkeypatch.setattr(real.contracts, "market_rule", lambda _number: fine))
    with pytest.raises(UsageError, match=r"price increment of rule \d+ is 0\.05 at the broker and 0\.25"):
        resolve(session, MES, "", TODAY)


def test_a_broker_that_does_not_answer_is_not_a_contract_that_does_not_exist():
    with running_gateway() as gateway, connected(gateway, request_timeout_s=0.5) as session:
        gateway.call(lambda real: real.scenario.do("stall"))
        with pytest.raises(SourceUnreachable, match=r"does not say which contracts MES has.*no answer within 0\.5 s"):
            resolve(session, MES, "", TODAY)
