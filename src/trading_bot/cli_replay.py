"""`trading-bot replay LOG`: apply a log again and compare."""

from pathlib import Path

import msgspec

from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common
from trading_bot.cli_output import write_error, write_json, write_pairs
from trading_bot.domain.errors import ReplayDiverged


def replay(common: Common, log: Path, until: int | None) -> int:
    """Replay a log, or the run in a bug bundle, and print the report; 4 when an effect differs."""
    from trading_bot.reports.bundle_unpack import is_bundle, unpacked

    if is_bundle(log):
        with unpacked(log) as folder:
            return _replay(common, folder, until)
    return _replay(common, log_folder(common, log), until)


def _replay(common: Common, folder: Path, until: int | None) -> int:
    from trading_bot.wiring import replay as replay_log

    report = replay_log(folder, until)
    code = 0 if report.ok else ReplayDiverged.exit_code
    if common.as_json:
        write_json(report)
        return code
    values = msgspec.structs.asdict(report)
    write_pairs(
        "Replay: identical" if report.ok else "Replay: DIVERGED",
        [
            (name, f"{value:,}" if type(value) is int else value)
            for name, value in values.items()
            if value not in {None, ""}
        ],
    )
    if not report.ok:
        write_error("ReplayDiverged", f"seq {report.first_difference_seq}: {report.reason}", code, as_json=False)
    return code
