"""When the observed tape contradicts the hours of the session (docs/calendar.md), as configuration. Market time."""

from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within


class QuorumConfig(Section, frozen=True):
    """The tape as a witness of the session, beside the calendar and the broker's hours (NV09)."""

    look_s: Annotated[int, within(1, 300), unit("s", "between two looks at the tape")] = 15
    silent_rth_s: Annotated[
        int, within(10, 86_400), unit("s", "without a trade in regular hours: the tape says shut")
    ] = 120
    silent_s: Annotated[
        int, within(10, 86_400), unit("s", "without a trade in other open hours: the tape says shut")
    ] = 1_800
    shut_grace_s: Annotated[int, within(0, 3_600), unit("s", "around a close and an open: trades prove nothing")] = 60
    shut_trades_min: Annotated[
        int, within(1, 10_000), unit("trades", "within a look while it should be shut: the tape says open")
    ] = 3
    refused_quotes_min: Annotated[
        int, within(1, 10_000), unit("quotes", "refused in a look with none accepted: one side is missing, at a limit")
    ] = 3


# For `config show`: the specification gives none of these.
ASSUMED: Final[dict[str, str]] = {
    "look_s": "soon enough for an entry a minute later; two records a look are little beside the ticks",
    "silent_rth_s": "MES trades many times a minute in regular hours; the data score has stopped entries before",
    "silent_s": "the quietest half hours of a holiday's night still trade",
    "shut_grace_s": "prints that come late, and clocks that differ by seconds",
    "shut_trades_min": "one or two may be late reports",
    "refused_quotes_min": "one or two are a broken message",
}
