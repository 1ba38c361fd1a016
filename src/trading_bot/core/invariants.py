"""What must hold after every event of a run, whatever goes wrong in it (architecture 3; specification 5, 8 to 11).

`NAMES` has every invariant of the simulation with what it says; docs/simulation.md shows them, `tools/mutants.toml` has
for each the change of the product that breaks it, and a test holds the three together. An invariant is a function of a
`Moment` that yields what is wrong in words. It asks the records (`run_facts.py`), never the state about itself.
"""

from collections.abc import Callable, Iterator
from typing import Final

from trading_bot.core import position_invariants as position
from trading_bot.core import run_invariants as run
from trading_bot.core.moment import Moment

INVARIANTS: Final[tuple[Callable[[Moment], Iterator[str]], ...]] = (
    position.position_is_the_sum_of_fills,
    position.limits_hold_under_every_interleaving,
    position.a_flip_is_left_at_once,
    position.exchange_agrees,
    position.money_adds_up,
    position.order_table_is_followed,
    position.stops_only_tighten,
    position.a_stop_is_resident,
    position.naked_time_is_measured_and_bounded,
    run.kill_is_final,
    run.flat_at_the_close,
    run.flat_by_the_deadline_or_an_alarm,
    run.flatten_steps_come_in_order_and_time,
    run.nothing_leaves_in_observe,
    run.a_profit_trips_no_breaker,
    run.breakers_are_told,
    run.learning_is_what_was_recorded,
    run.timers_are_told,
    run.scores_are_in_range,
)

NAMES: Final[dict[str, str]] = {
    # of every record
    "seq_has_no_gaps": "each record's number is the one before plus the market records between",
    "time_never_goes_back": "the times of a log never fall",
    # of every event
    "position_is_the_sum_of_fills": "what was executed is the position, within its limit, known, and owned by a trade",
    "limits_hold_under_every_interleaving": "position and risk stay within limits whichever working entries fill",
    "a_flip_is_left_at_once": "what two exits that both filled leave is flat within 30 s, troubles and rejects aside",
    "exchange_agrees": "with nothing under way, position and working orders are the exchange's",
    "money_adds_up": "realised and open result are the cash of all fills minus commissions, to the micro-dollar",
    "order_table_is_followed": "states by the table, no lot filled twice, one entry or position, none beyond its time",
    "stops_only_tighten": "the stop of an open trade never moves away from the price",
    "a_stop_is_resident": "what is not told to be naked has a stop at the broker for every lot, on the losing side",
    "naked_time_is_measured_and_bounded": "STOP_RESIDENT is the time by the records, and that has a bound",
    "kill_is_final": "latch effect, no entry, exit code 5, flat",
    "flat_at_the_close": "flat at each close, unless the market could not fill in its last minute",
    "flat_by_the_deadline_or_an_alarm": "whatever was in the way: no position over a close without an alarm before it",
    "flatten_steps_come_in_order_and_time": "T-5:00, -4:45, -4:00, -3:00, -1:00: never early, never overdue",
    "nothing_leaves_in_observe": "orders are answered as suppressed, fills and trades are hypothetical",
    "a_profit_trips_no_breaker": "a day's limit needs a loss of that size, with the open position at its worst",
    "breakers_are_told": "what is tripped is what the records say",
    "learning_is_what_was_recorded": "the learning state equals one rebuilt from TRADE_CLOSED and shadow fills",
    "timers_are_told": "every timer that waits was armed by a record",
    "scores_are_in_range": "DVS and EQS are 0 to 100; EQS is what its deficits leave; each reject has one",
    # of every order, and of every timer
    "entries_pass_every_gate": "no entry while any gate is closed",
    "size_never_grows_after_a_loss": "no entry is larger than the one before that lost, within a day",
    "exits_leave_what_is_open": "side and quantity of each exit are those of the position",
    "timers_fire_when_armed": "a timer fires at the time it was armed for",
    # of every run
    "the_run_goes_through": "the run ends by itself, and not by an error of ours",
    "the_end_is_flat": "no position and no order at the exchange at the end",
    "the_exit_code_tells": "5 when the kill switch is latched, else 0",
    "replay_is_equal": "the log replays to the digests of the run",
    "a_restart_replays": "the log of a run that was killed and went on replays to its digests",
    "a_restart_ends_flat": "so does its exchange end",
    "a_restart_is_equal": "its digests are those of the run that lived, unless effects were abandoned",
    "learning_is_carried": "the next day's run begins with what was learned, and its own replay agrees",
}

__all__ = ["INVARIANTS", "NAMES"]
