"""What the page promises whatever the report holds: it loads nothing, runs nothing and invents nothing."""

import functools
import hashlib
import json
import re
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import pytest

from unspoken.report import charts
from unspoken.report.render import render, write_report
from unspoken.report.words import count, interval, percent, signed, two, visible

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=http://x.example/a onerror=alert(2)>\u202edab\u2066\x00\ud800]]>{{ 7 * 7 }}"
)

DIFFER: dict[str, Any] = {
    "title": "Stated versus revealed",
    "project": "two-minds",
    "simulated": True,
    "generated_at": "2026-03-01T09:00:00Z",
    "facts": ["Every text comes from a template."],
    "assumptions": ["Stopping early counts against an answer."],
    "verdict": {
        "label": "differ by more than the margin",
        "sentence": "What people say and what they do part by more than the margin.",
        "reason": "The lower bound of the gap, .58, lies above the margin, .05.",
        "labels_sentence": "Labels correlate weakly, .18 [.14, .22], n = 2,410.",
        "gap": {"estimate": 0.67, "low": 0.58, "high": 0.76, "upper95": 0.745},
        "rho": {"estimate": 0.33, "low": 0.24, "high": 0.42},
        "truth": {"rho": 0.3},
        "margin": 0.05,
        "labels_needed": {"to_establish": 310, "to_establish_sameness": None},
    },
    "funnel": [
        {
            "step": "answers",
            "entered": 24000,
            "kept": 21500,
            "dropped": [{"reason": "still streaming", "count": 1500}, {"reason": "no prompt", "count": 1000}],
        },
        {
            "step": "pairs",
            "entered": 21500,
            "kept": 6200,
            "dropped": [{"reason": "no sibling", "count": 15300}],
        },
    ],
    "signals": [
        {"family": "revealed", "signal": "copy", "events": 2900, "answers": 2400, "share": 0.11},
        {"family": "stated", "signal": "vote", "events": 3120, "answers": 3050, "share": 0.142},
        {"family": "expressed", "signal": "thanks", "events": 90, "answers": 88, "share": 0.0041},
    ],
    "association": [
        {"stated": "vote", "revealed": "kept", "n": 2410, "statistic": "Spearman"}
        | {"estimate": 0.18, "low": 0.14, "high": 0.22}
    ],
    "matrix": [
        {
            "train": train,
            "test": test,
            "metric": "pair accuracy",
            "estimate": mid,
            "low": mid - 0.02,
            "high": mid + 0.02,
        }
        | {"pairs": 1234}
        for train, accuracies in {
            "stated": (0.66, 0.54),
            "revealed": (0.55, 0.67),
            "length only": (0.51, 0.48),
            "shuffled labels": (0.5, 0.501),
        }.items()
        for test, mid in zip(("stated", "revealed"), accuracies, strict=True)
    ],
    "reliability": [
        {"family": "stated", "estimate": 0.71, "low5": 0.63, "low": 0.62, "high": 0.79},
        {"family": "revealed", "estimate": 0.64, "low5": 0.55, "low": 0.53, "high": 0.72},
    ],
    "estimator": {
        "splits": 10,
        "bootstrap": 1000,
        "by_size": [
            {"share": share, "labels_stated": n, "labels_revealed": n, "rho": rho, "low": rho - w, "high": rho + w}
            for share, n, rho, w in [(0.25, 750, 0.38, 0.21), (0.5, 1500, 0.35, 0.14), (1.0, 3000, 0.33, 0.09)]
        ],
        "refit_check": {"refits": 100, "se_ratio": 1.03, "used": "influence"},
        "effective_users_per_half": 412.5,
        "components": 64,
        "variance_held": 0.83,
    },
    "parted": [
        {"message": f"m-{i}", "prompt": f"How do I plan a walk of {i} km?", "answer": "Start early. " * (i + 1)}
        | {"stated": 1.8 - i / 10, "revealed": -1.2 + i / 20, "difference": 3.0 - 3 * i / 20}
        for i in range(20)
    ],
    "provenance": {"data sha256": "9f" * 32, "seed": 7, "version": "0.1.0"},
}

