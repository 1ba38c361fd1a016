"""Child process of the collections row: a run of the command line; prints how often garbage was collected in session.

`bench_session.py quiet|default ARGUMENTS...`: with the product's policy, or with the interpreter's own. In session is
from the moment a session's log is open (warm-up bars come after it) until its last record, behind flattening.
"""

import gc
import json
import sys

from trading_bot import cli, collector
from trading_bot.core.session_book import SessionBook


class Watch:
    """Counts collections of each generation while a session is open."""

    def __init__(self) -> None:
        """No session is open."""
        self.inside = False
        self.counts = [0, 0, 0]

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """`gc.callbacks` calls it before and after each collection."""
        if self.inside and phase == "start":
            self.counts[info["generation"]] += 1


def main() -> int:
    """Run, then print the counts to the standard error."""
    watch = Watch()
    begin, end = SessionBook.open, SessionBook.end

    def opened(book: SessionBook, *arguments: object) -> None:
        begin(book, *arguments)  # type: ignore[arg-type]
        if sys.argv[1] == "default":
            gc.unfreeze()
            gc.enable()
        watch.inside = True

    def ended(book: SessionBook, reason: str) -> None:
        watch.inside = False
        end(book, reason)

    SessionBook.open = opened  # type: ignore[method-assign,assignment]
    SessionBook.end = ended  # type: ignore[method-assign]
    gc.callbacks.append(watch)
    assert collector.QuietLogs is not None
    code = cli.main(sys.argv[2:])
    sys.stderr.write("\n" + json.dumps(watch.counts))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
