"""What every test may use: the shared market data, Hypothesis profiles, and the outcome file `make features` reads."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tools.features import source_digest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# `ci` is the default everywhere, so that two runs of the same commit give the same verdict; `explore` looks for new
# counterexamples (HYPOTHESIS_PROFILE=explore make test), which become explicit @example lines.
settings.register_profile(
    "ci",
    max_examples=60,
    derandomize=True,
    print_blob=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # generating a tape is slow, and the machine may be busy
)
settings.register_profile(
    "explore", max_examples=2000, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data beside the repository; read in place."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip(f"no recorded market data: {data} is not there")
    return data


@pytest.fixture(scope="session")
def shared_design() -> Path:
    """The folder of design documents beside the repository."""
    design = SHARED / "design"
    if not design.is_dir():
        pytest.skip(f"no design documents: {design} is not there")
    return design


class OutcomeRecorder:
    """Writes `{"source_digest": ..., "outcomes": {node id: outcome}}` when the session ends.

    The digest is taken when the session starts: a file edited during the run makes the record stale, not wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = source_digest(ROOT)
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = "xfailed" if hasattr(report, "wasxfail") and report.skipped else report.outcome
        # The call decides; a setup that skipped or failed, or a teardown that failed, overrides it.
        if report.when == "call" or outcome != "passed":
            self._outcomes[report.nodeid] = outcome

    def pytest_sessionfinish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        document = {"source_digest": self._digest, "outcomes": self._outcomes}
        self._path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, help="write every test's outcome to this JSON file")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--outcomes")
    if path is not None and not hasattr(config, "workerinput"):  # processes that run a part of the tests tell the first
        config.pluginmanager.register(OutcomeRecorder(path), "outcome-recorder")
