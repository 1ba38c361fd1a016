"""docs/signals.md is what the registry makes, with every row in it."""

from tools.make_signals_doc import PAGE, page

from trading_bot.domain.signal_registry import SIGNALS


def test_the_page_is_what_the_registry_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tools/make_signals_doc.py"


def test_every_row_stands_on_the_page() -> None:
    made = page()
    for spec in SIGNALS:
        assert f"\n### {spec.name}\n" in made
        assert spec.formula in made
