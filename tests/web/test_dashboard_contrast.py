"""The colours of the dashboard: whatever is read reaches 4.5:1 on what it stands on, marks and edges 3:1 (WCAG AA)."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "platform" / "unspoken" / "web" / "static" / "unspoken.css").read_text()
DARK = "@media (prefers-color-scheme: dark)"
SURFACES = ("page", "panel", "sunk", "chosen")
TEXTS = ("ink", "muted", "stated", "revealed", "kept", "dropped", "danger")
# (what is read, on what), beside every text on every surface.
PAIRS = [("warn-ink", "warn"), ("on", "stated"), ("on", "danger"), ("ink", "rail"), ("ink", "warn")]
MARKS = [("field", surface) for surface in ("page", "panel")] + [
    (mark, under) for mark in ("stated", "revealed", "kept", "muted") for under in ("panel", "rail")
]


def tokens(text):
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", text))


LIGHT_TOKENS = tokens(CSS.split(DARK)[0])
DARK_TOKENS = LIGHT_TOKENS | tokens(CSS.split(DARK)[1].split("}")[0])
THEMES = {"light": LIGHT_TOKENS, "dark": DARK_TOKENS}


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_can_be_read(theme):
    of = THEMES[theme]
    pairs = [(text, surface) for text in TEXTS for surface in SURFACES] + PAIRS
    low = {pair: round(contrast(of[pair[0]], of[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_marks_and_the_edges_of_fields_can_be_seen(theme):
    of = THEMES[theme]
    low = {pair: round(contrast(of[pair[0]], of[pair[1]]), 2) for pair in MARKS}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 3} == {}


def test_every_colour_of_a_rule_is_a_token():
    """Otherwise the two tests above would not see it. The sign of the brand is the same on light and dark."""
    rules = CSS[CSS.index("* { box-sizing") :]
    stray = [line for line in rules.splitlines() if re.search(r"#[0-9a-f]{3,6}\b|rgb|hsl", line)]
    assert [line for line in stray if not line.startswith(".brand-")] == []
    used = set(re.findall(r"var\(--([a-z-]+)\)", rules))
    assert used <= LIGHT_TOKENS.keys()
