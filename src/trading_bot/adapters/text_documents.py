"""TOML and JSON that somebody else wrote: read within bounds, and refused in one way.

The parsers of the standard library give up in ways of their own: a RecursionError where brackets are nested deeply, a
ValueError for a number of thousands of digits, minutes for a name of thousands of parts. Here each is a ConfigError.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from trading_bot.domain.errors import ConfigError

BYTES_MAX: Final = 4 << 20  # the longest file that is shipped, the calendar, has an eighth of it
NAME_PARTS_MAX: Final = 32  # of a dotted name; the configuration's own have four
# Possessive, and only from the beginning of a part: no text makes it look twice at the same letter.
_PART: Final = r"""(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_NAME: Final = re.compile(rf"(?:{_PART}[ \t]*+\.[ \t]*+){{{NAME_PARTS_MAX}}}")


def read_text(path: Path) -> str:
    """The text of a file of at most 4 MiB; a device or a pipe that never ends is too long as well.

    Raises:
        ConfigError: not readable, too long, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > BYTES_MAX:
        raise ConfigError(f"{path}: more than {BYTES_MAX >> 20} MiB; no file of this kind is that long")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}; write it with an editor that does") from error


def read_toml_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: as `read_text`; not TOML (with line and column), or nested beyond any sense.
    """
    # Universal newlines, as text files have them; TOML knows no lone carriage return.
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    if _LONG_NAME.search(text):
        raise ConfigError(f"{path}: not valid TOML: a name of more than {NAME_PARTS_MAX} parts joined by dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid TOML: brackets nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, and what int, float and datetime say of their texts
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """The keys of a JSON file that holds one object.

    Raises:
        ConfigError: as `read_text`; not JSON, nested beyond any sense, or something else than an object.
    """
    try:
        document = json.loads(read_text(path))
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid JSON: brackets nested too deeply") from error
    except ValueError as error:  # JSONDecodeError, and what int says of its text
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds {type(document).__name__}; expected keys and values")
    return document
