"""A day written by hand, its page, and a browser where there is one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reports import day_log as day
from trading_bot.domain.learning import LearningState
from trading_bot.pages.day_inputs import read_inputs
from trading_bot.pages.day_report import day_page

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>"\'&'


@pytest.fixture
def three(tmp_path):
    """Three trades that net +10.00, −20.00 and −1.25 dollars (`day_log.three_trades`), with quotes around them."""
    return day.write(
        tmp_path / "run-1" / "20261125", [day.started(), day.carried(), *day.waves(0, 3_000), *day.three_trades()]
    )


@pytest.fixture
def evil(tmp_path):
    """A day on which everything that has a name is called after an attack."""
    records = [
        day.started(),
        day.carried(),
        *day.waves(0, 1_200),
        day.skip(100, EVIL, EVIL),
        day.closed(1, EVIL, day.Side.BUY, 1, (600, 630), (24_000, 24_010), EVIL, 12.5, regime=EVIL, bucket=EVIL),
        day.breaker(700, EVIL, "PAUSE", tripped=True),
        day.learned(800, EVIL, LearningState.ACTIVE, LearningState.THROTTLED_120),
        *day.waves(1_200, 3_000),
    ]
    return day.write(tmp_path / "run-2" / "20261125", records)


@pytest.fixture
def page_of():
    """The page of logs; nothing is played."""

    def made(*logs):
        return day_page(read_inputs(logs, trade_date=None, build=""))

    return made


@pytest.fixture(scope="session")
def browse(tmp_path_factory):
    """Runs Chromium on a page of ours with no network: `browse(file, *options)` gives what it printed."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        pytest.skip("no Chromium here; `apt-get install chromium` brings it")

    def run(page: Path, *options: str) -> str:
        line = [
            found, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=5000", f"--user-data-dir={tmp_path_factory.mktemp('profile')}", *options,
            page.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2_000:]
        return done.stdout

    return run
