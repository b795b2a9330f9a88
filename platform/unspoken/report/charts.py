"""The report's figures as SVG text: drawn by Vega-Altair, then reduced to shapes and text that need no script.

Every function takes plain rows whose strings are already safe to show, and a width in CSS pixels. Colours are the
light half of `PALETTE`; the page maps each to a CSS variable, so the same SVG reads in light, dark and print.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree

import altair as alt
import vl_convert

# name → (light, dark): text colours reach 4.5:1 and marks 3:1 on the panel of their scheme.
PALETTE: dict[str, tuple[str, str]] = {
    "ink": ("#1b1f24", "#eceef1"),
    "muted": ("#57606b", "#a9b2bd"),
    "rail": ("#e3e6ea", "#343b45"),
    "stated": ("#2460b8", "#82b1ff"),
    "revealed": ("#a8500b", "#f2a65e"),
    "expressed": ("#7a3fa6", "#cba1ee"),
    "kept": ("#0e6f67", "#4cc9bb"),
    "dropped": ("#b0344c", "#f28b9d"),
}
LIGHT = {name: pair[0] for name, pair in PALETTE.items()}

_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = {"svg", "g", "path", "rect", "line", "text", "tspan"}
_ATTRIBUTES = {
    *("viewBox", "transform", "d", "x", "y", "x2", "y2", "x1", "y1", "width", "height", "dx", "dy"),
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap"),
    *("opacity", "text-anchor", "font-size", "font-weight"),
}
_SHORT = "replace(format(datum.value, '.2~f'), /^(−?)0\\./, '$1.')"  # .5 and −.5, as in the page's words
_ROW, _LINE, _DESK = 40, 18, 480  # px: a row, one more line of text in it, the width from which one line will do


@dataclass(frozen=True, slots=True)
class Bar:
    """A labelled bar from `start` to `end` on a rail of length 1; `tone` names a colour of `PALETTE`."""

    label: str
    value: str
    start: float
    end: float
    tone: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A labelled estimate with its interval; any of the three may be unknown, and is then not drawn."""

    label: str
    value: str
    estimate: float | None
    low: float | None
    high: float | None
    tone: str = "stated"


@dataclass(frozen=True, slots=True)
class Cell:
    """One square of the cross-evaluation matrix; `estimate` is an accuracy, .5 is chance."""

    row: str
    column: str
    lines: tuple[str, ...]
    estimate: float | None


@dataclass(frozen=True, slots=True)
class Gap:
    """The preference gap with its two-sided interval, the one-sided bound, the margin and, if known, the truth."""

    estimate: float
    low: float
    high: float
    upper95: float | None
    margin: float
    truth: float | None
    estimate_text: str
    margin_text: str
    truth_text: str


def bars(rows: Sequence[Bar], width: int) -> str:
    """One bar a row, its label and value above it. The x axis is a share, so it has no ticks."""
    data = [
        {"row": i, "label": r.label, "value": r.value, "start": r.start, "end": r.end, "fill": LIGHT[r.tone]}
        for i, r in enumerate(rows)
    ]
    y, below = _row_axis(len(rows)), _below(width)
    x = alt.X("start:Q", axis=None, scale=alt.Scale(domain=[0, 1]))
    chart = _data(data)
    rail = _data([{"row": d["row"], "start": 0, "end": 1} for d in data])
    rail_bar = rail.mark_bar(size=9, yOffset=below, color=LIGHT["rail"]).encode(x=x, x2="end:Q", y=y)
    bar = chart.mark_bar(size=9, yOffset=below).encode(
        x=x, x2="end:Q", y=y, color=alt.Color("fill:N", scale=None, legend=None)
    )
    return _svg(alt.layer(rail_bar, bar, *_row_text(data, y, width)), width, _row_height(width) * len(rows))


def intervals(
    rows: Sequence[Interval], width: int, *, domain: tuple[float, float], marks: Sequence[float], title: str
) -> str:
    """One estimate with its interval a row. `marks` are reference values, drawn as a tick in every row."""
    data = [
        {"row": i, "label": r.label, "value": r.value, "estimate": r.estimate, "low": r.low, "high": r.high}
        | {"fill": LIGHT[r.tone]}
        for i, r in enumerate(rows)
    ]
    span = (
        min([domain[0], *(r.low for r in rows if r.low is not None)]),
        max([domain[1], *(r.high for r in rows if r.high is not None)]),
    )
    y, below = _row_axis(len(rows)), _below(width)
    scale = alt.Scale(domain=list(span), nice=False, zero=False)
    axis = alt.Axis(title=title, tickCount=5, labelExpr=_SHORT)
    tone = alt.Color("fill:N", scale=None, legend=None)
    rail = _data([{"row": d["row"], "low": span[0], "high": span[1]} for d in data])
    ticks = _data([{"row": d["row"], "mark": mark} for d in data for mark in marks])
    whole = _data([d for d in data if d["low"] is not None and d["high"] is not None])
    known = _data([d for d in data if d["estimate"] is not None])
    layers = [
        rail.mark_rule(yOffset=below, strokeWidth=1, color=LIGHT["rail"]).encode(
            x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", y=y
        ),
        ticks.mark_tick(yOffset=below, size=14, thickness=2, color=LIGHT["muted"]).encode(x="mark:Q", y=y),
        whole.mark_rule(yOffset=below, strokeWidth=4, strokeCap="round", opacity=0.55).encode(
            x="low:Q", x2="high:Q", y=y, color=tone
        ),
        known.mark_point(yOffset=below, filled=True, size=110, opacity=1).encode(x="estimate:Q", y=y, color=tone),
    ]
    return _svg(alt.layer(*layers, *_row_text(data, y, width)), width, _row_height(width) * len(rows) + 6)


