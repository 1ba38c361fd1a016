"""A page as values, before anybody decides whether it becomes HTML, Markdown or text.

Who has numbers fills these structs; `render_html` and `render_text` show them. Nothing here is escaped: the renderers
escape everything that they put into markup.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

GOOD: Final = "good"
BAD: Final = "bad"
WARN: Final = "warn"
QUIET: Final = "quiet"


class Value(msgspec.Struct, frozen=True):
    """A number as people read it. `tone` is `good`, `bad`, `warn`, `quiet` or empty; `ref` names its records."""

    text: str
    tone: str = ""
    ref: str = ""


Cell = Value | str


def referred(cells: Sequence[Cell], ref: str) -> tuple[Cell, ...]:
    """The cells of a row that is made of one set of records: all but the first, its name, lead there."""
    first, *others = cells
    shown = (cell if isinstance(cell, Value) else Value(cell) for cell in others)
    return (first, *(msgspec.structs.replace(cell, ref=cell.ref or ref) for cell in shown))


class Tile(msgspec.Struct, frozen=True):
    """One of the few numbers that stand first. `note` says in a few words what it is made of."""

    label: str
    value: Value
    note: str = ""


class Column(msgspec.Struct, frozen=True):
    """A column's name; `number` sets it right, `hint` explains it when pointed at, a phone leaves `minor` ones out."""

    name: str
    number: bool = False
    hint: str = ""
    minor: bool = False


class Row(msgspec.Struct, frozen=True):
    """Cells in the order of the columns. `anchor` names the row for links; `details` unfold below it."""

    cells: tuple[Cell, ...]
    anchor: str = ""
    details: tuple[tuple[str, Cell], ...] = ()
    command: str = ""  # what to type to see more, offered for copying
    share: float | None = None  # -1..1: a bar under the first cell, in another colour below zero


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under columns. `brief` is shown in text and Markdown as well, at most its first `brief_rows` rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    note: str = ""
    brief: bool = False
    brief_rows: int = 12
    empty: str = "None."
    half: bool = False


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of Plotly: `data` and `layout` as it takes them, with colours as `@name` of the page's style sheet.

    `narrow` replaces parts of the layout, `narrow_trace` of each trace, below 640 px; `told` says in a sentence what is
    to be seen, for who cannot see it.
    """

    anchor: str
    title: str
    told: str
    data: tuple[dict[str, Any], ...]
    layout: dict[str, Any]
    narrow: dict[str, Any] = {}
    narrow_trace: dict[str, Any] = {}
    height_px: int = 320
    half: bool = False
    note: str = ""


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Names and what they are."""

    title: str
    pairs: tuple[tuple[str, Cell], ...]
    brief: bool = False
    half: bool = False
    note: str = ""


class Note(msgspec.Struct, frozen=True):
    """A sentence or two. `tone` `warn` or `bad` sets it apart; `brief` as in `Table`."""

    text: str
    tone: str = ""
    brief: bool = False


Block = Table | Chart | Pairs | Note


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks under a heading. `short` is its name in the list of sections."""

    anchor: str
    title: str
    short: str
    blocks: tuple[Block, ...]
    lead: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Records behind a number: `log` as `log show` takes it, `spans` as ranges of seq in order, `count` of them."""

    ref: str
    label: str
    log: str
    spans: str
    count: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A whole page. `badges` are words with a tone, such as HYPOTHETICAL; `lead` says the outcome in one sentence."""

    kicker: str
    title: str
    lead: str
    headline: Tile | None
    badges: tuple[Value, ...]
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    sources: tuple[Source, ...] = ()
    footer: str = ""
