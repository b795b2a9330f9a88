"""What is blotted out of texts, what is not, and that no text gets past a hook that breaks."""

import ipaddress
import re
import sys
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken import redaction
from unspoken.errors import Unavailable
from unspoken.redaction import luhn, redactor

ALL = ("email", "phone", "card", "ip")


def through(names: tuple[str, ...], hook: str = "") -> redaction.Redactor:
    """The redactor, which there is."""
    found = redactor(names, hook)
    assert found is not None
    return found


redact = through(ALL)
DIGITS = st.text("0123456789", min_size=12, max_size=18)


def checked(digits: str) -> str:
    """The digits with the check digit that makes them a card's."""
    return next(f"{digits}{last}" for last in range(10) if luhn(f"{digits}{last}"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("write to ann.b+shop@mail.ex-ample.org.", "write to [email]."),
        ("<ann@example.org>, bob@example.co.uk; eve@example.org.2", "<[email]>, [email]; [email].2"),
        ("jürgen@müller.de and ann@xn--mller-kva.de", "[email] and [email]"),
        ("mailto:ann@example.org?subject=x", "mailto:[email]?subject=x"),
        ("call +49 (30) 1234-567!", "call [phone]!"),
        ("tel:+4917012345678", "tel:[phone]"),
        ("0049 30 1234567 or 030 1234567 or (030) 1234567", "[phone] or [phone] or [phone]"),
        ("415-555-2671, (415) 555-2671, 1-415-555-2671, 415.555.2671", "[phone], [phone], [phone], [phone]"),
        ("06 12 34 56 78 / 07911123456 / 020 7946 0958", "[phone] / [phone] / [phone]"),
        ("pay with 4111 1111 1111 1111 today", "pay with [card] today"),
        ("4111-1111-1111-1111;378282246310005,3782 822463 10005", "[card];[card],[card]"),
        ("4111 1111 1111 1111 123 is its CVC", "[card] 123 is its CVC"),
        ("copied: 4111\u00a01111\u00a01111\u00a01111 or 4111–1111–1111–1111", "copied: [card] or [card]"),
        ("it's 'o'brien@example.org', or l'ann@example.org", "it's '[email]', or [email]"),
        ("from 10.0.0.1, 192.168.1.1:8080 and 203.0.113.0/24.", "from [ip], [ip]:8080 and [ip]/24."),
        ("2001:db8::1. fe80::1%eth0 [2001:db8::2]:443 ::ffff:10.0.0.1", "[ip]. [ip]%eth0 [[ip]]:443 [ip]"),
        ("ip:2001:db8:0:0:0:0:0:1: is mine", "ip:[ip]: is mine"),
    ],
)
def test_what_names_a_person_is_replaced_by_what_it_was(text, left):
    assert redact(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01 12:00:00, 01.10.2026 12:30, 10/01/2026, 2026-10-01T12:00:00+02:00, 1 October 2026",
        "Python 3.11.4, v1.2.3.4, version 10.0.19041.1, 1.2.3.4.5, node@18.2.0, torch==2.9.0+cu128",
        "std::vector<int> a::b; cafe::add(); x = y[1:2:3]; 12:30:45; 00:1a:2b:3c:4d:5e; ::1; @decorator; a@b",
        "018f6b1e-0d5c-7c3a-9b1e-000000000001 and 3f2a9c81d04b4c7e8f00112233445566",
        "for i in range(1000000): total += 2147483647 * 4294967296 - 18446744073709551615",
        "3.14159265358979, +1.23456789, 1,234,567,890, 0.0123456789, 1e-10, 5 000 000 EUR",
        "1700000000 and 1700000000000 are times; 300 + 200 = 500; ISBN 978-3-16-148410-0; 90210-1234",
        "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; 01 02 03 04 05 06 07",
        "https://example.org/orders/0123456789?page=2#L10-L20, order 4111111111111112",
    ],
)
def test_dates_versions_code_and_numbers_stay(text):
    assert redact(text) == text


@given(DIGITS)
def test_a_number_of_13_to_19_digits_is_a_card_exactly_if_its_check_digit_says_so(digits):
    card = checked("4" + digits[1:])
    assert through(("card",))(f"is {card}.") == "is [card]."
    wrong = card[:-1] + str((int(card[-1]) + 1) % 10)
    assert through(("card",))(f"is {wrong}.") == f"is {wrong}."


