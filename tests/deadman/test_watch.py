"""The whole dead man in this process, against gateway-sim and a bot that is nothing but its heartbeat and its lock."""

import fcntl
import time

import pytest

from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.core import operator_files as files
from trading_bot.core.deadman_files import read_state
from trading_bot.core.heartbeat import Described, Heartbeat
from trading_bot.deadman.link import Place
from trading_bot.deadman.watch import DeadMan
from trading_bot.domain.config import BotConfig
from trading_bot.domain.deadman_config import DeadmanConfig
from trading_bot.domain.errors import UsageError

START_NS = 1_795_617_300_000_000_000  # 2026-11-25T14:35:00Z
CONFIG = BotConfig(deadman=DeadmanConfig(limit_s=1.0, look_ms=50, cancel_wait_s=1.0, limit_wait_s=0.5, fence=False))
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def running():
    with running_gateway(seed=7, speed=1.0, start_ns=START_NS, equity_usd=100_000.0) as gateway:
        yield gateway


@pytest.fixture
def gateway(running):
    yield running
    left = held(running)
    if left:
        do(running, "give_position", qty=-left)


def do(gateway, action, **values):
    gateway.call(lambda served: served.scenario.do(action, **values))


def held(gateway):
    return gateway.call(lambda served: sum(row.qty for row in served.desk.account.positions.values()))


@pytest.fixture
def start(gateway, tmp_path):
    """Starts a bot; none outlives its test."""
    bots = []

    def begin(**described):
        bots.append(Bot(tmp_path, gateway, **described))
        return bots[-1]

    yield begin
    for bot in bots:
        bot.die()


class Bot:
    """A bot as others see it: lock, heartbeat, what it says of itself."""

    def __init__(self, data_dir, gateway, **described):
        self.lock = (data_dir / files.LOCK_FILE).open("a")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.heart = Heartbeat(data_dir)
        self.heart.begin()
        about = {"mode": "PAPER", "sends": True, "account": "DUSIM1", "client_id": 1, "host": "127.0.0.1"}
        self.heart.describe(Described(run_id="r", instrument="MES", port=gateway.port, **{**about, **described}))
        self.beat()

    def beat(self):
        self.heart.beat(time.monotonic_ns())

    def die(self):
        self.lock.close()


def watching(data_dir, config=CONFIG, **place):
    return DeadMan(data_dir, config, Place(**{"client_id": 99, **place}), until_end=True)


def turns(man, until, *, beating=None):
    """As `run` has them, until something is so; whether he has ended."""
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s, man.journal.lines
        if beating is not None:
            beating.beat()
        if man._turn():
            return True
    return False


def steps(man):
    return [line["event"] for line in man.journal.lines]


def connected(man):
    return man._link.rescue is not None


def test_a_bot_that_dies_is_closed_and_he_ends_with_5(gateway, tmp_path, start):
    bot, man = start(), watching(tmp_path)
    turns(man, lambda: connected(man), beating=bot)
    do(gateway, "give_position", qty=1)
    bot.die()
    turns(man, lambda: "flat" in steps(man))
    assert held(gateway) == 0
    wanted = ["noticed", "takes_over", "latched", "fence", "close", "closed", "flat"]
    assert [step for step in steps(man) if step in wanted] == wanted
    assert files.latched(tmp_path).source == "deadman"
    assert files.waiting(tmp_path / files.TAKEN_OVER_FILE)
    assert [line["result"] for line in man.journal.lines if line["event"] == "fence"] == ["off"]
    man.stop = True
    assert man.run() == 5
    assert read_state(tmp_path).doing == "ended"


def test_a_bot_that_lives_or_ends_in_order_is_left_alone(gateway, tmp_path, start):
    bot, man = start(), watching(tmp_path)
    do(gateway, "give_position", qty=1)
    begin_s = time.monotonic()
    turns(man, lambda: time.monotonic() - begin_s > 1.5, beating=bot)
    bot.heart.end()
    bot.die()
    assert turns(man, lambda: False)  # ended with the bot
    assert man.run() == 0
    assert held(gateway) == 1
    assert files.latched(tmp_path) is None
    assert "noticed" not in steps(man)


def test_nothing_open_latches_nothing(tmp_path, start):
    bot, man = start(), watching(tmp_path)
    bot.die()
    turns(man, lambda: "nothing_open" in steps(man))
    assert files.latched(tmp_path) is None
    assert man.took_over == 0
    man._link.close()


def test_a_bot_that_sends_nothing_has_nothing_to_be_closed(gateway, tmp_path, start):
    bot, man = start(mode="OBSERVE", sends=False), watching(tmp_path, account="DUSIM1")
    do(gateway, "give_position", qty=1)
    assert not man._turn()
    bot.die()
    assert turns(man, lambda: False)
    assert held(gateway) == 1
    man._link.close()


def test_a_bot_that_cannot_close_and_asks_is_helped(gateway, tmp_path, start):
    bot, man = start(), watching(tmp_path)
    do(gateway, "give_position", qty=-1)
    turns(man, lambda: connected(man), beating=bot)
    bot.heart.ask(time.monotonic_ns())
    turns(man, lambda: "flat" in steps(man), beating=bot)
    assert [line["bot"] for line in man.journal.lines if line["event"] == "noticed"] == ["ASKED"]
    assert held(gateway) == 0
    man._link.close()


def test_a_gateway_that_is_away_is_tried_again(gateway, tmp_path, start):
    bot, man = start(), watching(tmp_path)
    do(gateway, "give_position", qty=1)
    do(gateway, "take_client_id", client_id=99)
    bot.die()
    turns(man, lambda: "noticed" in steps(man) and man._link.problem != "")
    assert "client id 99 is taken" in man._link.problem
    do(gateway, "take_client_id", client_id=99, on=False)
    turns(man, lambda: "flat" in steps(man))
    assert held(gateway) == 0
    man._link.close()


@pytest.mark.parametrize(
    ("place", "said"),
    [({"account": "DUSIM7"}, "trades DUSIM1"), ({"client_id": 1}, "client id 1 is the bot's")],
)
def test_what_is_not_his_is_refused(tmp_path, start, place, said):
    start()
    with pytest.raises(UsageError, match=said):
        watching(tmp_path, **place).run()
