"""Which rule pack a run keeps to, as configuration (docs/rules.md)."""

from typing import Annotated

from trading_bot.domain.config_section import Section, unit


class RulesConfig(Section, frozen=True):
    """Rules of the account beside the breakers: they only ever allow less."""

    file: Annotated[
        str, unit("file", "rule pack, or the name of one in configs/rule_packs; empty: no rules but our own")
    ] = ""
