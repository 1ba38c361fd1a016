"""The dead man beside the bot (docs/deadman.md), as configuration. All of it is wall time, none of it a decision."""

from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within


class DeadmanConfig(Section, frozen=True):
    """When a bot counts as gone or frozen, and how what it has left is closed."""

    start: Annotated[bool, unit("flag", "PAPER and LIVE start one beside themselves, where none runs yet")] = False
    client_id: Annotated[
        int, within(1, 999_999), unit("id", "the dead man's own id at the gateway; never the bot's")
    ] = 99
    look_ms: Annotated[int, within(50, 5_000), unit("ms", "between two looks at the heartbeat")] = 250
    limit_s: Annotated[float, within(1, 600), unit("s", "without a heartbeat: the bot is gone or frozen")] = 5.0
    start_s: Annotated[float, within(5, 3_600), unit("s", "a start may take so long before its first heartbeat")] = 60.0
    fence: Annotated[bool, unit("flag", "a frozen bot is killed (SIGKILL) before its position is touched")] = True
    cancel_wait_s: Annotated[float, within(0.5, 60), unit("s", "for cancels; then the position is closed anyway")] = 5.0
    limit_wait_s: Annotated[float, within(0.2, 60), unit("s", "for the marketable limit; then at the market")] = 2.0
    limit_through_ticks: Annotated[int, within(0, 100), unit("ticks", "the limit beyond the touch (spec 11)")] = 8
    retry_s: Annotated[float, within(1, 600), unit("s", "between attempts while it is not flat, or nobody answers")] = (
        10.0
    )

    def __post_init__(self) -> None:
        if self.look_ms > self.limit_s * 1_000 / 2:
            raise ValueError(
                f"deadman.look_ms ({self.look_ms}) must be at most half of deadman.limit_s ({self.limit_s:g} s): a "
                "silence is judged by several looks"
            )


# Why a default is an assumption; `config show` marks these. The limit of 5 s is SF06's.
ASSUMED: Final = {
    "client_id": "far from the ids that people count up from 1",
    "look_ms": "twenty looks within the limit; one costs some microseconds",
    "start_s": "a start with history from a slow broker takes half of it",
    "fence": "a process that cannot run again cannot close a position a second time",
    "cancel_wait_s": "as the kill switch's plan: cancel 5 s, then exit (specification 8.3)",
    "limit_wait_s": "as exits.limit_wait_ms has it: 8 ticks through fills at once or the price runs",
    "limit_through_ticks": "that of the bot's own exits (specification 11)",
    "retry_s": "that of the bot's own way to flat (EX13)",
}