@given(st.ip_addresses())
def test_every_address_that_a_machine_has_is_found(address):
    known = isinstance(address, ipaddress.IPv4Address) or any(address in each for each in redaction.NETWORKS)
    text = f"from {address}, yesterday"
    assert redact(text) == ("from [ip], yesterday" if known else text)


@given(
    st.from_regex(
        r"[a-z0-9]+([.+_-][a-z0-9]+){0,3}@([a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\.){1,3}[a-z]{2,6}", fullmatch=True
    )
)
def test_every_address_of_mail_is_found(address):
    assert through(("email",))(f"({address})") == "([email])"


@given(
    st.dates(date(1900, 1, 1), date(2099, 12, 31)),
    st.times(),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y", "%H:%M:%S.%f"]),
)
def test_every_date_and_time_stays(day, time, form):
    text = f"on {datetime.combine(day, time).strftime(form)} it was"
    assert redact(text) == text


@given(st.lists(st.integers(0, 99), min_size=2, max_size=3), st.sampled_from(["", "v", "-rc1", "+cu128"]))
def test_every_version_of_two_or_three_parts_stays(parts, mark):
    number = ".".join(map(str, parts))
    text = f"uses v{number}" if mark == "v" else f"uses {number}{mark}"
    assert redact(text) == text


@given(st.text(st.characters(exclude_characters="@:0123456789", exclude_categories=["Nd", "Cs"]), max_size=200))
def test_a_text_without_digits_colons_and_at_signs_stays(text):
    assert redact(text) == text


def test_only_what_was_named_is_replaced():
    text = "ann@example.org 10.0.0.1"
    assert through(("email",))(text) == "[email] 10.0.0.1"
    assert through(("ip",))(text) == "ann@example.org [ip]"
    assert redactor((), "") is None


def test_no_pattern_can_look_at_a_character_more_than_a_bounded_number_of_times():
    """No repetition without an end that could give back, and so be tried again: each is bounded or possessive."""
    for pattern in (redaction.EMAIL, redaction.CARD, redaction.IPV4, redaction.IPV6, redaction.PHONE):
        assert not re.search(r"(?<!\\)[*+](?![+])(?<!\+\+)", re.sub(r"\[[^]]*\]|\\.", "x", pattern.pattern)), pattern


@pytest.mark.parametrize("piece", ["a", "@", "a@", "a.", "a@b.", "1", "1 ", "1.", "1:", "+1", "(", "4111 ", "01-", "é"])
def test_a_hostile_text_of_a_million_characters_comes_back(piece):
    text = piece * (1_000_000 // len(piece))
    assert len(redact(text)) <= 2 * len(text)


def hook(text: str) -> str:
    """One's own redaction, as the setting names it."""
    return text.replace("Ann", "[name]")


def broken(text: str) -> str:
    raise KeyError(text)


def forgetful(text: str) -> None:
    return None


def null(text: str) -> str:
    return "\0"


@pytest.fixture
def named(monkeypatch):
    """Makes this module importable as the setting would name it."""
    monkeypatch.setitem(sys.modules, "hooks_of_a_site", sys.modules[__name__])
    redaction._hooked.cache_clear()
    yield lambda function: f"hooks_of_a_site:{function}"
    redaction._hooked.cache_clear()


def test_a_hook_of_ones_own_comes_last(named):
    assert through(("email",), named("hook"))("Ann, ann@example.org") == "[name], [email]"
    assert through((), named("hook"))("Ann") == "[name]"


@pytest.mark.parametrize("function", ["broken", "forgetful", "null"])
def test_a_hook_that_breaks_lets_nothing_past_and_does_not_tell_the_text(named, function):
    with pytest.raises(Unavailable) as caught:
        through((), named(function))("secret words")
    assert "hooks_of_a_site" in caught.value.detail
    assert "secret words" not in caught.value.detail


@pytest.mark.parametrize(
    "setting", ["no.such.module:function", "json:nothing", "json", "json:", ":dumps", "json:__name__"]
)
def test_a_hook_that_cannot_be_loaded_says_so_at_once(setting):
    with pytest.raises(Unavailable, match="UNSPOKEN_REDACT_HOOK"):
        redactor((), setting)
