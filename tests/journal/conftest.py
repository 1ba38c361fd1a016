"""Databases of both kinds, and runs written by hand. PostgreSQL is a real server, started for these tests."""

import itertools
import json

import pytest
from tools.postgres_server import NoPostgres, postgres

from tests.reports import day_log as day

_names = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server of this process."""
    try:
        with postgres() as running:
            yield running
    except NoPostgres as error:
        pytest.skip(str(error))


def new_url(kind, request, folder):
    """An empty database; there is one of PostgreSQL, emptied each time (making one takes a second of a busy disk)."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/journal-{next(_names)}.db"
    server = request.getfixturevalue("server")
    server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return server.url_of("postgres")


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request, tmp_path):
    """The URL of an empty database, of each kind."""
    return new_url(request.param, request, tmp_path)


@pytest.fixture
def urls(request, tmp_path):
    """Makes the URL of an empty database of a kind."""
    return lambda kind: new_url(kind, request, tmp_path)


@pytest.fixture
def data(tmp_path):
    """A data directory with one run of one session: three trades, net -11.25 dollars, 10 dollars commission."""
    folder = tmp_path / "data"
    add_run(folder, "run-1", [day.started(), day.carried(), *day.three_trades()])
    return folder


def add_run(data_dir, run_id, records, *, session="20261125", close=True):
    """A session's log in a run's folder."""
    run = data_dir / "runs" / run_id
    run.mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_text(json.dumps({"mode": "OBSERVE", "adapter": "sim", "instrument": "MES"}))
    return day.write(run / session, records, close=close)
