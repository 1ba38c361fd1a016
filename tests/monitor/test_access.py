"""SF10: a token of the bot's user alone; an address that others reach is a decision."""

import stat

import pytest

from trading_bot.domain.errors import UsageError
from trading_bot.monitor.access import KEY_VARIABLE, admitted, refuse_exposed, token_of


def test_the_token_is_made_once_with_mode_0600(tmp_path):
    token = token_of(tmp_path, {})
    path = tmp_path / "monitor.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == token
    assert len(token) >= 43  # 256 bits
    assert token_of(tmp_path, {}) == token
    assert token_of(tmp_path / "..", {}) != token


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_may_have_read_is_refused(tmp_path, mode):
    token_of(tmp_path, {})
    (tmp_path / "monitor.token").chmod(mode)
    with pytest.raises(UsageError, match="others may have read it"):
        token_of(tmp_path, {})


@pytest.mark.parametrize("text", ["", "short", "x" * 300, "with blanks " * 4, "ä" * 40, "a\n" * 20])
def test_what_is_no_token_is_refused(tmp_path, text):
    (tmp_path / "monitor.token").write_text(text)
    (tmp_path / "monitor.token").chmod(0o600)
    with pytest.raises(UsageError, match="holds no token"):
        token_of(tmp_path, {})


def test_the_environment_comes_first_and_writes_nothing(tmp_path):
    assert token_of(tmp_path, {KEY_VARIABLE: "e" * 32}) == "e" * 32
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match=KEY_VARIABLE):
        token_of(tmp_path, {KEY_VARIABLE: "short"})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org"])
def test_an_address_of_others_needs_the_flag_and_a_token_of_ones_own(host):
    with pytest.raises(UsageError, match="--expose"):
        refuse_exposed(host, {KEY_VARIABLE: "e" * 32}, expose=False)
    with pytest.raises(UsageError, match="a token of your own"):
        refuse_exposed(host, {}, expose=True)
    refuse_exposed(host, {KEY_VARIABLE: "e" * 32}, expose=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_this_machine_needs_neither(host):
    refuse_exposed(host, {}, expose=False)


def test_who_is_admitted():
    token = "s" * 40
    assert admitted(f"Bearer {token}", token)
    assert admitted(f"bearer  {token} ", token)
    for header in ("", token, f"Basic {token}", "Bearer ", f"Bearer {token}x", f"Bearer {token[:-1]}", "Bearer ä"):
        assert not admitted(header, token)
