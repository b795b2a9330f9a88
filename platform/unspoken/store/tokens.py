"""Message tokens: leave for one user to speak of one message, for a while. Signed, not stored.

`unt_<claims>.<signature>`, both base64url: the claims are JSON, the signature is HMAC-SHA256 under a key that follows
from the project's secret. A token names the key that issued it and is worth no more than that key: when the key is
revoked or runs out, its tokens end with it.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from unspoken.errors import BadInput
from unspoken.events import hash_user
from unspoken.events.plain import flaw
from unspoken.store.columns import now
from unspoken.store.tables import Project

PREFIX = "unt_"
MOST_TTL_S = 86_400
MOST_CHARS = 2_000  # the longest message id, of the widest characters, fits
_PURPOSE = b"unspoken message token, version 1"


@dataclass(frozen=True)
class Claims:
    """What a token says of itself: not to be believed before `genuine`. `until` in seconds since 1970."""

    project: str
    key: str
    message: str
    user: str
    until: int

    @property
    def expires_at(self) -> datetime:
        """When it ends."""
        return datetime.fromtimestamp(self.until, UTC)


def issue(project: Project, key_id: str, message: str, user: str, ttl_s: int) -> tuple[str, datetime]:
    """A token for `user` (the chatbot's own id, hashed here) about `message`, and when it ends. BadInput."""
    if not 1 <= ttl_s <= MOST_TTL_S:
        raise BadInput(f"`ttl_s` is {ttl_s}; a token lives between 1 and {MOST_TTL_S} seconds (24 hours).")
    for name, value in (("message", message), ("user", user)):
        if not 1 <= len(value) <= 200 or "\0" in value:
            raise BadInput(f"`{name}` has 1 to 200 characters and no NUL, as in an event.")
    try:
        message.encode()
        hashed = hash_user(project.user_secret, user)
    except UnicodeEncodeError as error:
        raise BadInput("`message` or `user` holds half a character, which no event can hold either.") from error
    claims = Claims(project.id, key_id, message, hashed, int(now().timestamp()) + ttl_s)
    return sign(claims, project.user_secret), claims.expires_at


def sign(claims: Claims, user_secret: str) -> str:
    """The token that says this, in the name of the project of that secret (hex)."""
    said = _packed(json.dumps(list(asdict(claims).values()), ensure_ascii=False, separators=(",", ":")).encode())
    return f"{PREFIX}{said}.{_packed(_signature(user_secret, said))}"


def read(plaintext: str) -> Claims | None:
    """What a token claims; None when it is none. Says nothing of who wrote it."""
    said = plaintext.removeprefix(PREFIX).partition(".")[0]
    if not plaintext.startswith(PREFIX) or len(plaintext) > MOST_CHARS:
        return None
    try:
        values = json.loads(_unpacked(said))
    except (NotBase64, ValueError, RecursionError):
        return None
    kinds = (str, str, str, str, int)
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
        return None
    if any(flaw(value) for value in values) or not 0 <= values[4] < 2**33:
        return None  # no database looks for a NUL or half a character, and a date does not hold such a number
    return Claims(*values)


def genuine(plaintext: str, user_secret: str) -> bool:
    """Whether the project of that secret signed it; in a time that does not depend on how much of it is right."""
    said, _, signature = plaintext.removeprefix(PREFIX).partition(".")
    expected = _packed(_signature(user_secret, said))
    return hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), expected.encode())


def _signature(user_secret: str, said: str) -> bytes:
    # A key of its own, so that no signature is ever the hash of a user, or the other way round.
    key = hmac.digest(bytes.fromhex(user_secret), _PURPOSE, "sha256")
    return hmac.digest(key, said.encode("utf-8", "surrogatepass"), "sha256")


def _packed(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
