"""A page for chat: its few first numbers and its brief tables, as plain text or as Markdown."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from trading_bot.pages.page import BAD, WARN, Block, Cell, Note, Page, Pairs, Row, Table, Value
from trading_bot.pages.safe_text import safe

_MARKDOWN: Final = str.maketrans(
    {letter: f"\\{letter}" for letter in "\\`*_[]|~#"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
CELL_CHARS_MAX: Final = 48


def text(page: Page) -> str:
    """Plain text with aligned columns, for a monospaced font."""
    parts = [f"{page.kicker.upper()}  {_shown(page.title)}"]
    parts += [f"[{_shown(badge)}]" for badge in page.badges if badge.tone]
    parts.append(_shown(page.lead))
    tiles = [page.headline, *page.tiles] if page.headline else [*page.tiles]
    parts.append(_columns([(tile.label, _shown(tile.value), _shown(tile.note)) for tile in tiles], (1,)))
    parts += _blocks(page, _text_table, lambda pairs: _columns(list(pairs), ()), _shown, str.upper)
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown(page: Page) -> str:
    """Markdown with pipe tables, as GitHub, Slack bridges and most chats read it; nothing from a log is markup."""
    parts = [f"## {_escaped(page.kicker)}: {_escaped(page.title)}"]
    badges = [f"**{_escaped(badge)}**" for badge in page.badges if badge.tone]
    parts.append(" · ".join(badges))
    parts.append(_escaped(page.lead))
    tiles = [page.headline, *page.tiles] if page.headline else [*page.tiles]
    rows = [Row((tile.label, tile.value, tile.note)) for tile in tiles]
    parts.append(_pipes(("", "", ""), rows, (1,)))
    parts += _blocks(page, _markdown_table, _markdown_pairs, _escaped, lambda title: f"**{title}**")
    return "\n\n".join(part for part in parts if part) + "\n"


def _blocks(
    page: Page,
    table: Callable[[Table], str],
    pairs: Callable[[Iterable[tuple[str, str]]], str],
    plain: Callable[[Cell], str],
    heading: Callable[[str], str],
) -> list[str]:
    """The brief blocks in the order of the page, each under its title."""
    found: list[str] = []

    def named(title: str) -> str:
        return heading(plain(title))

    for block in (block for section in page.sections for block in section.blocks):
        if not _brief(block):
            continue
        if isinstance(block, Table):
            body = table(block) if block.rows else plain(block.empty)
            more = len(block.rows) - block.brief_rows
            rest = f"\nand {more} more" if more > 0 else ""
            found.append(f"{named(block.title)}\n\n{body}{rest}".strip())
        elif isinstance(block, Pairs):
            found.append(f"{named(block.title)}\n\n{pairs((name, _shown(cell)) for name, cell in block.pairs)}".strip())
        elif isinstance(block, Note):
            found.append(("! " if block.tone in {WARN, BAD} else "") + plain(block.text))
    return found


def _brief(block: Block) -> bool:
    return bool(getattr(block, "brief", False))


def _rows_of(table: Table) -> list[Row]:
    rows = [*table.rows[: table.brief_rows]]
    return [*rows, table.total] if table.total else rows


def _text_table(table: Table) -> str:
    head = tuple(column.name for column in table.columns)
    rows = [head, *(tuple(_cut(_shown(cell)) for cell in row.cells) for row in _rows_of(table))]
    return _columns(rows, tuple(at for at, column in enumerate(table.columns) if column.number))


def _columns(rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _markdown_table(table: Table) -> str:
    numbers = tuple(at for at, column in enumerate(table.columns) if column.number)
    return _pipes([column.name for column in table.columns], _rows_of(table), numbers)


def _markdown_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return _pipes(("", ""), [Row(pair) for pair in pairs], ())


def _pipes(head: Sequence[str], rows: Iterable[Row], numbers: Sequence[int]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rule = ("---:" if at in numbers else "---" for at in range(len(head)))
    body = [line(_escaped(cell).replace("\n", " ") for cell in row.cells) for row in rows]
    return "\n".join([line(_escaped(name) for name in head), line(rule), *body])


def _escaped(cell: Cell) -> str:
    return _shown(cell).translate(_MARKDOWN)


def _shown(cell: Cell) -> str:
    return safe(cell.text if isinstance(cell, Value) else cell)


def _cut(cell: str) -> str:
    return cell if len(cell) <= CELL_CHARS_MAX else cell[: CELL_CHARS_MAX - 1] + "…"
