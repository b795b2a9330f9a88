"""What stands for a text or a user where neither may stand itself."""

import hashlib
import hmac
import re
import sys
import unicodedata
from functools import lru_cache
from typing import Literal

MARKS = 30  # in a row; no language comes near it (Unicode Standard Annex 15, Stream-Safe Text Format)
JOINER = "\u034f"  # combines with nothing, and so ends a row


def digest(text: str) -> str:
    """Hex blake2b (128 bit) of the text without case, width and spacing: equal digests are equal prompts."""
    plain = " ".join(normalized("NFKC", text).casefold().split())
    return hashlib.blake2b(plain.encode(), digest_size=16).hexdigest()


def normalized(form: Literal["NFC", "NFKC"], text: str) -> str:
    """As `unicodedata.normalize`, which takes the square of the length for a row of marks on one letter: minutes for a
    text made for it. Longer rows are cut by a joiner.
    """
    if text.isascii():
        return text
    return unicodedata.normalize(form, _rows_of_marks().sub(lambda row: row[0] + JOINER, text))


@lru_cache(maxsize=1)
def _rows_of_marks() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code)))
    return re.compile(f"[{re.escape(marks)}]{{{MARKS}}}")


def hash_user(secret_hex: str, user: str) -> str:
    """Hex HMAC-SHA-256 of the chatbot's own user id under the project's secret."""
    return hmac.digest(bytes.fromhex(secret_hex), user.encode(), "sha256").hex()
