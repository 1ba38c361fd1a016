"""Names whose values nobody may read in a log, an event, an error or a bundle (feature SF10)."""

from typing import Final

SECRET_PARTS: Final = ("token", "password", "passwd", "secret", "api_key", "apikey", "authorization", "credential")


def names_secret(name: object) -> bool:
    """Whether a key's name says that its value is a secret."""
    return isinstance(name, str) and any(part in name.lower() for part in SECRET_PARTS)
