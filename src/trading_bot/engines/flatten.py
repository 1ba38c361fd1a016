"""The way to flat, as data driven by timers (specification 8.3, 10; features EX13, SF02).

A plan is a table of steps and times. `advance` is asked whenever a timer is due or an answer came, and says what to do;
it reads no gate, no tick and no score, so nothing that stops entries can stop it, and it goes on until the broker has
said that the position is zero. Unknown is not flat. Times in ns.
"""

from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import SessionWindow, flatten_times


class FlattenKind(StrEnum):
    """Why the position has to go; each has its plan."""

    SESSION = "SESSION"
    STOP = "STOP"  # an orderly stop, a breaker's halt, a person's word
    KILL = "KILL"
    EMERGENCY = "EMERGENCY"  # the core failed: whoever carries this out trusts the broker only


class Step(StrEnum):
    """Steps of the plans."""

    CANCEL = "CANCEL"
    EXIT = "EXIT"
    VERIFY = "VERIFY"
    MARKET = "MARKET"
    ALERT = "ALERT"
    KILL = "KILL"
    RETRY = "RETRY"


class Command(StrEnum):
    """What is to be done.

    Exits go into the OCA group of the stop, so that only their fill removes it; EXIT_MARKET replaces a working exit
    limit. CANCEL withdraws entries and targets, never a stop; CANCEL_EXITS the exits of the side that was left.
    """

    CANCEL = "CANCEL"
    CANCEL_EXITS = "CANCEL_EXITS"
    EXIT_LIMIT = "EXIT_LIMIT"
    EXIT_MARKET = "EXIT_MARKET"
    ASK_BROKER = "ASK_BROKER"
    ALERT = "ALERT"
    DEAD_MAN = "DEAD_MAN"
    KILL = "KILL"
    HALT = "HALT"
    LOG_STATE = "LOG_STATE"


# Time after the start; a step that comes early moves the rest forward with it.
# Cancel (5 s), exit (10 s), done when flat.
_CANCEL_EXIT: Final = (
    (Step.CANCEL, 0),
    (Step.EXIT, 5 * NS_PER_S),
    (Step.VERIFY, 10 * NS_PER_S),
    (Step.MARKET, 15 * NS_PER_S),
    (Step.ALERT, 15 * NS_PER_S),
)
_PLANS: Final[dict[FlattenKind, tuple[tuple[Step, int], ...]]] = {
    FlattenKind.STOP: _CANCEL_EXIT,
    FlattenKind.KILL: _CANCEL_EXIT,
    FlattenKind.EMERGENCY: (
        (Step.CANCEL, 0),
        (Step.ALERT, 0),
        (Step.VERIFY, 0),
        (Step.EXIT, 5 * NS_PER_S),
        (Step.MARKET, 10 * NS_PER_S),
    ),
}
RETRY_NS: Final = 10 * NS_PER_S  # EX13
_EXITS: Final = (Command.EXIT_LIMIT, Command.EXIT_MARKET)


class Rung(msgspec.Struct, frozen=True, gc=False):
    """A step and when it is due at the latest."""

    step: Step
    due_ns: int


class FlattenState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far a flattening is.

    `rungs` are those still to come; `speed_e3` is market time in thousandths of wall time, in which plans and retries
    run. `exit_sign` is the side of the position that an exit was sent for (0: none yet),
    `last_order_ns` when the last one was sent.
    """

    kind: FlattenKind
    reason: str
    started_ns: int
    rungs: tuple[Rung, ...]
    exit_sign: int = 0
    last_order_ns: int | None = None
    retry_ns: int | None = None
    finished: bool = False
    speed_e3: int = 1_000


class FlattenFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known.

    `position_qty` None is unknown; `answered_ns` is when the broker last told position and orders; `working` counts
    entries and targets that are not final; `limit_working` and `market_working` are exits that may still fill;
    `quoted` says that an exit limit can be priced.
    """

    position_qty: int | None
    answered_ns: int | None
    working: int = 0
    limit_working: bool = False
    market_working: bool = False
    quoted: bool = True


class FlattenAction(msgspec.Struct, frozen=True, gc=False):
    """One thing to do now; `qty` is the signed change of an exit, 0 otherwise."""

    step: Step
    command: Command
    qty: int = 0