CANNOT_TELL: dict[str, Any] = DIFFER | {
    "project": "chitchat",
    "simulated": False,
    "verdict": {
        "label": "cannot tell",
        "sentence": "The models are too noisy to say whether words and deeds part.",
        "reason": "Models too noisy: the lower 5 % bound of reliability is .04 for stated, below .30.",
        "labels_sentence": "The labels correlate.",
        "gap": None,
        "rho": None,
        "truth": None,
        "margin": 0.05,
        "labels_needed": None,
    },
}

EMPTY: dict[str, Any] = {
    "title": "Stated versus revealed",
    "project": "empty",
    "simulated": False,
    "generated_at": "2026-03-01T09:00:00Z",
    "facts": [],
    "assumptions": [],
    "verdict": {
        "label": "cannot tell",
        "sentence": "There is nothing to compare.",
        "reason": "The project holds no labels.",
        "labels_sentence": "",
        "gap": None,
        "rho": None,
        "truth": None,
        "margin": 0.05,
        "labels_needed": None,
    },
    "funnel": [],
    "signals": [],
    "association": [],
    "matrix": [],
    "reliability": [],
    "estimator": {
        "splits": 10,
        "bootstrap": 1000,
        "by_size": [],
        "refit_check": None,
        "effective_users_per_half": None,
        "components": None,
        "variance_held": None,
    },
    "parted": [],
    "provenance": {},
}


