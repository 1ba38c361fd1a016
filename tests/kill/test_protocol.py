"""What the control socket takes for a request, and what it refuses (features SF02, SF10; docs/operate.md)."""

import json

import pytest

from trading_bot.adapters.control_protocol import (
    LINE_BYTES_MAX,
    ControlRequest,
    answer_line,
    parse_answer,
    parse_request,
    refusal_line,
    request_line,
    token_matches,
)
from trading_bot.domain.errors import UsageError

TOKEN = "a" * 64


@pytest.mark.parametrize("command", ["status", "kill", "flatten"])
def test_a_request_comes_back_as_it_was_sent(command):
    line = request_line(TOKEN, command, "Ärger — 停")
    assert line.count(b"\n") == 1
    assert parse_request(line) == ControlRequest(token=TOKEN, command=command, reason="Ärger — 停")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"kill",
        b"[]",
        b"{}",
        b"null",
        b'{"command": "kill"}',
        b'{"token": "t"}',
        b'{"token": "t", "command": "KILL"}',
        b'{"token": "t", "command": "unkill"}',
        b'{"token": "t", "command": ["kill"]}',
        b'{"token": 7, "command": "kill"}',
        b'{"token": "t", "command": "kill", "reason": null}',
        b'{"token": "t", "command": "kill", "force": true}',
        b'{"token": "t", "command": "kill"} {}',
        b'{"token": "t", "command": "kill"',
        b'{"token": "\xff", "command": "kill"}',
        b"[" * 4_000,
        b'{"token":' * 400,
    ],
)
def test_what_is_no_request_is_refused_and_not_repeated(line):
    with pytest.raises(UsageError, match=r"no request: .*expected one line of JSON with token, command") as refused:
        parse_request(line)
    assert "force" not in str(refused.value)


def test_a_line_that_is_too_long_is_not_looked_at():
    with pytest.raises(UsageError, match=f"of 5000 bytes; at most {LINE_BYTES_MAX}"):
        parse_request(b"[" * 5_000)


def test_the_longest_reason_a_person_can_give_fits():
    assert len(request_line(TOKEN, "kill", "停" * 500)) <= LINE_BYTES_MAX
    assert len(request_line(TOKEN, "kill", '"' * 500)) <= LINE_BYTES_MAX


@pytest.mark.parametrize(
    ("given", "held", "matches"),
    [
        (TOKEN, TOKEN, True),
        ("", "", False),
        (TOKEN[:-1], TOKEN, False),
        (TOKEN + "a", TOKEN, False),
        ("ä", TOKEN, False),
    ],
)
def test_a_token_is_the_whole_token(given, held, matches):
    assert token_matches(ControlRequest(token=given, command="status"), held) is matches


def test_answers():
    assert parse_answer(answer_line({"asked": True})) == {"ok": True, "asked": True}
    assert parse_answer(refusal_line("no")) == {"ok": False, "error": "no"}
    for line in (b"", b"[]", b"{}", b'{"ok": 1}', json.dumps({"ok": "yes"}).encode()):
        with pytest.raises(UsageError):
            parse_answer(line)
