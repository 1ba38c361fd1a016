"""Taking out of texts and values what no stranger should read: accounts, hosts, users, paths, secrets (NV07).

The same thing gets the same name everywhere, so that what is left can still be followed. Two passes: `learn` finds what
only its place gives away (the value of a key `account`), then `value` and `text` replace.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from trading_bot.domain.config import canonical
from trading_bot.domain.secret_names import SECRET_PARTS, names_secret

HIDDEN: Final = "[redacted]"
_SECRET_CHARS_MIN: Final = 6
_NAME_CHARS_MIN: Final = 3
# Words of our own, or of every machine: as a user's or a host's name they would spoil what has to stay readable.
_COMMON_WORDS: Final = frozenset(
    {"root", "admin", "user", "users", "home", "data", "demo", "test", "localhost", "local", "trading", "trader"}
    | {"bot", "trading_bot", "sim", "files", "ibkr", "gateway", "paper", "live", "observe", "backtest", "file", "cli"}
)
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|::1?", re.IGNORECASE)
_NAMED: Final = "|".join(SECRET_PARTS)
_LOGIN: Final = re.compile(r"(?<=://)[^/@\s\"']+@")
_BEARER: Final = re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]{6,}")
_VALUE: Final = r"\"[^\"]*\"|'[^']*'|[^\s\"',;}\]]+"
_ASSIGNED: Final = re.compile(rf"(?i)([\w-]*(?:{_NAMED})[\w-]*[\"']?\s*[=:]\s*)({_VALUE})")
_ACCOUNT: Final = re.compile(r"(?<![A-Za-z0-9])(?:[UFI]|D[UFI][A-Z]?)(\d{5,10})(?![A-Za-z0-9])")  # also DUM1234567
_ACCOUNT_ID: Final = re.compile(r"[A-Za-z]{1,8}(\d{1,12})")  # under a key that says so
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PART: Final = r"[\w.+@%~=-]+"
_PATH: Final = re.compile(rf"(?<![\w:/.~-])(?:~?/{_PART}(?:/{_PART})+|/(?:root|home|Users)\b|[A-Za-z]:\\[^\s\"']+)/?")
_FILE_URL: Final = re.compile(r"(?<=://)/[^\s\"']+")
_ADDRESS: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_FIELD: Final = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*")
_OURS: Final = re.compile(r"/path-\d+(?:/|$)")


class Redactor:
    """Replaces what it knows and what looks like it. `names` has every original with its stand-in."""

    def __init__(self, *, secrets: Iterable[str] = (), users: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        """`secrets` are hidden wherever they stand, `users` and `hosts` as whole words unless they are common ones."""
        self.names: dict[str, str] = {}
        self._kinds: dict[str, str] = {}  # of an original
        self._met: dict[str, str] = {}  # originals that stood somewhere, with their kind
        self._numbers: dict[str, int] = {}
        self._places: dict[str, int] = {}  # where something without a name of its own was hidden
        self._folders: dict[str, str] = {}
        self._exact: re.Pattern[str] | None = None
        self._patterns = (
            (_ACCOUNT, self._account),
            (_EMAIL, self._email),
            (_FILE_URL, self._path),
            (_PATH, self._path),
            (_ADDRESS, self._ip),
        )
        for secret in secrets:
            if len(secret.strip()) >= _SECRET_CHARS_MIN:
                self._know("secret", secret.strip(), HIDDEN)
        for kind, words in (("user", users), ("host", hosts)):
            for word in words:
                self._learn_word(kind, word)

    @property
    def counts(self) -> dict[str, int]:
        """How many different things of each kind were replaced; of secrets, how many places."""
        found = Counter(self._met.values()) + Counter(self._places)
        return dict(sorted(found.items()))

    def replace_exactly(self, old: str, new: str) -> None:
        """From now on `old` is `new`: a digest of something that was changed."""
        if old and old != new:
            self.names[old] = new
            self._exact = None

    def learn(self, value: Any) -> None:
        """Note what stands under a telling key, or is a path as a whole, at any depth."""
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if isinstance(inner, str):
                    self._learn_under(key, inner)
                self.learn(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                self.learn(inner)
        elif isinstance(value, str):
            self._learn_path(value)

    def value(self, value: Any) -> Any:
        """The same with everything replaced; the values of keys that name a secret go whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._key(key): self._under(key, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        if isinstance(value, bytes):
            return self._packed(value)
        return value

    def text(self, text: str) -> str:
        """A text with everything replaced."""
        if self.names:
            if self._exact is None:
                longest_first = sorted(self.names, key=len, reverse=True)
                self._exact = re.compile("|".join(map(_whole, longest_first)))
            text = self._exact.sub(lambda found: self._known(found.group()), text)
        text = _LOGIN.sub(lambda _: self._hidden("login", f"{HIDDEN}@"), text)
        text = _BEARER.sub(lambda found: self._hidden("secret", f"{found.group(1)} {HIDDEN}"), text)
        text = _ASSIGNED.sub(self._assigned, text)
        for pattern, name in self._patterns:
            text = pattern.sub(name, text)
        return text

    # --- what is found -------------------------------------------------------------------------------------------

    def _learn_under(self, key: object, inner: str) -> None:
        if key in {"account", "account_id"} and inner and not self._is_known(inner):
            found = _ACCOUNT_ID.fullmatch(inner)
            stand_in = (
                self._account_name(inner, found.group(1)) if found else self._number("account", inner[0] + "ACCOUNT")
            )
            self._know("account", inner, stand_in)
        elif key in {"host", "hostname", "node"}:
            self._learn_word("host", inner)
        elif key in {"user", "username", "login"}:
            self._learn_word("user", inner)

    def _learn_path(self, text: str) -> None:
        """A whole value that is a path, but one that would not be seen as such inside a text: it has a space."""
        if text.startswith("/") and " " in text and "\n" not in text and text.count("/") > 1 and ": " not in text:
            folder, _, name = text.rstrip("/").rpartition("/")
            if folder and " " in folder:
                self._know("path", folder, self._folder(folder))  # exactly: no pattern would see where it ends
            elif " " in name and not self._is_known(text):
                self._know("path", text, self._folder(folder) + "/file")

    def _learn_word(self, kind: str, word: str) -> None:
        word = word.strip()
        plain = word.lower() in _COMMON_WORDS or _LOOPBACK.fullmatch(word) is not None
        if len(word) >= _NAME_CHARS_MIN and not plain and not self._is_known(word):
            stand_in = self._number(kind, kind)
            for written in (word, word.lower()):  # resolvers write a host's name small
                self._know(kind, written, stand_in)

    def _is_known(self, original: str) -> bool:
        return original in self.names

    def _know(self, kind: str, original: str, stand_in: str) -> None:
        if original not in self.names:
            self.names[original], self._kinds[original] = stand_in, kind
            self._exact = None

    def _known(self, original: str) -> str:
        kind = self._kinds.get(original, "")
        if kind == "secret":
            return self._hidden(kind, HIDDEN)
        if kind:  # else a digest
            self._met[original] = kind
        return self.names[original]

    def _number(self, kind: str, prefix: str) -> str:
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{prefix}-{self._numbers[kind]}"

    def _hidden(self, kind: str, stand_in: str) -> str:
        self._places[kind] = self._places.get(kind, 0) + 1
        return stand_in

    def _stand_in(self, kind: str, original: str, make: Callable[[], str]) -> str:
        if original not in self.names:
            self._know(kind, original, make())
        return self._known(original)

    # --- what it is called ---------------------------------------------------------------------------------------

    def _key(self, key: Any) -> Any:
        """Fields keep their names, also where somebody is called Max: the record would be none without them."""
        field = isinstance(key, str) and _FIELD.fullmatch(key) and not ("." in key and self._is_known(key))
        return key if field else self.value(key)

    def _under(self, key: object, inner: Any) -> Any:
        if names_secret(key) and inner and not isinstance(inner, bool):
            return self._hidden("secret", HIDDEN)
        return self.value(inner)

    def _assigned(self, found: re.Match[str]) -> str:
        said = found.group(2)
        if said.strip("\"'").startswith(HIDDEN[:-1]):
            return found.group()
        quote = said[0] if said[0] in "\"'" else ""
        return self._hidden("secret", f"{found.group(1)}{quote}{HIDDEN}{quote}")

    def _account(self, found: re.Match[str]) -> str:
        if found.group() in self.names.values():
            return found.group()
        return self._stand_in("account", found.group(), lambda: self._account_name(found.group(), found.group(1)))

    def _account_name(self, original: str, digits: str) -> str:
        """Its letters stay: an account of a simulator's kind must remain one."""
        self._numbers["account"] = self._numbers.get("account", 0) + 1
        return original.removesuffix(digits) + f"{self._numbers['account']:0{len(digits)}d}"

    def _email(self, found: re.Match[str]) -> str:
        return self._stand_in("email", found.group(), lambda: "somebody@redacted.invalid")

    def _path(self, found: re.Match[str]) -> str:
        whole = found.group()
        if _OURS.match(whole) or HIDDEN in whole:
            return whole
        path = whole.rstrip("/\\")
        separator = "\\" if path[1:2] == ":" else "/"
        folder, _, name = path.rpartition(separator)
        if folder in {"", "/home", "/Users", "~"}:  # a home folder's own name is a user's
            return self._folder(path)
        return f"{self._folder(folder)}/{name}{whole[len(path) :]}"

    def _folder(self, folder: str) -> str:
        if _OURS.match(folder):
            return folder
        if folder not in self._folders:
            self._folders[folder] = f"/{self._number('path', 'path')}"
        self._met[folder] = "path"
        return self._folders[folder]

    def _ip(self, found: re.Match[str]) -> str:
        if _LOOPBACK.fullmatch(found.group()):
            return found.group()
        return self._stand_in("host", found.group(), lambda: self._number("host", "host"))

    def _packed(self, packed: bytes) -> bytes:
        """Records carry parts as msgpack: opened, and closed again where something in them was replaced."""
        try:
            plain = msgspec.msgpack.decode(packed)
        except (ValueError, RecursionError, msgspec.DecodeError):
            return packed
        if not isinstance(plain, dict):
            return packed
        changed = self.value(plain)
        return packed if changed == plain else canonical(changed)


def _whole(word: str) -> str:
    """A word that is not part of a longer one; paths and secrets begin and end as they do."""
    before = r"(?<![A-Za-z0-9])" if word[:1].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if word[-1:].isalnum() else ""
    return before + re.escape(word) + after