def gap(value: Gap, width: int) -> str:
    """The gap on its line: the band within the margin, zero, the interval, the one-sided bound and the truth."""
    points = [value.estimate, value.low, value.high, -value.margin, value.margin, 0.0]
    points += [x for x in (value.upper95, value.truth) if x is not None]
    pad = 0.16 * (max(points) - min(points))
    scale = alt.Scale(domain=[min(points) - pad, max(points) + pad], nice=False, zero=False)
    axis = alt.Axis(title="preference gap, 1 − ρ (0: the two want the same)", tickCount=6, labelExpr=_SHORT)
    line, height = 66, 104

    def at(fields: dict[str, Any]) -> alt.Chart:
        return _data([fields])

    def text(x: float, words: str, y: int, tone: str) -> alt.Chart:
        mark = at({"x": x, "text": words}).mark_text(fontSize=12, fontWeight="bold", color=LIGHT[tone])
        encoded: alt.Chart = mark.encode(x="x:Q", y=alt.value(y), text="text:N")
        return encoded

    layers = [
        at({"x": -value.margin, "end": value.margin})
        .mark_rect(color=LIGHT["kept"], opacity=0.2)
        .encode(x=alt.X("x:Q", scale=scale, axis=axis), x2="end:Q", y=alt.value(18), y2=alt.value(height)),
        at({"x": 0})
        .mark_rule(color=LIGHT["muted"], strokeDash=[4, 3], strokeWidth=1.5)
        .encode(x="x:Q", y=alt.value(18), y2=alt.value(height)),
        at({"x": value.low, "end": value.high})
        .mark_rule(strokeWidth=8, strokeCap="round", color=LIGHT["stated"], opacity=0.5)
        .encode(x="x:Q", x2="end:Q", y=alt.value(line)),
    ]
    if value.upper95 is not None:
        tick = at({"x": value.upper95}).mark_tick(orient="vertical", size=16, thickness=2, color=LIGHT["stated"])
        layers.append(tick.encode(x="x:Q", y=alt.value(line)))
    layers.append(
        at({"x": value.estimate})
        .mark_point(filled=True, size=190, opacity=1, color=LIGHT["stated"])
        .encode(x="x:Q", y=alt.value(line))
    )
    if value.truth is not None:
        tick = at({"x": value.truth}).mark_tick(orient="vertical", size=30, thickness=3, color=LIGHT["revealed"])
        layers.append(tick.encode(x="x:Q", y=alt.value(line)))
        layers.append(text(value.truth, value.truth_text, line + 27, "revealed"))
    layers.append(text(0.0, value.margin_text, 10, "kept"))
    layers.append(text(value.estimate, value.estimate_text, line - 27, "ink"))
    return _svg(alt.layer(*layers), width, height)


def matrix(cells: Sequence[Cell], width: int, *, column_title: str) -> str:
    """Rows × columns of accuracies; the further from .5 the stronger the tone, above and below in two tones."""
    rows, columns = list(dict.fromkeys(c.row for c in cells)), list(dict.fromkeys(c.column for c in cells))
    data = [
        {"row": c.row, "column": c.column}
        | {f"line{i}": words for i, words in enumerate(c.lines)}
        | {"fill": LIGHT["revealed" if (c.estimate or 0.5) < 0.5 else "stated"]}
        | {"strength": 0.06 if c.estimate is None else min(0.45, 0.06 + 2 * abs(c.estimate - 0.5))}
        for c in cells
    ]
    look: dict[str, Any] = {"labelFontSize": 12, "labelLimit": 104, "labelColor": LIGHT["ink"], "ticks": False}
    top = alt.Axis(**look, domain=False, orient="top", labelAngle=0, title=column_title)
    x = alt.X("column:N", sort=columns, scale=alt.Scale(paddingInner=0.03), axis=top)
    left = alt.Axis(**look, domain=False, title=None)
    y = alt.Y("row:N", sort=rows, scale=alt.Scale(paddingInner=0.05), axis=left)
    chart = _data(data)
    layers = [
        chart.mark_rect(cornerRadius=4).encode(
            x=x,
            y=y,
            color=alt.Color("fill:N", scale=None, legend=None),
            opacity=alt.Opacity("strength:Q", scale=None, legend=None),
        )
    ]
    looks: list[tuple[int, int, Literal["bold", "normal"]]] = [(-16, 15, "bold"), (3, 12, "normal"), (20, 11, "normal")]
    for i, (dy, size, weight) in enumerate(looks):
        text = chart.mark_text(dy=dy, fontSize=size, fontWeight=weight, color=LIGHT["ink"])
        layers.append(text.encode(x=x, y=y, text=f"line{i}:N"))
    return _svg(alt.layer(*layers), width, 72 * len(rows))