def begin_session_exit(window: SessionWindow, ts_ns: int, reason: str, *, speed_e3: int = 1_000) -> FlattenState:
    """The ladder before a session's close; rungs that are past are due at once. Its times are the market's."""
    rungs = tuple(Rung(Step(step.value), due_ns) for step, due_ns in flatten_times(window))
    return FlattenState(kind=FlattenKind.SESSION, reason=reason, started_ns=ts_ns, rungs=rungs, speed_e3=speed_e3)


def begin(kind: FlattenKind, ts_ns: int, reason: str, *, speed_e3: int = 1_000) -> FlattenState:
    """The plan of a stop, a kill switch or an emergency stop, from now on; a session's end has its own."""
    rungs = tuple(Rung(step, ts_ns + after_ns * speed_e3 // 1_000) for step, after_ns in _PLANS[kind])
    return FlattenState(kind=kind, reason=reason, started_ns=ts_ns, rungs=rungs, speed_e3=speed_e3)


def taken_over(state: FlattenState, stronger: FlattenState) -> FlattenState:
    """A stronger plan takes over a flattening that is under way, knowing which exits were sent."""
    return msgspec.structs.replace(stronger, exit_sign=state.exit_sign, last_order_ns=state.last_order_ns)


def next_due_ns(state: FlattenState) -> int | None:
    """When to ask again if nothing else happens; None once finished."""
    if state.finished:
        return None
    return state.rungs[0].due_ns if state.rungs else state.retry_ns


def advance(state: FlattenState, facts: FlattenFacts, ts_ns: int) -> tuple[FlattenState, tuple[FlattenAction, ...]]:
    """What is due now. To be asked at `next_due_ns` and after every answer, fill and cancellation.

    Of several steps that are due together only the strongest order leaves. Once the broker has confirmed, after the
    last order, that nothing is left, the flattening is finished: a kill and an emergency stop then halt. A fill after
    that begins another.
    """
    if state.finished:
        return state, ()
    if is_confirmed_flat(state, facts):
        halts = state.kind in (FlattenKind.KILL, FlattenKind.EMERGENCY)
        done = (Command.HALT, Command.LOG_STATE, Command.ALERT) if halts else ()
        finished = msgspec.structs.replace(state, finished=True, rungs=())
        return finished, tuple(FlattenAction(Step.VERIFY, command) for command in done)
    actions = _flipped(state, facts)
    state, steps = _take_due(state, facts, ts_ns)
    if _overdue(state, facts) and Step.MARKET not in steps and Step.EXIT not in steps:
        steps = (Step.EXIT, *steps)
    for step in steps:
        actions += _without_second_exit(actions, _step(step, state, facts))
    sign = _sign(facts.position_qty or 0)
    if any(action.command in _EXITS for action in actions):
        state = msgspec.structs.replace(state, exit_sign=sign, last_order_ns=ts_ns)
    elif state.exit_sign == 0 and (facts.limit_working or facts.market_working):
        # An exit that was on its way before: it can flip the position as well.
        state = msgspec.structs.replace(state, exit_sign=sign)
    return state, actions


def is_confirmed_flat(state: FlattenState, facts: FlattenFacts) -> bool:
    """Whether the broker said so after the last exit, and nothing that could fill is left."""
    working = facts.working > 0 or facts.limit_working or facts.market_working
    return _answered(state, facts) and facts.position_qty == 0 and not working


def _answered(state: FlattenState, facts: FlattenFacts) -> bool:
    since_ns = state.started_ns if state.last_order_ns is None else state.last_order_ns
    return facts.answered_ns is not None and facts.answered_ns >= since_ns


def _take_due(state: FlattenState, facts: FlattenFacts, ts_ns: int) -> tuple[FlattenState, tuple[Step, ...]]:
    """Steps that are due, and the state without them."""
    rungs, steps = state.rungs, []
    while rungs and (ts_ns >= rungs[0].due_ns or _may_come_early(rungs[0].step, state, facts)):
        earlier_ns = max(rungs[0].due_ns - ts_ns, 0)
        steps.append(rungs[0].step)
        rungs = tuple(Rung(rung.step, rung.due_ns - earlier_ns) for rung in rungs[1:])
    retry_ns = state.retry_ns
    if not rungs and (retry_ns is None or ts_ns >= retry_ns):
        if retry_ns is not None:
            steps.append(Step.RETRY)
        retry_ns = ts_ns + RETRY_NS * state.speed_e3 // 1_000
    if Step.MARKET in steps:
        steps = [step for step in steps if step is not Step.EXIT]
    return msgspec.structs.replace(state, rungs=rungs, retry_ns=retry_ns), tuple(steps)


def _may_come_early(step: Step, state: FlattenState, facts: FlattenFacts) -> bool:
    """The exit of a kill waits for its cancellations, and for nothing once they are answered."""
    if step is not Step.EXIT or state.kind is FlattenKind.SESSION:
        return False
    return facts.working == 0 and facts.position_qty is not None


def _overdue(state: FlattenState, facts: FlattenFacts) -> bool:
    """Whether the exit's time came while there was nothing to exit, and now there is: an answer, or a late fill."""
    waiting = any(rung.step is Step.EXIT for rung in state.rungs)
    working = facts.limit_working or facts.market_working
    return not waiting and not working and state.last_order_ns is None and bool(facts.position_qty)


def _flipped(state: FlattenState, facts: FlattenFacts) -> tuple[FlattenAction, ...]:
    """A flip (stop and exit both filled) is flattened at once; what is left of the exits would make it larger."""
    qty = facts.position_qty or 0
    if qty == 0 or _sign(qty) != -state.exit_sign:
        return ()
    cancel = (FlattenAction(Step.EXIT, Command.CANCEL_EXITS),) if facts.limit_working or facts.market_working else ()
    return (*cancel, FlattenAction(Step.EXIT, Command.EXIT_MARKET, -qty))


def _step(step: Step, state: FlattenState, facts: FlattenFacts) -> tuple[FlattenAction, ...]:
    cancel = [Command.CANCEL] if facts.working else []
    commands: list[Command] = []
    match step:
        case Step.CANCEL:
            # What is not known is asked for at once (an emergency asks anyway): the exit waits for the answer.
            asks = facts.position_qty is None and state.kind is not FlattenKind.EMERGENCY
            commands = [*cancel, *([Command.ASK_BROKER] if asks else [])]
        case Step.EXIT:
            # A session's ladder has no step of its own for the entries.
            commands = cancel if state.kind is FlattenKind.SESSION else []
            commands = [*commands, *_exit(facts, Command.EXIT_LIMIT if facts.quoted else Command.EXIT_MARKET)]
        case Step.VERIFY:
            commands = [Command.ASK_BROKER]
        case Step.MARKET:
            commands = [*cancel, *_exit(facts, Command.EXIT_MARKET)]
        case Step.ALERT:
            commands = [Command.ALERT, Command.DEAD_MAN]
        case Step.KILL:
            commands = [Command.KILL]
        case Step.RETRY:
            # No blind retry: only what the broker answered after the last order sends another.
            again = _exit(facts, Command.EXIT_MARKET) if _answered(state, facts) else [Command.ASK_BROKER]
            commands = [*cancel, *again]
    qty = -(facts.position_qty or 0)
    return tuple(FlattenAction(step, command, qty if command in _EXITS else 0) for command in commands)


def _exit(facts: FlattenFacts, wanted: Command) -> list[Command]:
    """The exit, unless it works already; a position that is not known to be open is asked for."""
    if not facts.position_qty or facts.market_working:
        return [Command.ASK_BROKER]
    if wanted is Command.EXIT_LIMIT and facts.limit_working:
        return []
    return [wanted]


def _without_second_exit(
    before: tuple[FlattenAction, ...], actions: tuple[FlattenAction, ...]
) -> tuple[FlattenAction, ...]:
    """One exit at a time, and one question."""
    exits = any(action.command in _EXITS for action in before)
    asked = any(action.command is Command.ASK_BROKER for action in before)
    return tuple(
        action
        for action in actions
        if not (exits and action.command in _EXITS) and not (asked and action.command is Command.ASK_BROKER)
    )


def _sign(qty: int) -> int:
    return (qty > 0) - (qty < 0)
