"""Events of the rule pack (docs/rules.md). Both carry what the rules remember, so that it survives any restart."""

from trading_bot.domain.events import Derived


class RuleChanged(Derived, frozen=True, gc=False, kw_only=True, tag="RULE_CHANGED"):
    """A rule tripped or was reset. `rules` is `engines.rule_pack.RuleState` after it, canonical msgpack."""

    rule: str
    response: str
    tripped: bool
    resumes_at_ns: int
    reason: str
    rules: bytes


class RulesMarked(Derived, frozen=True, gc=False, kw_only=True, tag="RULES_MARKED"):
    """What the rules remember has moved: a new high, another day, another pack. `rules` as in `RuleChanged`."""

    rules: bytes
