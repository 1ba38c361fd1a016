"""What every chart shares: fonts, margins, axes, and text that Plotly takes as text.

Colours are `@name` or `@name/alpha`; `static/page.js` resolves them to the style sheet's, so that light, dark and print
have one home. Plotly reads a little markup in texts, so whatever comes from a log goes through `plain`.
"""

from collections.abc import Iterable
from html import escape
from pathlib import PurePath
from typing import Any, Final

FONT: Final = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
NAME_CHARS_MAX: Final = 24


def plain(text: object, chars_max: int = 120) -> str:
    """Text that Plotly shows as it stands, cut where it is long."""
    told = str(text)
    return escape(told if len(told) <= chars_max else told[: chars_max - 1].rstrip() + "…", quote=False)


def layout(**changes: Any) -> dict[str, Any]:
    """The layout of a chart with one panel; `changes` replace whole entries."""
    base: dict[str, Any] = {
        "font": {"family": FONT, "size": 12, "color": "@muted"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 54, "r": 14, "t": 10, "b": 38, "pad": 2},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": "@tip",
            "bordercolor": "@tip",
            "align": "left",
            "font": {"family": FONT, "size": 12, "color": "@tip-ink"},
        },
        "bargap": 0.18,
        "dragmode": "zoom",
        "xaxis": axis(),
        "yaxis": axis(),
    }
    return {**base, **changes}


def axis(title: str = "", **changes: Any) -> dict[str, Any]:
    """An axis with thin grid lines and no frame."""
    base: dict[str, Any] = {
        "gridcolor": "@grid",
        "linecolor": "@line",
        "zerolinecolor": "@faint",
        "zeroline": False,
        "tickcolor": "@line",
        "ticks": "",
        "automargin": True,
        "separatethousands": True,
        "exponentformat": "none",
    }
    if title:
        base["title"] = {"text": title, "font": {"size": 11.5, "color": "@muted"}, "standoff": 8}
    return {**base, **changes}


def legend(**changes: Any) -> dict[str, Any]:
    """A legend in a row above the panel."""
    base: dict[str, Any] = {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "font": {"size": 11.5, "color": "@ink"},
        "bgcolor": "rgba(0,0,0,0)",
        "itemsizing": "trace",
    }
    return {**base, **changes}


def rule(value: float, *, vertical: bool, colour: str = "@faint", dash: str = "dot") -> dict[str, Any]:
    """A line through the panel at a value."""
    line = {"color": colour, "width": 1, "dash": dash}
    if vertical:
        return {"type": "line", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1, "line": line}
    return {"type": "line", "y0": value, "y1": value, "xref": "paper", "x0": 0, "x1": 1, "line": line}


def lines(parts: Iterable[str]) -> str:
    """Lines of a text that is shown when pointed at."""
    return "<br>".join(parts)


def trade_anchor(log: str, trade_id: str) -> str:
    """The name of a trade's row: a click on its mark leads there."""
    return "-".join(("trade", *PurePath(log).parts[-2:], trade_id))
