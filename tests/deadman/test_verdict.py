"""When a bot counts as gone or frozen (SF06: a heartbeat of 5 s): the table of docs/deadman.md, row by row."""

import pytest

from trading_bot.core.heartbeat import Pulse
from trading_bot.deadman.verdict import Verdict, age_s, judge
from trading_bot.domain.deadman_config import DeadmanConfig

S = 1_000_000_000
NOW = 1_000 * S


def pulse(*, beat_s=None, starting_s=600.0, owed=True, asked_s=None):
    """Of a bot whose last beat was so many seconds ago; None: not one yet."""
    return Pulse(
        pid=42,
        process_started=7,
        starting_ns=NOW - round(starting_s * S),
        beat_ns=0 if beat_s is None else NOW - round(beat_s * S),
        beats=1,
        owed=owed,
        asked_ns=0 if asked_s is None else NOW - round(asked_s * S),
        described=None,
    )


@pytest.mark.parametrize(
    ("found", "locked", "verdict"),
    [
        (None, False, Verdict.NOBODY),
        (pulse(beat_s=100, owed=False), False, Verdict.NOBODY),  # ended in order
        (pulse(beat_s=100, owed=False), True, Verdict.ALIVE),  # a bot that sends nothing
        (pulse(beat_s=0.02), True, Verdict.ALIVE),
        (pulse(beat_s=3.0), True, Verdict.SILENT),
        (pulse(beat_s=3.0), False, Verdict.SILENT),  # killed just now: whoever looks after it may start it again
        (pulse(beat_s=4.9), True, Verdict.SILENT),
        (pulse(beat_s=5.0), True, Verdict.FROZEN),
        (pulse(beat_s=5.0), False, Verdict.GONE),
        (pulse(beat_s=0.02, asked_s=4.9), True, Verdict.ALIVE),  # it may still close it
        (pulse(beat_s=0.02, asked_s=5.0), True, Verdict.ASKED),
        (pulse(beat_s=6.0, asked_s=9.0), False, Verdict.GONE),
        (pulse(starting_s=59), True, Verdict.STARTING),
        (pulse(starting_s=61), True, Verdict.FROZEN),
        (pulse(starting_s=3), False, Verdict.SILENT),  # a start that failed over a position of the run before
        (pulse(starting_s=6), False, Verdict.GONE),
        (pulse(starting_s=1, owed=False), True, Verdict.STARTING),
        (pulse(starting_s=9, owed=False), False, Verdict.NOBODY),  # a first start that failed: nothing is open
    ],
)
def test_every_row_of_the_table(found, locked, verdict):
    assert judge(found, locked=locked, now_ns=NOW, observed_ns=0, config=DeadmanConfig()) is verdict


def test_who_stood_still_himself_has_seen_nothing():
    """A machine that was halted halts bot and dead man alike: the bot gets its five seconds again."""
    halted = pulse(beat_s=3600)
    config = DeadmanConfig()
    assert judge(halted, locked=True, now_ns=NOW, observed_ns=NOW - S, config=config) is Verdict.ALIVE
    assert judge(halted, locked=True, now_ns=NOW, observed_ns=NOW - 5 * S, config=config) is Verdict.FROZEN


def test_a_beat_from_before_the_machine_was_started_is_no_beat():
    ahead = pulse(beat_s=-1_000)
    assert judge(ahead, locked=False, now_ns=NOW, observed_ns=NOW - 5 * S, config=DeadmanConfig()) is Verdict.GONE
    assert age_s(ahead, NOW) is None
    assert age_s(pulse(beat_s=1.5), NOW) == 1.5


def test_the_limit_is_the_specifications():
    assert DeadmanConfig().limit_s == 5.0
    with pytest.raises(ValueError, match="at most half of"):
        DeadmanConfig(look_ms=600, limit_s=1.0)