class Page(HTMLParser):
    """The tags, attributes and text of a page, as a browser would find them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile(value: Any) -> Any:
    """The same report with every string replaced by hostile text; numbers and structure stay."""
    if isinstance(value, dict):
        return {key: hostile(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) else value


REPORTS: dict[str, dict[str, Any]] = {
    "differ": DIFFER,
    "cannot tell": CANNOT_TELL,
    "empty": EMPTY,
    "hostile": hostile(DIFFER),
    "no keys at all": {},
}


@functools.cache
def page_of(name: str) -> str:
    return render(REPORTS[name])


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_runs_no_script_and_loads_nothing(name):
    html = page_of(name)
    page = Page(html)
    assert not {"script", "img", "iframe", "object", "embed", "link", "base", "form", "image", "use"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "srcset", "xlink:href")]
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "url(" not in html and "@import" not in html
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert ("content", policy) in page.attributes


def test_hostile_words_are_shown_not_obeyed():
    html = page_of("hostile")
    assert "<script" not in html and "<img" not in html
    assert "&lt;script&gt;" in html
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\ud800-\udfff]", html)
    assert "⟨U+202E⟩" in html and "⟨U+2066⟩" in html and "⟨U+0000⟩" in html and "⟨U+D800⟩" in html
    assert "49" not in Page(render(EMPTY | {"title": "{{ 7 * 7 }}"})).text
    html.encode()


def test_hostile_words_inside_a_figure_are_escaped():
    svg = charts.bars([charts.Bar(visible(HOSTILE), visible(HOSTILE), 0, 1, "kept")], 640)
    assert set(Page(svg).tags) <= {"svg", "g", "path", "text"}
    assert "&lt;script&gt;" in svg


def test_figures_lose_links_handlers_and_foreign_elements():
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="x()"><a href="x"><text>in</text></a>'
    svg += '<g id="clip1" onclick="x()"><text fill="red">out</text></g><foreignObject/></svg>'
    page = Page(charts.plain_svg(svg))
    assert page.tags == ["svg", "g", "text"]
    assert {name for name, _ in page.attributes} == {"xmlns", "viewbox", "style", "fill"}


def test_a_line_of_a_megabyte_is_clipped_and_its_length_told():
    html = render(EMPTY | {"parted": [row | {"answer": "x" * 1_000_000} for row in DIFFER["parted"]]})
    assert len(html) < 500_000
    assert "1,000,000 characters in all" in html


def test_the_same_report_gives_the_same_page():
    assert page_of("differ") == render(deepcopy(DIFFER))


def test_a_missing_gap_says_why():
    text = Page(page_of("cannot tell")).text
    assert "No gap is printed." in text
    assert "Models too noisy: the lower 5 % bound of reliability is .04" in text
    assert "Preference gap, 1 − ρ" not in text
    assert ".33 [.24, .42]" not in text, "ρ by size would print the gap that the verdict holds back"


def test_a_simulated_report_says_so_loudly_and_shows_the_truth_beside_the_estimate():
    text = Page(page_of("differ")).text
    assert "SIMULATED: the people in this report do not exist" in text
    assert ".67 [.58, .76]" in text
    assert "gap .70, ρ .30" in text and "inside the interval" in text
    assert "SIMULATED" not in Page(page_of("cannot tell")).text


def test_only_a_known_verdict_colours_the_card():
    assert '<div class="card differ"' in page_of("differ")
    assert '<div class="card unknown"' in page_of("cannot tell")
    assert '<div class="card unknown"' in page_of("hostile")


def test_a_truth_outside_the_interval_is_called_outside():
    report = EMPTY | {"verdict": DIFFER["verdict"] | {"truth": {"rho": 0.6}}}
    assert "outside the interval" in Page(render(report)).text


def test_an_empty_project_renders_a_sentence_for_everything_that_is_missing():
    text = Page(page_of("empty")).text
    for sentence in (
        "Nothing entered: this project holds no events yet.",
        "No signal was recorded",
        "No answer carries both a stated and a revealed label",
        "No model was trained",
        "No reliability could be computed",
        "No ρ is printed, for the same reason that no gap is.",
        "No answer was scored by both models",
        "Nothing is recorded about the data",
    ):
        assert sentence in text
    assert not re.search(r"\b(None|nan|NaN)\b", text)


def test_unknown_numbers_become_dashes():
    report = deepcopy(DIFFER)

    def unknown(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: unknown(v) for k, v in value.items()}
        if isinstance(value, list):
            return [unknown(v) for v in value]
        return value if isinstance(value, str) else None

    text = Page(render(unknown(report) | {"simulated": False})).text
    assert not re.search(r"\b(None|nan|NaN)\b", text)


def test_a_funnel_that_does_not_add_up_is_called_out():
    assert "do not add up" not in page_of("differ")
    funnel = deepcopy(DIFFER["funnel"])
    funnel[0]["kept"] -= 1
    assert "do not add up to what entered at: answers" in render(EMPTY | {"funnel": funnel})


def test_every_figure_has_words_and_a_table():
    html = page_of("differ")
    assert html.count('role="img" aria-label="') == html.count('<div class="chart ') == 14
    assert html.count("The same as a table") == 7


@pytest.mark.parametrize("truth", [None, 0.3])
def test_a_gap_of_nothing_known_but_zero_is_still_drawn(truth):
    report = deepcopy(EMPTY | {"verdict": DIFFER["verdict"]})
    report["verdict"] |= {"gap": {"estimate": 0.0, "low": 0.0, "high": 0.0, "upper95": None}, "margin": 0.0}
    report["verdict"]["truth"] = truth and {"rho": truth}
    assert ".00 [.00, .00]" in render(report)


def test_the_written_report_is_whole_and_reads_back(tmp_path):
    page = write_report(DIFFER, tmp_path / "report")
    folder = page.parent
    assert sorted(p.name for p in folder.iterdir()) == ["index.html", "manifest.json", "report.json"]
    assert json.loads((folder / "report.json").read_text()) == DIFFER
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("report.json", "index.html"):
        assert manifest["sha256"][name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_hostile_words_survive_the_json_unchanged(tmp_path):
    page = write_report(hostile(EMPTY | {"signals": DIFFER["signals"]}), tmp_path)
    assert json.loads((page.parent / "report.json").read_text())["title"] == HOSTILE


def test_a_number_that_is_not_finite_is_null_in_the_json(tmp_path):
    page = write_report(EMPTY | {"provenance": {"loss": float("nan")}}, tmp_path)
    assert json.loads((page.parent / "report.json").read_text())["provenance"] == {"loss": None}


def test_numbers_are_written_the_way_statisticians_read_them():
    written = {0.524: ".52", -0.05: "−.05", -0.001: ".00", 1.0: "1.00", 0: ".00", None: "–", float("nan"): "–"}
    assert {x: two(x) for x in written} == written
    assert [signed(x) for x in (1.84, -0.3, None)] == ["+1.84", "−.30", "–"]
    assert count(12300) == "12,300"
    assert [percent(3, 7), percent(1, 250), percent(0, 5), percent(1, 0)] == ["43 %", "0.4 %", "0 %", "–"]
    assert percent(999, 1000) == "99.9 %"
    assert interval({"estimate": 0.52, "low": 0.48, "high": 0.56}) == ".52 [.48, .56]"
    assert interval({"estimate": 0.52, "low": None, "high": None}) == ".52"
