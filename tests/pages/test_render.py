"""What a page becomes: nothing of a log is markup, nothing is loaded from elsewhere, every number has its records."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from tests.pages.conftest import EVIL
from trading_bot.pages.page import Column, Note, Page, Pairs, Row, Section, Table, Tile, Value
from trading_bot.pages.render_html import html
from trading_bot.pages.render_text import markdown, text


class Elements(HTMLParser):
    """Every tag with its attributes, and the texts of scripts."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.scripts, self._inside = [], [], None
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs) if tag == "script" else None

    def handle_data(self, data):
        if self._inside is not None:
            self.scripts.append((self._inside.get("type"), data))
            self._inside = None


def small_page(**changes):
    table = Table(
        title=EVIL,
        columns=(Column(EVIL, hint=EVIL), Column("n", number=True)),
        rows=(Row((EVIL, Value("1", "good", "")), anchor="a", details=((EVIL, EVIL),), command=EVIL),),
        brief=True,
    )
    section = Section(
        anchor="s", title=EVIL, short=EVIL, lead=EVIL,
        blocks=(table, Pairs(title=EVIL, pairs=((EVIL, EVIL),), brief=True), Note(EVIL, "warn", brief=True)),
    )  # fmt: skip
    fields = {
        "kicker": EVIL, "title": EVIL, "lead": EVIL, "headline": Tile(EVIL, Value(EVIL), EVIL),
        "badges": (Value(EVIL, "warn"),), "tiles": (Tile(EVIL, Value(EVIL), EVIL),),
        "sections": (section,), "footer": EVIL,
    }  # fmt: skip
    return Page(**(fields | changes))


def test_names_stay_text():
    found = Elements(html(small_page()))
    assert not [tag for tag, attributes in found.tags if tag == "img" or "onerror" in attributes]
    assert [kind for kind, _ in found.scripts] == ["application/json", None]


def test_what_is_to_be_typed_is_set_apart_and_stays_text():
    source = html(small_page(footer=f"type `bot {EVIL}` and `go`"))
    assert "<code>go</code>" in source
    assert not [tag for tag, attributes in Elements(source).tags if tag == "img" or "onerror" in attributes]


def test_names_of_a_log_stay_text(evil, page_of):
    source = html(page_of(evil))
    found = Elements(source)
    assert not [tag for tag, attributes in found.tags if tag == "img" or "onerror" in attributes]
    assert "owned" in source, "the names are shown"
    charts = next(data for kind, data in found.scripts if kind == "application/json")
    assert "<" not in charts
    # Plotly reads markup in texts: there the names stand escaped once more.
    assert "<script" not in json.dumps(json.loads(charts)).replace("&lt;script", "")


def test_nothing_is_loaded_and_only_our_scripts_run(three, page_of):
    found = Elements(html(page_of(three)))
    for tag, attributes in found.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    policy = next(a["content"] for tag, a in found.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    ours = [data for kind, data in found.scripts if kind is None]
    assert len(ours) == 2
    for script in ours:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_every_link_of_a_number_leads_to_its_records(three, page_of):
    page = page_of(three)
    source = html(page)
    links = set(re.findall(r'class="n [^"]*" href="#(s\d+)"', source))
    assert links
    assert links <= set(re.findall(r'<tr id="(s\d+)">', source))
    assert links <= {row.ref for row in page.sources}


def test_text_for_chat_is_aligned_and_without_markup(three, page_of):
    shown = text(page_of(three))
    assert "HYPOTHETICAL" in shown
    assert re.search(r"^Net, HYPOTHETICAL +−11\.25 +USD after 10\.00 of commission$", shown, re.MULTILINE)
    assert "<" not in shown
    assert max(len(line) for line in shown.splitlines()) <= 160


def test_markdown_escapes_what_would_be_markup():
    shown = markdown(small_page())
    assert "<img" not in shown
    assert "&lt;img" in shown
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows), "a name with a line end would break the table"


def test_control_letters_are_spelt_out():
    page = small_page(title="a\x1b[31mb\u202e")
    for shown in (html(page), text(page), markdown(page)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
