"""A gateway simulator whose time is before this machine's: stamps are the gateway's from the first one on."""

from tests.ibkr.rig import connected
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.domain.units import NS_PER_HOUR

PAST_NS = 1_736_951_400_000_000_000  # 2025-01-15T14:30:00Z, whatever the day is when this test runs


def test_stamps_begin_with_the_gateways_time_although_it_is_long_ago():
    with running_gateway(seed=7, speed=30.0, start_ns=PAST_NS) as gateway, connected(gateway, speed=30.0) as session:
        assert 0 <= session.stamp() - PAST_NS < NS_PER_HOUR
        session.pump(0.05)
        assert 0 <= session.stamp() - PAST_NS < NS_PER_HOUR
