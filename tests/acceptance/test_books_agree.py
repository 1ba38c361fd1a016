"""Everything that names money names the same: summaries, report, eod, digest, learning, journal, a bundle elsewhere."""

import os

import pytest
from tools.books_agree import Failed, Money, books, command, compare

from tests.conftest import ROOT

DEMO = ("--config", ROOT / "demo" / "config.toml", "--strategies", ROOT / "demo" / "strategies.toml")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A run of one and a half simulated hours, with trades; its summary is the reference."""
    folder = tmp_path_factory.mktemp("books") / "data"
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("TRADING_BOT__")}
    summary = command(
        "--mode", "SIM", "--adapter", "sim", "--seed", "16", "--duration", "5400", "--data-dir", folder, *DEMO
    )  # fmt: skip
    yield folder, summary
    os.environ.update(kept)


def test_all_sources_agree_to_the_micro_dollar(data):
    pytest.importorskip("scipy", reason="stats needs the extra `analytics`")
    pytest.importorskip("sqlalchemy", reason="the journal needs the extra `journal`")
    folder, summary = data
    said, other = books(folder, postgres_url=None)
    assert other == []
    assert [str(one) for one in compare(str(folder), said)] == []
    assert set(said) == {"summaries", "eod", "digest", "report", "stats", "learning", "journal on SQLite", "bundles"}
    assert summary["trades_closed"] >= 5
    for name, money in said.items():
        assert money["hypothetical"].net_uusd == round(summary["pnl_hypothetical"] * 1_000_000), name
        assert money["real"].net_uusd == 0, name
    assert {name: money["hypothetical"].trades for name, money in said.items()} == dict.fromkeys(
        said, summary["trades_closed"]
    )
    fees = {money["hypothetical"].fees_uusd for money in said.values()} - {None}
    assert fees == {2_500_000 * summary["trades_closed"]}, "2.50 dollars a round trip of one lot"


def test_two_numbers_that_differ_are_named():
    right, wrong = Money(3, -11_250_000, 10_000_000), Money(3, -11_240_000, 10_000_000)
    nothing = Money(0, 0, 0)
    said = {
        "summaries": {"real": nothing, "hypothetical": Money(None, -11_250_000, None)},
        "eod": {"real": nothing, "hypothetical": right},
        "digest": {"real": nothing, "hypothetical": wrong},
    }
    (found,) = compare("data", said)
    assert str(found) == "data: hypothetical net_uusd: summaries says -11250000, digest says -11240000"
    assert compare("data", {name: said[name] for name in ("summaries", "eod")}) == []


def test_a_command_that_fails_is_no_agreement(tmp_path):
    with pytest.raises(Failed, match="no such folder"):
        command("eod", "--data-dir", tmp_path / "nowhere")
