"""Blotting out of texts, at the door and before anything is stored, what a person should not have written there.

Meant to be precise rather than greedy: dates, versions, code and numbers that are nothing else stay as they were.
The work grows in proportion to the text, whatever the text: every pattern is bounded or gives nothing back
(possessive), and none can begin twice in one run of its own characters.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from ipaddress import IPv6Address, IPv6Network

from unspoken.errors import Unavailable

Redactor = Callable[[str], str]

EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]++(?:'[\w.%+-]++){0,3}@(?P<host>[\w-]++(?:\.[\w-]++)++)")

# Solid, or in the groups that cards print, with the spaces and dashes that word processors make of theirs.
# No payment card begins with 0, 1, 7 or 9, but times in ms do.
_GAP = "[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}\N{NON-BREAKING HYPHEN}\N{EN DASH}-]"
CARD = re.compile(
    rf"(?<![\w.])(?:[2-68]\d{{12,18}}"
    rf"|[2-68]\d{{3}}(?P<four>{_GAP})\d{{4}}(?P=four)\d{{4}}(?P=four)\d{{4}}(?P<tail>(?P=four)\d{{3}})?"
    rf"|3\d{{3}}(?P<six>{_GAP})\d{{6}}(?P=six)\d{{4,5}})(?![\d])"
)

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IPV4 = re.compile(rf"(?<!\w)(?<!\d\.)(?<!(?i:version) )(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-]|\.\d)")
IPV6 = re.compile(r"(?<![0-9A-Fa-f:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]++(?!\w)")
LONGEST_IPV6 = 45
# What people and machines have; `a::b` of a programming language is a valid address too, and in none of these.
NETWORKS = tuple(IPv6Network(each) for each in ("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8", "::ffff:0:0/96"))

PHONE = re.compile(
    r"(?<![\w+])\+[1-9](?:[ .()/-]{0,2}\d){6,13}(?!\d)"  # +49 (30) 1234-567
    r"|(?<![\w/+-])(?<!\d[ .,])00[1-9](?:[ .()/-]{0,2}\d){8,12}(?!\d)"  # 0049 30 1234567
    # 01.10.2026 is a date, with or without a time behind it; 030 1234567 is not.
    r"|(?<![\w/+-])(?<!\d[ .,])(?!\d\d([-/ .])\d\d\1(?:19|20)\d\d(?!\d))"
    r"\(?0[1-9](?:[ ./()-]{0,2}\d){7,9}(?![ .-]?\d)(?!:)"
    r"|(?<![\w/+-])(?<!\d[ .,])(?:1([ .-]))?(?:\([2-9]\d\d\) ?|[2-9]\d\d([ .-]))[2-9]\d\d[ .-]\d{4}(?![\w]|[.-]\d)"
)
_DECIMAL = re.compile(r"\+\d+\.\d+")


def redactor(names: tuple[str, ...], hook: str) -> Redactor | None:
    """What to send every text through, or None when there is nothing to do.

    `names`: of email, phone, card, ip; what is found is replaced by its name in brackets, `[email]`. `hook`: your own,
    as `module:function`, str → str; it comes last and sees texts without what was found. Unavailable, here or from
    what is returned, when the hook cannot be loaded, breaks, or gives no text: no text gets past it.
    """
    steps = [step for name, step in _STEPS.items() if name in names]
    if hook:
        steps.append(_hooked(hook))
    if not steps:
        return None

    def redact(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return redact


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit that payment cards have."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def _emails(text: str) -> str:
    return EMAIL.sub(_email, text) if "@" in text else text


def _email(found: re.Match[str]) -> str:
    """Up to the last label that can end a host's name: node@18.2.0 is a version, what follows .org. a sentence."""
    labels = found["host"].split(".")
    end = len(labels)
    while end > 1 and not (len(labels[end - 1]) > 1 and labels[end - 1][0].isalpha()):
        end -= 1
    return ".".join(["[email]", *labels[end:]]) if end > 1 else found[0]


def _cards(text: str) -> str:
    return CARD.sub(_card, text)


def _card(found: re.Match[str]) -> str:
    whole, tail = found[0], found["tail"] or ""
    for number, rest in ((whole, ""), (whole.removesuffix(tail), tail)):
        if luhn(re.sub(_GAP, "", number)):
            return f"[card]{rest}"
    return whole


def _addresses(text: str) -> str:
    if ":" in text:
        text = IPV6.sub(_address, text)
    return IPV4.sub("[ip]", text)


def _address(found: re.Match[str]) -> str:
    """A run of what addresses are made of; a colon or full stop at its ends may belong to the sentence."""
    whole = found[0]
    core = whole.rstrip(".")
    if core.endswith(":") and not core.endswith("::"):
        core = core[:-1]
    start = 1 if core.startswith(":") and not core.startswith("::") else 0
    if len(core) > LONGEST_IPV6:
        return whole
    try:
        address = IPv6Address(core[start:])
    except ValueError:
        return whole
    if not any(address in network for network in NETWORKS):
        return whole
    return f"{whole[:start]}[ip]{whole[len(core) :]}"


def _phones(text: str) -> str:
    return PHONE.sub(lambda found: found[0] if _DECIMAL.fullmatch(found[0]) else "[phone]", text)


_STEPS: dict[str, Redactor] = {"email": _emails, "card": _cards, "ip": _addresses, "phone": _phones}


@lru_cache(maxsize=8)
def _hooked(hook: str) -> Redactor:
    module, colon, name = hook.partition(":")
    try:
        function = getattr(import_module(module), name)
    except Exception as error:  # whatever a stranger's module raises at its import
        raise Unavailable(
            f"The redaction hook {hook!r} (UNSPOKEN_REDACT_HOOK) cannot be loaded: {type(error).__name__}: {error}. "
            "Nothing is stored until it can; it must read module:function."
        ) from error
    if not colon or not callable(function):
        raise Unavailable(f"The redaction hook {hook!r} (UNSPOKEN_REDACT_HOOK) is no function; name module:function.")

    def call(text: str) -> str:
        try:
            redacted = function(text)
        except Exception as error:  # not its message, which may hold the text
            raise Unavailable(
                f"The redaction hook {hook!r} broke with {type(error).__name__}; nothing was stored. Mend it, or empty "
                "UNSPOKEN_REDACT_HOOK."
            ) from None
        if not isinstance(redacted, str) or "\0" in redacted:
            raise Unavailable(f"The redaction hook {hook!r} must give a text without NUL back; nothing was stored.")
        return redacted

    return call
