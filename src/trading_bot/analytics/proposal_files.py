"""A proposal as a file: what would be changed and on what evidence, and what stays and why (docs/attribution.md)."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.analytics.attribution import TemplateAttribution
from trading_bot.core import operator_files
from trading_bot.domain.config import canonical
from trading_bot.domain.errors import ConfigError, DataCorrupt
from trading_bot.domain.learned import ParamChange
from trading_bot.domain.templates import TemplateConfig
from trading_bot.research.challenger import Challenge

FORMAT: Final = "trading_bot parameter proposal"
VERSION: Final = 1


class NotProposed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stays as it is, and why."""

    parameter: str
    why: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `learning propose` found. `based_on` is the number of the set in force, 0 for the strategy file.

    `templates` are the strategy file's own, of the templates that change; `logs` the session logs the evidence is from,
    `left_out` those that were read and not used, with the reason. `shadow_run` compares the proposed with the present
    parameters over the same logs.
    """

    format: str = FORMAT
    version: int = VERSION
    created_at_ns: int
    instrument: str
    hypothetical: bool
    based_on: int
    logs: tuple[str, ...]
    left_out: tuple[str, ...]
    changes: tuple[ParamChange, ...]
    not_proposed: tuple[NotProposed, ...]
    evidence: tuple[TemplateAttribution, ...]
    templates: dict[str, TemplateConfig]
    shadow_run: Challenge | None
    sha256: str = ""


def sealed(proposal: Proposal) -> Proposal:
    """With the SHA-256 of everything else in it."""
    return msgspec.structs.replace(proposal, sha256=_digest(proposal))


def write_proposal(path: Path, proposal: Proposal) -> None:
    """Write it whole; an existing file is replaced.

    Raises:
        OSError: the disk does not take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    operator_files.replace(path, msgspec.json.format(msgspec.json.encode(proposal), indent=1))


def read_proposal(path: Path) -> Proposal:
    """A proposal as it was written.

    Raises:
        ConfigError: no such file, or no proposal of this version.
        DataCorrupt: it was changed after it was made.
    """
    try:
        proposal = msgspec.json.decode(path.read_bytes(), type=Proposal)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; expected a file that `trading-bot learning propose` wrote"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: no proposal of this version ({error}); propose anew") from error
    if (proposal.format, proposal.version) != (FORMAT, VERSION):
        raise ConfigError(
            f"{path}: found {proposal.format!r} version {proposal.version}, expected {FORMAT!r} version {VERSION}"
        )
    if proposal.sha256 != _digest(proposal):
        raise DataCorrupt(f"{path}: the checksum does not match the content: it was damaged or edited; propose anew")
    return proposal


def _digest(proposal: Proposal) -> str:
    content = msgspec.to_builtins(msgspec.structs.replace(proposal, sha256=""))
    return hashlib.sha256(canonical(content)).hexdigest()
