"""docs/context.md and docs/levels.md show what works."""

import json
import re
import tomllib

import msgspec

from tests.core.handler_world import World
from tests.core.worlds import ROOT
from trading_bot.adapters.context_lines import parse
from trading_bot.config_files import load_config
from trading_bot.core.levels_desk import level_rows
from trading_bot.domain.config import BotConfig
from trading_bot.domain.context import ContextReceived
from trading_bot.domain.levels_config import LevelsConfig
from trading_bot.engines import context
from trading_bot.engines.levels import Level, levels

PAGE = (ROOT / "docs" / "context.md").read_text()
LEVELS = (ROOT / "docs" / "levels.md").read_text()


def configuration():
    return re.search(r"```\n(schema = 1\n\[context\].*?)```", PAGE, flags=re.DOTALL).group(1)


def test_the_configuration_of_the_page_is_one(tmp_path):
    path = tmp_path / "context.toml"
    path.write_text(configuration())
    loaded = load_config(path).config.context
    assert (loaded.socket, loaded.slots[0], loaded.lockouts) == (True, "sentiment", ("risk >= 0.5",))


def test_every_message_of_the_page_is_taken_under_it():
    config = msgspec.convert({"context": tomllib.loads(configuration())["context"]}, BotConfig, strict=False)
    rules = context.context_rules(config.context, 250_000_000)
    now_ns = 1_795_617_900_000_000_000  # 2026-11-25T14:45:00Z
    found = re.findall(r'(\{"source".*?\})', PAGE)
    assert len(found) == 3
    for text in found:
        message = parse(text.encode(), "page", now_ns)
        assert isinstance(message, ContextReceived)
        assert context.problem(context.ContextState(), message, rules) is None, text


def test_the_program_of_the_page_is_python():
    for code in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        compile(code, "docs/context.md", "exec")


def test_the_weights_of_the_page_are_the_shipped_ones():
    shipped = LevelsConfig()
    rows = dict(re.findall(r"^\| (\w+)[^|]*\|.*\| (\S+) \|$", LEVELS, flags=re.MULTILINE))
    expected = {
        "PSH": shipped.weight_prior_session,
        "PDH": shipped.weight_prior_day,
        "PDC": shipped.weight_prior_day,
        "ONH": shipped.weight_overnight,
        "ORH": shipped.weight_opening_range,
        "R": shipped.weight_round,
    }
    assert {name: float(rows[name]) for name in expected} == expected


def test_a_status_row_of_the_page_has_the_fields_of_the_status():
    shown = json.loads(re.search(r'(\{"name": "CTX.*?\})', LEVELS).group(1))
    world = World()
    assert levels(world.state.levels, (), world.state.level_rules) == ()
    world.state.level_list = (Level("X", 4, 1, 1, 0, False),)
    assert list(level_rows(world.state)[0]) == list(shown)
