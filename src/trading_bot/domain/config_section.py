"""What every table of the configuration shares: a closed struct, and fields that say their unit, meaning and range."""

import msgspec
from msgspec import Meta


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the configuration file."""


def unit(name: str, text: str) -> Meta:
    """Unit and meaning, for `config explain`."""
    return Meta(description=text, extra={"unit": name})


def within(low: float, high: float) -> Meta:
    """Inclusive bounds."""
    return Meta(ge=low, le=high)
