"""The README of a bug bundle."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trading_bot.reports.bundle import Bundle

_PAGE = """# Bug bundle {name}

{mode} run {run_id} of {instrument}: {logs}, {records:,} records.

    tar xzf {name}.tar.gz && trading-bot replay {name}/run

{answer} Only whole sessions replay, so whole sessions are in it.

| folder | holds |
|---|---|
| `run/` | the event logs, and what the run said of itself (`trading-bot explain {name}/run ID` works) |
| `documents/` | configuration, strategies, calendar rows and maps of each log, to read: the logs hold them as well |
| `logs/` | diagnostic lines of the run, the operator's and the dead man's journal |
| `state/` | status, learning state, kill switch, as they were when this was made |
| `bundle.json` | versions, digests, what was replaced, the SHA-256 of every file |

## Versions
{versions}

A replay compares effects under the build that wrote the log. Another build reads the log, says that it does not
compare, and exits with 0.

## What was replaced
{replaced}

Account numbers, host names and addresses, user names, folders, e-mail addresses, logins in URLs, and the values of
everything that is named as a token, password, secret or credential, also inside the records of the log. The same thing
has the same stand-in throughout. Prices, sizes, times, order and execution numbers, money and the names of strategies
are as they were. Words that somebody typed as a reason are searched for the same patterns and otherwise stand here as
they were typed: read them (`grep -ri reason .`) before you send this to others.

## Digests
{digests}
{notes}"""


def readme(bundle: "Bundle") -> str:
    """What a person needs who gets the bundle; never what was replaced."""
    notes = "".join(f"- {note}\n" for note in bundle.notes)
    return _PAGE.format(
        name=bundle.name,
        mode=bundle.mode,
        run_id=bundle.run_id,
        instrument=bundle.instrument,
        logs=f"{len(bundle.logs)} log{'s' if len(bundle.logs) != 1 else ''}",
        records=bundle.records,
        answer=_answer(bundle),
        versions="\n".join(f"- {name}: {version}" for name, version in bundle.versions.items()),
        replaced="\n".join(f"- {kind}: {count}" for kind, count in bundle.replaced.items()) or "Nothing was found.",
        digests=_digests(bundle),
        notes=f"\n## Notes\n{notes}" if notes else "",
    )


def _answer(bundle: "Bundle") -> str:
    original, bundled = bundle.original, bundle.bundled
    if not bundle.equal:
        return (
            "**The bundle does not replay as the original does**: what was replaced changed what the core did. "
            f"Original: {_said(bundle)}; bundle: ok {bundled.ok}, first difference {bundled.first_difference_seq}."
        )
    if original.error:
        return "The original is damaged; what stands before the damage is here, and replays (exit code 0)."
    if original.ok:
        return "Answers with exit code 0, as the original did on the machine it comes from."
    return f"The original does not replay, and the bundle does not in the same way (exit code 4): {_said(bundle)}."


def _said(bundle: "Bundle") -> str:
    original = bundle.original
    return f"ok {original.ok}, first difference at record {original.first_difference_seq}"


def _digests(bundle: "Bundle") -> str:
    lines = [
        f"- effects, original: `{bundle.original.effects_digest}`",
        f"- effects, bundle: `{bundle.bundled.effects_digest}`" + (" (the same)" if bundle.effects_digest_same else ""),
    ]
    if bundle.state_digest_same:
        lines.append(f"- state, both: `{bundle.bundled.state_digest}`")
    else:
        lines.append(f"- state, bundle: `{bundle.bundled.state_digest}`")
        lines.append(
            "- state, original: left out. The state names the account, so its digest would confirm a guess of it"
        )
    return "\n".join(lines)