def by_size(rows: Sequence[Interval], width: int, *, truth: float | None) -> str:
    """Estimates in the order given, from few labels to all; a label's line break is kept. Truth is a dashed line."""
    data = [{"label": r.label, "estimate": r.estimate, "low": r.low, "high": r.high} for r in rows]
    ends = [0.0, 1.0, *(x for r in rows for x in (r.low, r.high) if x is not None)]
    scale = alt.Scale(domain=[min(ends), max(ends)], nice=False)
    axis = alt.Axis(labelAngle=0, labelExpr="split(datum.label, '\\n')", title="labels per arm: stated + revealed")
    x = alt.X("label:N", sort=[r.label for r in rows], axis=axis)
    y_axis = alt.Axis(title="ρ", titleAngle=0, grid=True, gridColor=LIGHT["rail"], tickCount=5, labelExpr=_SHORT)
    y = alt.Y("estimate:Q", scale=scale, axis=y_axis)
    tone = LIGHT["stated"]
    known = _data([d for d in data if d["estimate"] is not None])
    whole = _data([d for d in data if d["low"] is not None and d["high"] is not None])
    layers: list[alt.Chart] = [
        _data(data).mark_point(opacity=0).encode(x=x),
        known.mark_line(color=tone, strokeWidth=1.5, opacity=0.7).encode(x=x, y=y),
        whole.mark_rule(color=tone, strokeWidth=4, strokeCap="round", opacity=0.5).encode(x=x, y="low:Q", y2="high:Q"),
        known.mark_point(filled=True, size=120, opacity=1, color=tone).encode(x=x, y=y),
    ]
    if truth is not None:
        rule = _data([{"truth": truth}]).mark_rule(color=LIGHT["revealed"], strokeDash=[5, 4], strokeWidth=2)
        layers.append(rule.encode(y="truth:Q"))
    return _svg(alt.layer(*layers), width, 210)


def _data(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(list(rows)))


def _row_axis(count: int) -> alt.Y:
    return alt.Y("row:O", axis=None, scale=alt.Scale(domain=list(range(count)), padding=0))


def _row_height(width: int) -> int:
    return _ROW if width >= _DESK else _ROW + _LINE


def _below(width: int) -> int:
    """How far under the middle of its row the bar or interval lies, px."""
    return 8 if width >= _DESK else 18


def _row_text(data: Sequence[dict[str, Any]], y: alt.Y, width: int) -> list[alt.Chart]:
    """Label and value above the bar, where long words need no margin of their own; on a phone one above the other."""
    wide = width >= _DESK
    chart = _data(data)
    room = int(width * 0.6) if wide else width
    label = chart.mark_text(align="left", dy=-8 if wide else -16, fontSize=13, color=LIGHT["ink"], limit=room)
    value = chart.mark_text(align="right" if wide else "left", dy=-8 if wide else 1, fontSize=12, color=LIGHT["muted"])
    return [
        label.encode(x=alt.value(0), y=y, text="label:N"),
        value.encode(x=alt.value(width if wide else 0), y=y, text="value:N"),
    ]


def _svg(chart: alt.LayerChart | alt.FacetChart, width: int, height: int) -> str:
    whole = (
        chart.properties(width=width, height=height, background="transparent", padding=2)
        .configure(aria=False, font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            grid=False,
            domainColor=LIGHT["rail"],
            tickColor=LIGHT["rail"],
            labelColor=LIGHT["muted"],
            titleColor=LIGHT["muted"],
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight=400,
            titlePadding=8,
            titleLimit=width,
        )
    )
    return plain_svg(vl_convert.vegalite_to_svg(whole.to_dict(), allowed_base_urls=[]))


def plain_svg(svg: str) -> str:
    """Keep only shapes, text and their look. Ids, clips, links and roles go: ids carry a counter of the process,
    and a report must be the same bytes each time; links and handlers have no business in it. Words are escaped again.
    """
    root = ElementTree.fromstring(svg)
    _strip(root)
    size = [float(x) for x in root.attrib["viewBox"].split()[2:]]
    root.set("style", f"max-width:{math.ceil(size[0])}px")
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _strip(element: ElementTree.Element) -> None:
    for name in [n for n in element.attrib if n not in _ATTRIBUTES]:
        del element.attrib[name]
    if element.tag == f"{{{_SVG}}}svg":
        element.attrib.pop("width", None)
        element.attrib.pop("height", None)
    for child in list(element):
        tag = child.tag.removeprefix(f"{{{_SVG}}}")
        hidden = child.get("display") == "none" or child.get("class") == "background"
        if tag not in _ELEMENTS or hidden:
            element.remove(child)
        else:
            _strip(child)
