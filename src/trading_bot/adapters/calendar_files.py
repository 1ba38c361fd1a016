"""The session table with its overrides, as files."""

from pathlib import Path
from typing import Final

from trading_bot.adapters.text_documents import read_text, read_toml_tables
from trading_bot.domain.errors import ConfigError
from trading_bot.engines.session import SessionTable, overrides_from, parse_calendar

_ROOT: Final = Path(__file__).resolve().parents[3]


def load_calendar(name: str, data_dir: Path) -> SessionTable:
    """The session table with its overrides (`<name>_overrides.toml` beside it), from the data directory or shipped.

    Raises:
        ConfigError: no such file, or a file that does not parse. Without a calendar there are no entries, so it is
        not guessed.
    """
    folders = [data_dir / "calendars", Path.cwd() / "data" / "calendars", _ROOT / "data" / "calendars"]
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None:
        places = ", ".join(str(folder) for folder in folders)
        raise ConfigError(f"session.calendar: no file {name} in {places}; generate it with tools/make_calendar.py")
    table = parse_calendar(read_text(found), source=str(found))
    overrides = found.with_name(f"{found.stem}_overrides.toml")
    if not overrides.is_file():
        return table
    return table.with_overrides(overrides_from(read_toml_tables(overrides), source=str(overrides)))
