"""Where calls go and with whose key. Checked when it is made; the key is never shown."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urlsplit

from fanfold.spec.errors import PlanError
from fanfold.spec.hidden import HIDDEN, forms_of, keep_unsaid, redact
from fanfold.spec.secret import Header, Secret


class Account:
    """A base URL and the key for it. Raises PlanError for an unusable one, without repeating it."""

    __slots__ = ("_forms", "_key", "_path", "_query", "host", "origin")

    def __init__(self, base_url: str, key: Secret | str | None = None) -> None:
        parts = _checked_url(base_url)
        self.host = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._path, self._query = parts.path.rstrip("/"), parts.query
        self._key = key if isinstance(key, Secret) else Secret(key) if key else None
        secrets = [*_secrets_in(self._query), *([self._key.reveal()] if self._key else [])]
        self._forms = tuple(form.encode() for secret in secrets for form in forms_of(secret))

    def url(self, path: str) -> str:
        """The address of an endpoint: `path` below the base URL; a query of the base URL stays at the end."""
        return self.origin + self._path + path + (f"?{self._query}" if self._query else "")

    def ends_with(self, *versions: str) -> bool:
        """Whether the base URL names the API's version already."""
        return self._path.endswith(versions)

    def bearer(self) -> dict[str, str]:
        """The header that shows the key; nothing without a key."""
        return {"Authorization": Header(f"Bearer {self._key.reveal()}")} if self._key else {}

    @property
    def has_key(self) -> bool:
        return bool(self._key)

    def keyed(self, header: str) -> dict[str, str]:
        """The key as it is, in a header of that name; nothing without a key."""
        return {header: Header(self._key.reveal())} if self._key else {}

    def hide(self, text: bytes) -> bytes:
        """A server's words without the key, should it repeat it."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN.encode())
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
        keep_unsaid(parts.password or "")
        raise PlanError("base_url", "the base URL must not hold a user name or password", "give the key by its own variable")
    if any(char.isspace() or not char.isprintable() for char in base_url) or parts.fragment:
        raise PlanError("base_url", "the base URL holds white space, control characters or a fragment", hint)
    if HIDDEN in base_url:
        raise PlanError("base_url", "the base URL held a key, which was not written down", "give it anew: --base-url")
    return parts


def _secrets_in(query: str) -> list[str]:
    """The values of its query that are not to be said."""
    found = [value for name, value in parse_qsl(query) if HIDDEN in redact(f"?{name}={value}")]
    for value in found:
        keep_unsaid(value)
    return found
