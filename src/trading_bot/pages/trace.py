"""Which records a number comes from: each set of them is kept once and named, so that a number names it by `ref`."""

from collections.abc import Iterable, Mapping
from typing import Final

from trading_bot.pages.page import Source

SEQS_TOLD_MAX: Final = 2_000  # of one number; the others are counted, and `log show` has them


class Trace:
    """Gathers the records behind the numbers of a page.

    A set is the records of one or several logs, by number. The same set asked for again has the same name.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[tuple[str, tuple[int, ...]], ...], str] = {}
        self._labels: dict[str, list[str]] = {}

    def ref(self, label: str, seqs: Mapping[str, Iterable[int]]) -> str:
        """Name of a set of records: by log, their numbers. Empty where there is none.

        `label` says what number they are behind; it stands in the list of sources.
        """
        key = tuple(
            (log, numbers) for log, found in sorted(seqs.items()) if (numbers := tuple(sorted({s for s in found if s})))
        )
        if not key:
            return ""
        name = self._names.setdefault(key, f"s{len(self._names) + 1}")
        labels = self._labels.setdefault(name, [])
        if label not in labels:
            labels.append(label)
        return name

    def sources(self) -> tuple[Source, ...]:
        """Every set, in the order in which they were named; a set over several logs has a line for each."""
        return tuple(
            Source(ref=name, label=" · ".join(self._labels[name]), log=log, spans=spans(seqs), count=len(seqs))
            for key, name in self._names.items()
            for log, seqs in key
        )


def spans(seqs: tuple[int, ...], limit: int = SEQS_TOLD_MAX) -> str:
    """Numbers in order as text: `3, 7-9, 12`; at most `limit` of them, and how many more there are."""
    told, parts = seqs[:limit], []
    start = previous = told[0] if told else 0
    for seq in told[1:]:
        if seq != previous + 1:
            parts.append(_span(start, previous))
            start = seq
        previous = seq
    if told:
        parts.append(_span(start, previous))
    more = len(seqs) - len(told)
    return ", ".join(parts) + (f", and {more:,} more up to {seqs[-1]}" if more else "")


def _span(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}, {last}" if last == first + 1 else f"{first}-{last}"
