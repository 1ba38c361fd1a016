"""What is taken out of texts and values (feature NV07): a table of what must go, and of what must stay."""

import msgspec
import pytest

from trading_bot.domain.config import canonical
from trading_bot.reports.redaction import HIDDEN, Redactor


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("account DU7654321 is not armed", "account DU0000001 is not armed"),
        ("U1234567/U7654321", "U0000001/U0000002"),
        ("paper accounts DUM123456,DUN765432", "paper accounts DUM000001,DUN000002"),
        ("no file /home/alice/bot/a.toml: gone", "no file /path-1/a.toml: gone"),
        ("/home/alice", "/path-1"),
        ("in /Users/alice/x.csv and /Users/alice/y.csv", "in /path-1/x.csv and /path-1/y.csv"),
        ("sqlite:////home/alice/data/journal.db", "sqlite:///path-1/journal.db"),
        ("file:///srv/ticks/mes.dbn", "file:///path-1/mes.dbn"),
        ("postgresql://bot:geheim@db.example/journal", f"postgresql://{HIDDEN}@db.example/journal"),
        ("Authorization: Bearer abcdef123456", f"Authorization: {HIDDEN} {HIDDEN}"),
        ("bearer abcdef123456", f"bearer {HIDDEN}"),
        ("telegram_token=123:abc, retry", f"telegram_token={HIDDEN}, retry"),
        ('{"password": "x y"}', f'{{"password": "{HIDDEN}"}}'),
        ("gateway 192.168.1.20:4002 refused", "gateway host-1:4002 refused"),
        ("write to alice@example.org", "write to somebody@redacted.invalid"),
        (r"C:\Users\alice\x.toml", r"/path-1/x.toml"),
    ],
)
def test_what_names_somebody_goes(text, said):
    assert Redactor().text(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "K1 long ENTER 1: p 0.620 UNCALIBRATED, edge 4.05 - uncertainty 1.26 against 2.53 needed (cost 2.28) ticks",
        "127.0.0.1:4002 and localhost",
        "0000e0d5.6543a1b2.01.01",
        "tb5f3a9c1e.261125-1042-0-S",
        "2026-11-25T14:35:15.398335004Z 10/75 MESZ6 20261218",
        "e24e2e3b8e51d609be4bec28e8ec8947c61d8ba7108edc5b995aa96dfe034733",
        "entries/hour, and/or; a ratio of 3/4",
        "configs/strategies.toml",
        "version 10.30.1, Python 3.11.7",
    ],
)
def test_what_names_nobody_stays(text):
    assert Redactor().text(text) == text


def test_the_same_thing_has_the_same_name_whatever_is_seen_first():
    one, other = Redactor(), Redactor()
    texts = ["/srv/a/b/x.toml", "/srv/a/y.toml", "/srv/a/b/z.toml", "DU7654321", "DF1111111", "DU7654321"]
    assert [one.text(text) for text in texts] == [one.text(text) for text in texts]
    assert one.text(texts[0]).rpartition("/")[0] == one.text(texts[2]).rpartition("/")[0]
    assert one.text("DU7654321") == "DU0000001"
    assert other.text("/srv/a/y.toml then /srv/a/b/x.toml") == "/path-1/y.toml then /path-2/x.toml"
    assert one.counts == {"account": 2, "path": 2}


def test_what_its_place_gives_away_goes_everywhere():
    """An account that looks like no account, a host by name, a folder with a space in it."""
    redactor = Redactor()
    plain = {
        "feed": {"account": "MYFUND", "host": "gateway.lan", "port": 4002},
        "input": "/mnt/My Data/mes.csv",
        "text": "MYFUND at gateway.lan reads /mnt/My Data/mes.csv, and MYFUNDS is another word",
    }
    redactor.learn(plain)
    said = redactor.value(plain)
    assert said["feed"] == {"account": "MACCOUNT-1", "host": "host-1", "port": 4002}
    assert said["text"] == "MACCOUNT-1 at host-1 reads /path-1/mes.csv, and MYFUNDS is another word"
    assert said["input"] == "/path-1/mes.csv"


def test_words_of_this_machine_go_unless_they_are_everybodys():
    redactor = Redactor(users=("alice", "root", "sim"), hosts=("tower7.example", "vm"), secrets=("canary-1", "ab"))
    said = redactor.text("alice ran sim as root on tower7.example (vm) with canary-1: abalice ab")
    assert said == f"user-1 ran sim as root on host-1 (vm) with {HIDDEN}: abalice ab"
    assert redactor.counts == {"host": 1, "secret": 1, "user": 1}


def test_a_host_s_name_goes_as_resolvers_write_it():
    assert Redactor(hosts=("Tower7",)).text("tower7 and Tower7") == "host-1 and host-1"


def test_a_user_who_is_called_like_a_field_leaves_the_fields_their_names():
    redactor = Redactor(users=("max", "side"), hosts=("max.lan",))
    said = redactor.value(
        {"max": 1, "a.rate_max": 2, "side": "max", "by": [{"side": 1}], "max at home": "x", "max.lan": 3}
    )
    expected = {"max": 1, "a.rate_max": 2, "side": "user-1", "by": [{"side": 1}], "user-1 at home": "x", "host-1": 3}
    assert said == expected


def test_values_of_telling_keys_go_whole_at_any_depth():
    value = {"a": [{"api_key": "k", "api_key_known": True}], "credentials": {"user": "x"}, "secret_n": 7, "n": 7}
    assert Redactor().value(value) == {
        "a": [{"api_key": HIDDEN, "api_key_known": True}],
        "credentials": HIDDEN,
        "secret_n": HIDDEN,
        "n": 7,
    }


def test_packed_parts_are_opened_and_those_without_anything_keep_their_bytes():
    redactor = Redactor()
    with_account = canonical({"reason": "account DU7654321", "n": 1})
    without = msgspec.msgpack.encode({"z": 1, "a": 2})  # not in the order that packing anew would give
    assert msgspec.msgpack.decode(redactor.value(with_account)) == {"reason": "account DU0000001", "n": 1}
    assert redactor.value(without) is without
    assert redactor.value(b"\xff\x00\x01 no msgpack") == b"\xff\x00\x01 no msgpack"
