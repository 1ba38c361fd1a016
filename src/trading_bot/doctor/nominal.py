"""The nominal-day check (specification 6.3): does the configuration leave an ordinary day to trade in?"""

from collections.abc import Mapping
from typing import Final

from trading_bot.doctor.checks import Check, ok, warn

SECTION: Final = "bot"
_SHOWN: Final = 4


def nominal_check(profile: str, minutes: int, open_share: float, gates: Mapping[str, float], above: float) -> Check:
    """Shares are of the regular minutes of a generated ordinary day, 0..1; `gates` are means over the templates."""
    ordered = sorted(gates.items(), key=lambda row: -row[1])
    values = {"profile": profile, "minutes": minutes, "open_share": open_share, "gates": dict(ordered)}
    most = ", ".join(f"{gate} {share:.0%}" for gate, share in ordered[:_SHOWN])
    found = (
        f"{profile}: {open_share:.0%} of {minutes} regular minutes open to a template; blocked by {most or 'nothing'}"
    )
    over = [gate for gate, share in ordered if share > above]
    if not open_share:
        advice = "no template could enter all day: `make nominal-day` shows every gate"
        return warn(SECTION, "nominal day", found, advice, values=values)
    if over:
        advice = (
            f"{', '.join(over)} close more than {above:.0%} of an ordinary day: meant so? (docs/strategies.md; `make "
            "nominal-day` shows every gate)"
        )
        return warn(SECTION, "nominal day", found, advice, values=values)
    return ok(SECTION, "nominal day", found, values=values)
