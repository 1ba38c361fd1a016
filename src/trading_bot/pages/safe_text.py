"""Text that somebody else wrote, made fit to be shown: what cannot be printed is spelt out."""


def safe(text: str) -> str:
    """The text with control letters and marks of direction spelt out; spaces and line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )
