"""The first look: phrases of ten languages (phrases.toml) and likeness to the prompt before. Precision first.

A text is read as words: case, accents and apostrophes gone, code and quotations blanked (who quotes a complaint does
not complain), Chinese and Japanese one character a word. Only its first three sentences and its last are read, of the
first 1,200 and last 400 characters, so that a long paste costs no more than a short reply.
"""

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

# Where several classes speak, the first of these is the reply's: what says most of the answer before what says least.
ORDER = (
    "refusal_objection", "correction", "complaint", "rephrase", "thanks", "clarification", "elaboration", "new_topic",
)  # fmt: skip
HEAD_CHARS, TAIL_CHARS, HEAD_SENTENCES = 1200, 400, 3
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_QUOTED = re.compile(r"\"[^\"\n]{12,}\"|“[^”\n]{12,}”|«[^»\n]{12,}»|„[^“”\n]{12,}[“”]|「[^」\n]{6,}」")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_APOSTROPHES = re.compile("['’‘`´]")
_WORDS = re.compile(
    r"(?P<end>[.!?;。！？；\n…]+)|(?P<pause>[,:，、：–—]|-(?=\s))|(?P<sign>[\u3040-\u30ff\u3400-\u9fff])"
    r"|(?:(?![\u3040-\u30ff\u3400-\u9fff_])\w)+"
)
_PIECES = re.compile(r"\([^)]*\)|\[[^\]]*\]|\S+")
END, PAUSE = "|", ","


class Found(NamedTuple):
    """What a rule says of a reply."""

    reply_class: str
    language: str  # whose phrases spoke; "" for likeness, which knows no language


def by_phrases(text: str) -> list[Found]:
    """Every class that a phrase speaks for, once, in ORDER; a class that several languages speak for counts once."""
    return list(_found(read(text)))


@lru_cache(maxsize=2**14)  # people say the same short things: in a large project each part of it would read them anew
def _found(sentences: str) -> tuple[Found, ...]:
    found: dict[str, Found] = {}
    for language, classes in _table().items():
        for name, (phrases, ignored) in classes.items():
            if name not in found and phrases.search(ignored.sub(" ", sentences) if ignored else sentences):
                found[name] = Found(name, language)
    return tuple(found[name] for name in ORDER if name in found)


def forget() -> None:
    """Let go of all texts that were looked at."""
    _found.cache_clear()


def read(text: str) -> str:
    """The words that count, single spaces between, sentences between `|`: "| no , its bern |"."""
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    text = _QUOTED.sub(" , ", _CODE.sub(" . ", text))
    sentences = [sentence for sentence in words(text).split(END) if sentence.strip(" ,")]
    if len(sentences) > HEAD_SENTENCES + 1:
        sentences = [*sentences[:HEAD_SENTENCES], sentences[-1]]
    return f"{END} " + "".join(f"{sentence.strip()} {END} " for sentence in sentences)


def words(text: str) -> str:
    """Words, `,` for a pause and `|` for the end of a sentence, with a space between."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    plain = unicodedata.normalize("NFC", _APOSTROPHES.sub("", plain))
    return " ".join(END if word["end"] else PAUSE if word["pause"] else word.group() for word in _WORDS.finditer(plain))


@cache
def _table() -> dict[str, dict[str, tuple[re.Pattern[str], re.Pattern[str] | None]]]:
    """Per language and class: what to look for, and what to blank before."""
    stored = tomllib.loads((files(__package__) / "phrases.toml").read_text("utf-8"))
    return {
        language: {
            name: (_any(phrases, part), _any(part["ignore"][name], part) if name in part.get("ignore", {}) else None)
            for name, phrases in part["class"].items()
        }
        for language, part in stored.items()
    }


def _any(phrases: list[str], part: dict[str, Any]) -> re.Pattern[str]:
    let = part.get("let", {})
    return re.compile("|".join(f"(?:{_pattern(phrase, let)})" for phrase in phrases))


def _pattern(phrase: str, let: dict[str, str]) -> str:
    """A phrase of the table as a regular expression over `read`'s words; each word eats the space after it."""
    parts = []
    for piece in _PIECES.findall(phrase):
        if piece in ("^", "$", ","):
            # A sentence begins after the mark of the one before, and ends at its own, which is left for the next.
            parts.append({"^": r"(?<=\| )", "$": r"(?=\|)", ",": ", "}[piece])
        elif piece == "..":
            parts.append(r"(?:(?!\|)\S+ ){0,3}")
        else:
            chosen = re.sub(r"@(\w+)", lambda name: let[name[1]], piece.strip("()[]"))
            either = "|".join(re.escape(words(word)) for word in chosen.split("/") if word)
            parts.append(f"(?:(?<= )(?:{either}) )" + ("?" if piece.startswith("(") else ""))
    return "".join(parts)
