"""What stands for a text or a user where neither may stand itself."""

import hashlib
import hmac
import unicodedata


def digest(text: str) -> str:
    """Hex blake2b (128 bit) of the text without case, width and spacing: equal digests are equal prompts."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(plain.encode(), digest_size=16).hexdigest()


def hash_user(secret_hex: str, user: str) -> str:
    """Hex HMAC-SHA-256 of the chatbot's own user id under the project's secret."""
    return hmac.digest(bytes.fromhex(secret_hex), user.encode(), "sha256").hex()
