"""Signals from outside (feature SG10; docs/context.md), as configuration.

Nothing is taken unless it is named here: a name that no key uses is refused.
"""

from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within

_COMPARISONS: Final = (">=", "<=")


class ContextConfig(Section, frozen=True):
    """Where context messages come from and what each name means."""

    file: Annotated[
        str, unit("file", "JSON lines, followed while they grow; relative to the data directory; empty: none")
    ] = ""
    socket: Annotated[bool, unit("bool", "listen on context.sock in the data directory, for this user only")] = False
    sources: Annotated[tuple[str, ...], unit("names", "who may send; empty: nobody")] = ()
    slot_1: Annotated[str, unit("name", "name whose value times conviction is the odd signal context_1, -1..1")] = ""
    slot_2: Annotated[str, unit("name", "name whose value times conviction is the odd signal context_2, -1..1")] = ""
    slot_3: Annotated[str, unit("name", "name whose value times conviction is the even signal context_3, 0..1")] = ""
    slot_4: Annotated[str, unit("name", "name whose value times conviction is the even signal context_4, 0..1")] = ""
    levels: Annotated[
        tuple[str, ...], unit("names", "whose value in points is a reference level, the conviction its weight")
    ] = ()
    lockouts: Annotated[tuple[str, ...], unit("texts", "such as news_risk >= 0.5: no entries while that holds")] = ()
    rate_max: Annotated[int, within(1, 10_000), unit("messages/s", "of each way in; more are refused and counted")] = 20
    time_to_live_s_max: Annotated[float, within(1, 2_678_400), unit("s", "longest life a message may ask for")] = (
        345_600.0
    )
    ahead_ms_max: Annotated[
        int, within(0, 600_000), unit("ms", "how far a stamp may be ahead of the market's time")
    ] = 2_000

    def __post_init__(self) -> None:
        for text in self.lockouts:
            lockout_rule(text)
        if (self.file or self.socket) and not self.sources:
            raise ValueError("context.sources is empty while context.file or context.socket is set: name who may send")
        slots = [name for name in self.slots if name]
        if len(set(slots)) != len(slots):
            raise ValueError(f"context.slot_1 to context.slot_4 are {slots}: a name fits into one slot only")

    @property
    def slots(self) -> tuple[str, str, str, str]:
        """Names of the four slots, empty where one is not used."""
        return self.slot_1, self.slot_2, self.slot_3, self.slot_4


def lockout_rule(text: str) -> tuple[str, bool, float]:
    """Name, whether it locks from the threshold upwards (else downwards), and the threshold, of a text of the file.

    Raises:
        ValueError: not NAME >= NUMBER or NAME <= NUMBER.
    """
    parts = text.split()
    try:
        name, comparison, number = parts
        threshold = float(number)
    except ValueError:
        comparison, name, threshold = "", "", 0.0
    if comparison not in _COMPARISONS or not -1e12 < threshold < 1e12:
        raise ValueError(f"context.lockouts has {text!r}; expected NAME >= NUMBER or NAME <= NUMBER, in three words")
    return name, comparison == ">=", threshold


# For `config show`: what the specification does not give.
ASSUMED: Final[dict[str, str]] = {
    "rate_max": "a person or a script sends seldom; a source that floods is broken",
    "time_to_live_s_max": "four days: from Friday's close over a long weekend",
    "ahead_ms_max": "two clocks set by NTP differ by less; a stamp from the future would outlive its time",
}
