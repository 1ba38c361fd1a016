"""Every door of the product, by name."""

from tests.fuzz import desk_targets, file_targets, log_targets, text_targets, watching_targets, wire_targets
from tests.fuzz.kit import Target

_MODULES = (wire_targets, log_targets, text_targets, desk_targets, watching_targets, file_targets)
TARGETS: dict[str, Target] = {target.name: target for module in _MODULES for target in module.TARGETS}
