"""The report as one page that needs nothing else: no script, no network, figures inside.

The page reads the report and computes nothing that could change a verdict. Whatever words the report holds are taken
to be hostile: they are made visible and short here, escaped by the template and once more in the figures.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from unspoken import folders
from unspoken.report import charts
from unspoken.report.words import LONGEST, NONE, Row, count, interval, number, percent, signed, two, visible

WIDE, NARROW = 660, 306  # px of plot: a desk, and a phone of 390 px with its margins
THRESHOLD = 0.3  # what the lower 5 % bound of both reliabilities must reach before a gap is printed

Draw = Callable[[int], str]
KIND = "report"
NAME = 120  # characters of a name or a reason that the page shows


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in two widths, its words for those who cannot see it, and the table of the same numbers."""

    alt: str
    wide: Markup
    narrow: Markup
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """User text for reading: the start, the rest, and a sentence where even the rest is not all."""

    start: str
    rest: str
    note: str


def render(report: Mapping[str, Any]) -> str:
    """The page for `report` (see `unspoken.report.compare`); the same report gives the same characters."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "two": two, "signed": signed, "count": count, "interval": interval}
    return environment.get_template("page.html").render(_view(report))


def write_report(report: Mapping[str, Any], folder: Path) -> Path:
    """Write report.json, index.html and, last, manifest.json with their SHA-256; return the page's path.

    A number that is not finite becomes null: JSON has no word for it.
    """
    files = {"report.json": json.dumps(_finite(report), indent=2, allow_nan=False) + "\n", "index.html": render(report)}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    files["manifest.json"] = json.dumps({"kind": KIND, "sha256": hashes}, indent=2) + "\n"
    with folders.replacing(folder, KIND) as beside:
        for name, text in files.items():
            (beside / name).write_bytes(text.encode())
    return folder / "index.html"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rows(report: Mapping[str, Any], key: str) -> list[Row]:
    return list(report.get(key) or [])


def _time(value: object) -> str:
    """To the minute, in UTC; words that are no time are shown as they are."""
    try:
        return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return visible(value, 40)


def _label(value: object) -> str:
    return " ".join(visible(value, NAME).split()) or "(no name)"


def _tone(family: object) -> str:
    return family if family in ("stated", "revealed", "expressed") else "muted"


def _view(report: Mapping[str, Any]) -> dict[str, Any]:
    verdict = report.get("verdict") or {}
    truth = number((verdict.get("truth") or {}).get("rho"))
    estimator = report.get("estimator") or {}
    parted = _rows(report, "parted")
    scores = [abs(z) for row in parted for k in ("stated", "revealed") if (z := number(row.get(k))) is not None]
    margin = number(verdict.get("margin"))
    return {
        "report": report,
        "made": _time(report.get("generated_at")),
        "palette": charts.PALETTE,
        "verdict": {"label": "cannot tell", "sentence": "", "reason": "", "labels_sentence": "", **verdict},
        "gap": verdict.get("gap"),
        "rho": verdict.get("rho"),
        "truth": truth,
        "truth_inside": _inside(verdict.get("gap"), truth),
        "margin": 0.05 if margin is None else margin,
        "needed": verdict.get("labels_needed"),
        "gap_figure": _gap(verdict.get("gap"), 0.05 if margin is None else margin, truth),
        "estimator": estimator,
        "largest": max(_rows(estimator, "by_size"), key=lambda r: number(r.get("share")) or 0, default=None),
        "funnel": _funnel(_rows(report, "funnel")),
        "unbalanced": [_label(s.get("step")) for s in _rows(report, "funnel") if _lost(s)],
        "signals": _signals(_rows(report, "signals")),
        "association": _association(_rows(report, "association")),
        "matrix": _matrix(_rows(report, "matrix")),
        "reliability": _reliability(_rows(report, "reliability")),
        # Where the verdict holds the gap back, 1 − ρ by size would print it all the same.
        "by_size": _by_size(_rows(estimator, "by_size") if verdict.get("gap") else [], truth),
        "parted": [{**r, "prompt": _text(r.get("prompt"), 160), "answer": _text(r.get("answer"), 300)} for r in parted],
        "most": max([1.0, *scores]),
    }


def _inside(gap: Row | None, truth: float | None) -> bool | None:
    low, high = (number((gap or {}).get(k)) for k in ("low", "high"))
    return None if truth is None or low is None or high is None else low <= 1 - truth <= high


def _text(value: object, start: int) -> Text:
    raw = "" if value is None else str(value)
    shown = visible(raw)
    note = f"{count(len(raw))} characters in all; the page shows the first {count(LONGEST)}."
    return Text(shown[:start], shown[start:], note if len(raw) > LONGEST else "")


def _lost(step: Row) -> bool:
    dropped = sum(number(d.get("count")) or 0 for d in step.get("dropped") or [])
    return (number(step.get("entered")) or 0) != (number(step.get("kept")) or 0) + dropped


def _figure(kind: str, spoken: Iterable[tuple[str, str]], draw: Draw, rows: Iterable[tuple[str, ...]]) -> Figure:
    """Without rows nothing is drawn. `charts.plain_svg` has parsed the SVG and escaped its words: it is markup."""
    table = tuple(rows)
    alt = f"{kind} {'; '.join(f'{label}: {value}' for label, value in spoken)}."
    wide, narrow = (Markup(draw(WIDE)), Markup(draw(NARROW))) if table else (Markup(), Markup())
    return Figure(alt, wide, narrow, table)


def _line(label: str, value: str, row: Row, tone: str = "stated") -> charts.Interval:
    estimate, low, high = (number(row.get(k)) for k in ("estimate", "low", "high"))
    return charts.Interval(label, value, estimate, low, high, tone)


def _gap(gap: Row | None, margin: float, truth: float | None) -> Figure | None:
    """None where no gap is printed; the page then says why in words."""
    estimate, low, high, upper = (number((gap or {}).get(k)) for k in ("estimate", "low", "high", "upper95"))
    if estimate is None or low is None or high is None:
        return None
    real = None if truth is None else 1 - truth
    words = (interval(gap), f"margin ±{two(margin)}", f"truth {two(real)}")
    value = charts.Gap(estimate, low, high, upper, margin, real, *words)
    rows = [("gap, 1 − ρ, with its 95 % interval", words[0]), ("one-sided 95 % upper bound", two(upper))]
    rows.append(("margin", f"±{two(margin)}"))
    if real is not None:
        rows.append(("true gap of this simulated world", two(real)))
    return _figure("The gap on its line.", rows, lambda width: charts.gap(value, width), rows)


def _funnel(steps: Sequence[Row]) -> Figure:
    bars: list[charts.Bar] = []
    table: list[tuple[str, ...]] = []
    for step in steps:
        entered, kept = number(step.get("entered")) or 0, number(step.get("kept")) or 0
        whole, label = max(entered, 1), _label(step.get("step"))
        value = f"{count(kept)} of {count(entered)} ({percent(kept, entered)})"
        bars.append(charts.Bar(label, value, 0, kept / whole, "kept"))
        table.append((label, "kept", count(kept), percent(kept, entered)))
        end = float(entered)
        for reason in sorted(step.get("dropped") or [], key=lambda d: -(number(d.get("count")) or 0)):
            lost, why = number(reason.get("count")) or 0, _label(reason.get("reason"))
            value = f"−{count(lost)} ({percent(lost, entered)})"
            bars.append(charts.Bar(f"– {why}", value, (end - lost) / whole, end / whole, "dropped"))
            table.append((label, f"dropped: {why}", count(lost), percent(lost, entered)))
            end -= lost
    spoken = [(b.label, b.value) for b in bars]
    return _figure("What each step kept and dropped.", spoken, lambda width: charts.bars(bars, width), table)


def _signals(rows: Sequence[Row]) -> Figure:
    families = ("stated", "expressed", "revealed")
    ordered = sorted(rows, key=lambda r: families.index(r["family"]) if r.get("family") in families else len(families))
    bars = [
        charts.Bar(
            f"{_label(r.get('family'))} · {_label(r.get('signal'))}",
            f"n = {count(r.get('answers'))} ({percent(r.get('share'))})",
            0,
            min(1.0, max(0.0, number(r.get("share")) or 0)),
            _tone(r.get("family")),
        )
        for r in ordered
    ]
    names, counts = ("signal", "family"), ("events", "answers")
    table = (
        (*(_label(r.get(k)) for k in names), *(count(r.get(k)) for k in counts), percent(r.get("share")))
        for r in ordered
    )
    spoken = [(b.label, b.value) for b in bars]
    return _figure("Answers with each signal.", spoken, lambda width: charts.bars(bars, width), table)


def _association(rows: Sequence[Row]) -> Figure:
    names = ("stated", "revealed", "statistic")
    lines = [
        _line(f"{_label(r.get('stated'))} × {_label(r.get('revealed'))}", f"{interval(r)}, n = {count(r.get('n'))}", r)
        for r in rows
    ]
    title = " or ".join(dict.fromkeys(_label(r.get("statistic")) for r in rows))
    return _figure(
        "Correlations of stated with revealed labels.",
        ((x.label, x.value) for x in lines),
        lambda width: charts.intervals(lines, width, domain=(-0.1, 0.5), marks=[0.0], title=title),
        ((*(_label(r.get(k)) for k in names), interval(r), count(r.get("n"))) for r in rows),
    )


def _matrix(rows: Sequence[Row]) -> Figure:
    names = ("train", "test", "metric")
    cells = []
    for r in rows:
        ends = interval({**r, "estimate": None}).removeprefix(f"{NONE} ")
        words = (two(r.get("estimate")), ends, f"n = {count(r.get('pairs'))}")
        column = f"{_label(r.get('test'))} pairs"
        cells.append(charts.Cell(_label(r.get("train")), column, words, number(r.get("estimate"))))
    return _figure(
        "Pair accuracy.",
        ((f"trained on {c.row}, tested on {c.column}", ", ".join(c.lines)) for c in cells),
        lambda width: charts.matrix(cells, width - 88, column_title="tested on"),
        ((*(_label(r.get(k)) for k in names), interval(r), count(r.get("pairs"))) for r in rows),
    )


def _reliability(rows: Sequence[Row]) -> Figure:
    lines = [
        _line(_label(r.get("family")), f"{interval(r)}, 5 % bound {two(r.get('low5'))}", r, _tone(r.get("family")))
        for r in rows
    ]

    def passes(row: Row) -> str:
        low = number(row.get("low5"))
        return NONE if low is None else "yes" if low >= THRESHOLD else "no"

    return _figure(
        f"Reliability by family; the threshold for the 5 % bound is {two(THRESHOLD)}.",
        ((x.label, x.value) for x in lines),
        lambda width: charts.intervals(lines, width, domain=(0, 1), marks=[THRESHOLD], title="reliability"),
        ((_label(r.get("family")), interval(r), two(r.get("low5")), two(THRESHOLD), passes(r)) for r in rows),
    )


def _by_size(rows: Sequence[Row], truth: float | None) -> Figure:
    names = {0.25: "n/4", 0.5: "n/2", 1.0: "n"}
    lines, table = [], []
    for r in rows:
        sizes = (count(r.get("labels_stated")), count(r.get("labels_revealed")))
        name = names.get(number(r.get("share")) or 0, f"{two(r.get('share'))} n")
        estimate = {**r, "estimate": r.get("rho")}
        words = interval(estimate)
        lines.append(_line(f"{name}\n{' + '.join(sizes)}", words, estimate))
        table.append((name, *sizes, words))
    spoken = [(x.label.replace("\n", ", "), x.value) for x in lines]
    known = [t for t, x in zip(table, lines, strict=True) if x.estimate is not None]
    return _figure(
        "ρ by number of labels.",
        spoken,
        lambda width: charts.by_size(lines, width - 40, truth=truth),
        table if known else (),
    )
