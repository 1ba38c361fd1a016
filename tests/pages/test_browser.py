"""The file in a real browser without a network: it draws, it runs nothing of a log, it prints."""

import re

import pytest

from trading_bot.pages.render_html import html

pytestmark = pytest.mark.slow


@pytest.fixture
def written(tmp_path):
    def write(page):
        path = tmp_path / "day.html"
        path.write_text(html(page), encoding="utf-8")
        assert path.stat().st_size < 8_000_000
        return path

    return write


def test_it_draws_and_runs_nothing_of_a_log(browse, written, page_of, evil):
    shown = browse(written(page_of(evil)), "--dump-dom")
    plots = re.findall(r'<div class="plot[^"]*" id="([\w-]+)"', shown)
    assert len(plots) >= 7
    assert shown.count("main-svg") >= len(plots), "Plotly has drawn each"
    assert "<title>Trading day" in shown, "a name from a log would have changed the title"
    assert "<img" not in shown


def test_it_prints(browse, written, page_of, three, tmp_path):
    paper = tmp_path / "day.pdf"
    browse(written(page_of(three)), f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    pages = re.findall(rb"/Type\s*/Page\b", paper.read_bytes())
    assert 2 <= len(pages) <= 20
