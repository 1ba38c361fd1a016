"""The dead man's loop: look at the heartbeat; when it is over with something open, take over and close it."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

import msgspec
import orjson

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.rescue import Rescue, Seen
from trading_bot.core import operator_files as files
from trading_bot.core.deadman_files import STATE_FILE, DeadmanState, Doing
from trading_bot.core.heartbeat import Pulse, read_pulse
from trading_bot.deadman.closing import Closing
from trading_bot.deadman.fence import fence, held
from trading_bot.deadman.journal import Journal
from trading_bot.deadman.link import Link, Place
from trading_bot.deadman.verdict import DOWN, Verdict, age_s, judge
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import BotError, Halted, SourceUnreachable
from trading_bot.domain.units import NS_PER_S

SOURCE: Final = "deadman"
_STATE_NS: Final = NS_PER_S
_LATE_NS: Final = NS_PER_S  # a turn that took so much longer than it should: this process stood still as well
_AFTER_S: Final = 10.0  # what filled late is looked for so long after a case is over

Case = tuple[int, int, int]


class DeadMan:
    """One per data directory. `stop` may be set from a signal handler."""

    def __init__(self, data_dir: Path, config: BotConfig, place: Place, *, until_end: bool) -> None:
        """`until_end`: he ends with the bot; otherwise he waits for the next one."""
        self.data_dir = data_dir
        self.stop = False
        self.took_over = 0  # cases in which he closed something
        self.journal = Journal(data_dir)
        self._config = config
        self._link = Link(place, config, self.journal)
        self._until_end = until_end
        self._observed_ns = time.monotonic_ns()
        self._next_state_ns = 0
        self._case: Case | None = None  # the run that is down, as long as it is
        self._closing: Closing | None = None
        self._flat_s: float | None = None  # when the case was over
        self._next_look_s = 0.0
        self._begun_s = time.monotonic()
        self._met = False  # a bot that sends orders was there while he looked

    def run(self) -> int:
        """Until he is told to stop, or the bot has ended.

        Returns:
            0: nothing had to be done. 5: something was left open, and he has closed it. 3: he has not been able to.

        Raises:
            UsageError: the account or the client id is not one for him.
        """
        self.journal.write("watches", level="info", data_dir=str(self.data_dir), limit_s=self._config.deadman.limit_s)
        try:
            while not self.stop and not self._turn():
                pass
        finally:
            self._publish("ended", None, at_once=True)
            self._link.close()
        open_case = self._case is not None and self._flat_s is None and self._closing is not None
        self.journal.write("ended", level="info", took_over=self.took_over, open=open_case)
        if open_case:
            return SourceUnreachable.exit_code
        return Halted.exit_code if self.took_over else 0

    def _turn(self) -> bool:
        """One look; True when there is nobody left to watch."""
        pulse, locked = read_pulse(self.data_dir), held(self.data_dir)
        verdict = self._judge(pulse, locked=locked)
        bot = pulse.described if pulse is not None and pulse.described is not None and pulse.described.sends else None
        self._met = self._met or locked or (bot is not None and verdict is not Verdict.NOBODY)
        self._link.ready(bot)
        over = False
        if verdict in DOWN and pulse is not None:
            over = self._down(verdict, pulse)
        else:
            self._case, self._closing, self._flat_s = None, None, None
            over = verdict is Verdict.NOBODY and self._until_end and not locked and self._waited()
        doing: Doing = "closing" if self._closing is not None and self._flat_s is None else "watching"
        self._publish(doing if bot is not None else "waiting", pulse)
        if not over:
            self._idle(self._config.deadman.look_ms / 1_000)
        return over

    def _waited(self) -> bool:
        """He has met a bot, or none has come for as long as a start may take."""
        return self._met or time.monotonic() - self._begun_s > self._config.deadman.start_s

    def _judge(self, pulse: Pulse | None, *, locked: bool) -> Verdict:
        return judge(
            pulse,
            locked=locked,
            now_ns=time.monotonic_ns(),
            observed_ns=self._observed_ns,
            config=self._config.deadman,
        )

    def _idle(self, seconds: float) -> None:
        begin_ns = time.monotonic_ns()
        self._link.idle(seconds)
        now_ns = time.monotonic_ns()
        answer_ns = round(self._config.ibkr.request_timeout_s * NS_PER_S)
        if now_ns - begin_ns > round(seconds * NS_PER_S) + answer_ns + _LATE_NS:
            self._observed_ns = now_ns
            self.journal.write("stood_still", seconds=round((now_ns - begin_ns) / NS_PER_S, 1))

    # --- a bot that is down ----------------------------------------------------------------------------------------

    def _down(self, verdict: Verdict, pulse: Pulse) -> bool:
        """True when there is nothing more to do about it, and he ends with the bot."""
        case = (pulse.pid, pulse.process_started, pulse.starting_ns)
        if case != self._case:
            self._case, self._closing, self._flat_s, self._next_look_s = case, None, None, 0.0
            self.journal.noticed()
            self.journal.write(
                "noticed",
                level="critical",
                bot=verdict.value,
                bot_pid=pulse.pid,
                silent_s=age_s(pulse, time.monotonic_ns()),
            )
        if self._flat_s is not None and time.monotonic() - self._flat_s > _AFTER_S and verdict is Verdict.GONE:
            return self._until_end
        if time.monotonic() < self._next_look_s:
            return False
        try:
            self._close_what_is_open(verdict, pulse)
        except BotError as error:
            self._link.lost(str(error))
            self._next_look_s = 0.0
        return False

    def _close_what_is_open(self, verdict: Verdict, pulse: Pulse) -> None:
        rescue = self._link.rescue
        if rescue is None:
            return  # which `Link` has told, and tries again
        if self._closing is None:
            answer = rescue.look()
            if isinstance(answer, Unknown):
                raise SourceUnreachable(f"the broker does not say what the account holds: {answer.reason}")
            self._next_look_s = time.monotonic() + self._config.deadman.limit_s / 2
            if answer.data.nothing:
                if self._flat_s is None:
                    self._flat_s = time.monotonic()
                    self.journal.write("nothing_open", bot=verdict.value)
                return
            if self._judge(read_pulse(self.data_dir), locked=held(self.data_dir)) not in DOWN:
                return  # it came back while the broker was asked
            self._closing = self._take_over(rescue, verdict, pulse, answer.data)
        self._closing.link = rescue
        self._flat_s = None
        if self._closing.attempt():
            self._flat_s, self._closing = time.monotonic(), None
            self.journal.write("flat", level="critical")
        else:
            self._next_look_s = time.monotonic() + self._config.deadman.retry_s

    def _take_over(self, rescue: Rescue, verdict: Verdict, pulse: Pulse, seen: Seen) -> Closing:
        """From here on it is his: no bot starts, and the one that froze does not go on."""
        self.took_over += 1
        bot = pulse.described
        what = ", ".join(f"{one.qty:+d} {one.name}" for one in seen.holdings) or "no position"
        reason = f"the bot (pid {pulse.pid}) is {verdict.value} with {what} and {len(seen.orders)} orders"
        self.journal.write(
            "takes_over",
            level="critical",
            reason=reason,
            holdings={one.name: one.qty for one in seen.holdings},
            orders=[one.order_ref for one in seen.orders],
            others=len(seen.others),
        )
        self._latch(reason)
        self.journal.write("fence", result=fence(self.data_dir, pulse) if self._config.deadman.fence else "off")
        gone = not held(self.data_dir)
        return Closing(
            rescue,
            self._config.deadman,
            self.journal,
            bot_client=-1 if bot is None else bot.client_id,
            cancel_as_bot=None if bot is None or not gone else lambda: self._link.cancel_as_bot(bot),
        )

    def _latch(self, reason: str) -> None:
        """Both files, before anything is sent. What the disk refuses is told, and stops nothing."""
        said = orjson.dumps({"reason": reason, "source": SOURCE, "when": files.wall()})
        try:
            files.replace(self.data_dir / files.TAKEN_OVER_FILE, said)
        except OSError as error:
            # An empty file says as much; a name may have room where its text has none.
            with contextlib.suppress(OSError):
                (self.data_dir / files.TAKEN_OVER_FILE).touch()
            self.journal.write("mark_refused", level="critical", why=error.strerror)
        try:
            files.pull(self.data_dir, reason, SOURCE, once=True)
        except OSError as error:
            self.journal.write("latch_refused", level="critical", why=error.strerror)
        else:
            self.journal.write("latched")

    # --- what others see -------------------------------------------------------------------------------------------

    def _publish(self, doing: Doing, pulse: Pulse | None, *, at_once: bool = False) -> None:
        now_ns = time.monotonic_ns()
        if now_ns < self._next_state_ns and not at_once:
            return
        self._next_state_ns = now_ns + _STATE_NS
        rescue = self._link.rescue
        state = DeadmanState(
            pid=os.getpid(),
            doing=doing,
            connected=rescue is not None,
            account="" if rescue is None else rescue.account,
            client_id=0 if rescue is None else rescue.session.settings.client_id,
            bot_pid=0 if pulse is None else pulse.pid,
            bot_age_s=age_s(pulse, now_ns),
            problem=self._link.problem,
            ts_wall_ns=time.time_ns(),
        )
        with contextlib.suppress(OSError):
            files.replace(self.data_dir / STATE_FILE, msgspec.json.encode(state), sync=False)
