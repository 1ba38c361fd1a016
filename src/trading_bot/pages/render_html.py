"""A page as one HTML file: no request leaves it, its scripts are named by their hashes, everything else is text."""

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

from trading_bot.pages.page import Block, Chart, Note, Page, Pairs, Source, Table, Value
from trading_bot.pages.safe_text import safe

TITLE_CHARS_MAX: Final = 160  # of the records named where a number is pointed at; the list of sources has all
_STATIC: Final = "static"


def html(page: Page) -> str:
    """The whole file.

    Where the page has charts, Plotly's own script is written into it (4.8 MB), so that it works without a network.
    """
    charts = {
        block.anchor: _figure(block)
        for section in page.sections
        for block in section.blocks
        if isinstance(block, Chart)
    }
    scripts = [_plotly(), _static("page.js")] if charts else [_static("page.js")]
    titles = {source.ref: _source_title(source) for source in reversed(page.sources)}
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            style=Markup(_static("page.css")),  # noqa: S704 (our own file)
            scripts=[Markup(script) for script in scripts],  # noqa: S704 (our own file and the library's)
            charts=Markup(_json(charts)),  # noqa: S704 (escaped by _json)
            policy=_policy(scripts),
            title_of=titles.get,
        )
    )


def _figure(chart: Chart) -> dict[str, Any]:
    return {
        "data": chart.data,
        "layout": chart.layout,
        "narrow": chart.narrow,
        "narrow_trace": chart.narrow_trace,
        "height": chart.height_px,
    }


def _source_title(source: Source) -> str:
    records = "record" if source.count == 1 else f"{source.count:,} records:"
    return f"{records} {source.spans}"[:TITLE_CHARS_MAX] + ("…" if len(source.spans) > TITLE_CHARS_MAX else "")


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(scripts: list[str]) -> str:
    """What a browser may load for this page: these scripts and nothing from elsewhere."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def _coded(told: str) -> Markup:
    """A sentence in which what stands between backticks is to be typed; everything else stays text."""
    code = Markup("<code>{}</code>")
    parts = (code.format(safe(part)) if at % 2 else escape(safe(part)) for at, part in enumerate(told.split("`")))
    return Markup().join(parts)


def _kind_of(block: Block) -> str:
    match block:
        case Table():
            return "table"
        case Chart():
            return "chart"
        case Pairs():
            return "pairs"
        case Note():
            return "note"


@cache
def _static(name: str) -> str:
    return resources.files(__package__).joinpath(_STATIC, name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda shown: safe(shown) if type(shown) is str else shown,  # Markup is ours and stays
    )
    environment.globals["kind_of"] = _kind_of
    environment.filters["coded"] = _coded
    environment.tests["value"] = lambda cell: isinstance(cell, Value)
    return environment
