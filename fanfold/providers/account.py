"""Where calls go and with whose key. Checked when it is made; the key is never shown."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit

from fanfold.spec.errors import PlanError

_SHORTEST_SECRET = 8  # shorter keys are placeholders for servers that want none; hiding "x" would garble every message
_HIDDEN = "[key]"


class Account:
    """A base URL and the key for it. Raises PlanError for an unusable one, without repeating it."""

    __slots__ = ("_forms", "_key", "_path", "_query", "host", "origin")

    def __init__(self, base_url: str, key: str | None = None) -> None:
        parts = _checked_url(base_url)
        self.host = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._path, self._query = parts.path.rstrip("/"), parts.query
        self._key = _checked_key(key) if key else ""
        self._forms = _forms(self._key)

    def url(self, path: str) -> str:
        """The address of an endpoint: `path` below the base URL; a query of the base URL stays at the end."""
        return self.origin + self._path + path + (f"?{self._query}" if self._query else "")

    def ends_with(self, *versions: str) -> bool:
        """Whether the base URL names the API's version already."""
        return self._path.endswith(versions)

    def bearer(self) -> dict[str, str]:
        """The header that shows the key; nothing without a key."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    @property
    def has_key(self) -> bool:
        return bool(self._key)

    def keyed(self, header: str) -> dict[str, str]:
        """The key as it is, in a header of that name; nothing without a key."""
        return {header: self._key} if self._key else {}

    def hide(self, text: bytes) -> bytes:
        """A server's words without the key, should it repeat it."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, _HIDDEN.encode())
        return text

    def __repr__(self) -> str:
        return f"<Account {self.host} {'with' if self._key else 'without'} a key>"

    def __reduce__(self) -> str:
        raise TypeError("an account is not written down: it holds a key")


def _checked_url(base_url: str) -> SplitResult:
    hint = "write it like https://api.openai.com/v1"
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise PlanError("base_url", "the base URL is not a URL", hint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise PlanError("base_url", "the base URL must be an http or https address", hint)
    if parts.username or parts.password:
        raise PlanError("base_url", "the base URL must not hold a user name or password", "give the key by its own variable")
    if any(char.isspace() or not char.isprintable() for char in base_url) or parts.fragment:
        raise PlanError("base_url", "the base URL holds white space, control characters or a fragment", hint)
    return parts


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise PlanError(
            "api_key", "the API key holds white space, control or non-ASCII characters",
            "copy it again, without quotes and without the end of the line",
        )  # fmt: skip
    return key


def _forms(key: str) -> tuple[bytes, ...]:
    """The key as it may be repeated: plain, escaped in JSON, encoded in a URL."""
    if len(key) < _SHORTEST_SECRET:
        return ()
    forms = (key, key.replace("/", "\\/"), quote(key, safe=""), quote(key))
    return tuple(dict.fromkeys(form.encode() for form in forms))
