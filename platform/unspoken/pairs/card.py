"""The data card of an export: what is in it, how it came about, what was left out, and what it does not mean.

Markdown with the front matter that Hugging Face reads; a pure function of the dataset and the export's manifest.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unspoken.pairs.formats.described import CHARS_PER_TOKEN, QUANTILES, TOKENS

if TYPE_CHECKING:
    from unspoken.pairs.folder import DatasetFolder
    from unspoken.pairs.formats.format import Format

FAMILIES = {
    "stated": "what people say when asked: votes, ratings, side-by-side choices",
    "expressed": "what people say unasked, in their next message: complaints, thanks, corrections",
    "revealed": "what people do: regenerate, stop, close, copy, pause, go back to an earlier answer",
}
SIZES = {"n<1K": 10**3, "1K<n<10K": 10**4, "10K<n<100K": 10**5, "100K<n<1M": 10**6, "1M<n<10M": 10**7}
LIMITS = """\
* **Revealed means as inferred from these behaviours in this interface.** It is no claim about anybody's welfare.
* No family stands for another. Where two agree they may share a bias: people vote for flattery, and return to it.
* No act is no judgement: who did not copy an answer did not dislike it.
* Not every answer had the same chance of a label. Who votes, regenerates or goes back is not a random draw.
* Scores of a model trained on this are comparable among answers to one prompt only.
* Nobody who stands in `train` stands in `test`. Keep it so: split by people, and not by rows.
* Texts are as people and the chatbot wrote them, after the redaction that was set up. Look before you share.
"""


UNTESTED = (
    "No planted anchor: nothing tested these labels. To have them tested, show a few answers that were spoiled on "
    "purpose and name how in `arm.anchor` (docs/labels.md)."
)
# What a margin leaves of length, in units of all other weights together (benchmarks/results/labels.json).
LENGTH = {"length_by_margin": 0.038, "length_artefact": -0.006, "length_without_margin": 0.589}
MARGINS = (
    "Margins take an answer's place out of the choice. A trainer that takes them as they are still learns a little of "
    "place: in simulated worlds where every further answer was longer than the one before, a liking for length of "
    f"{LENGTH['length_by_margin']:.3f} that nobody had, in units of all other weights together. `unspoken train` fits "
    f"how much of the margins holds, and learns {LENGTH['length_artefact']:.3f}; without margins it is "
    f"{LENGTH['length_without_margin']:.2f}. Look at what your model makes of length."
)


def card(dataset: "DatasetFolder", form: "Format", manifest: Mapping[str, Any]) -> str:
    """README.md of an export whose manifest is as unspoken.pairs.formats.export writes it."""
    about, files = dataset.about, manifest["files"]
    title = f"{about.get('project') or 'Unnamed'}: preferences as {form.name}"
    rows = sum(each["rows"] for each in files)
    families = sorted({each["family"] for each in files})
    simulated = ["**Simulated: these people do not exist.**"] if about.get("simulated") else []
    sections = [
        _front_matter(title, rows, files),
        f"# {_line(title)}",
        *simulated,
        f"{rows:,} rows, in the format of {form.says}; made by Unspoken {manifest['version']} from what people said "
        "about a chatbot's answers and from what they did with them.",
        _list(f"`{family}`: {FAMILIES.get(family, 'a family of its own')}." for family in families),
        "## Files",
        _table(
            ("file", "family", "records", "split", "count", "rows", "SHA-256"),
            [[each[k] for k in ("file", "family", "unit", "split", "records", "rows", "sha256")] for each in files],
        ),
        f"What a trainer reads: {', '.join(f'`{column}`' for column in form.columns)}. The other columns say where a "
        "row comes from; the ids are the chatbot's messages, so that an erasure can be carried out here as well.",
        "## What it was made for",
        "Training and testing reward models and policies on the preferences of the people in it, with the consent to "
        "training that they gave or that the project assumes; who did not consent is counted below.",
        "## Where the labels come from",
        _rules(manifest["records"]),
        *_how(dataset),
        "## What was left out",
        "Before the export, when the labels were made:",
        _funnel(dataset.funnel),
        "For this export:",
        _funnel(manifest["funnel"]),
        "## What this format cannot hold",
        _list(_cannot(form, manifest)),
        "## Lengths and people",
        _lengths(manifest["records"]),
        *([MARGINS] if form.holds_margin and (dataset.pairs["margin"] != 0).any() else []),
        "Trainers drop or cut what is over their limit of tokens (TRL's RewardTrainer drops the pair). Loss that goes "
        f"by length changes what is learned; tokens here are characters / {CHARS_PER_TOKEN}, so measure with yours.",
        "## Limits",
        LIMITS.rstrip(),
        "## Licence, citation, origin",
        "The licence is for the owner of the chatbot to choose: until then there is none. To cite, give the title "
        f"above, the dataset's digest and Unspoken's version.\n\n"
        f"* dataset: `{manifest['dataset']}`\n* Unspoken: {manifest['version']}\n* format: `{form.name}`",
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(title: str, rows: int, files: Sequence[Mapping[str, Any]]) -> str:
    """YAML; JSON's strings are YAML's, so that no title can break out of its line."""
    size = next((name for name, most in SIZES.items() if rows < most), "n>10M")
    name = json.dumps(" ".join(title.split()), ensure_ascii=False)
    told = ["---", f"pretty_name: {name}", "# license: for the owner to choose"]
    told += ["tags: [preference, reward-model, implicit-feedback, unspoken]", f"size_categories: [{size}]", "configs:"]
    by_config: dict[str, list[str]] = {}
    for each in files:
        config = each["file"].rpartition("-")[0]
        entry = [f"      - split: {each['split']}", f"        path: {each['file']}"]
        by_config.setdefault(config, []).extend(entry)
    for config, entries in by_config.items():
        told += [f"  - config_name: {config}", "    data_files:", *entries]
    return "\n".join([*told, "---"])


def _rules(records: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            each["family"],
            each["unit"],
            rule["rule"],
            f"{rule['records']:,}",
            f"{rule['weight']:,.1f}",
            f"{rule['p']:.2f}",
        )
        for each in records
        for rule in each["rules"]
    ]
    return _table(("family", "records", "rule and its version", "count", "weight", "mean p"), rows)


def _how(dataset: "DatasetFolder") -> list[str]:
    """The recipe, what was noted on the way, what the source says of itself, and the label model."""
    recipe = ", ".join(f"{name} = {value}" for name, value in dataset.recipe.as_dict().items() if value is not None)
    told = [f"Recipe: {_line(recipe)}.", *map(_line, dataset.notes)]
    told += [_line(each) for each in dataset.about.get("facts", ())]
    told += [f"Assumed: {_line(each)}" for each in dataset.about.get("assumptions", ())]
    return [_list(told), *_label_model(dataset.accounts["label_model"])]


def _label_model(model: Mapping[str, Any]) -> list[str]:
    """What the factor behind the revealed labels claims, and how it was tested; empty where there is none."""
    if not model.get("loadings"):
        return []
    alike = {refit["without"]: f"{refit['correlation']:.2f}" for refit in model["refits"]}
    slopes = [
        (_act(each), f"{each['value']:+.2f}", f"{each['se']:.2f}", alike.get(each["signal"], "–"))
        for each in model["loadings"]
        if each["of"] == "slope"
    ]
    banded = [each for each in model["residuals"] if each["band"] is not None]
    beyond = [each for each in banded if abs(each["correlation"]) > max(each["band"], 0.05)]  # less is negligible
    told = [f"{len(beyond)} of {len(banded)} pairs of signals are tied beyond what one worth explains."]
    told += [
        f"{each['signal']} bends: {each['value']:+.2f} ± {each['se']:.2f} times u² − 1, u being the worth in sd."
        for each in model["loadings"]
        if each["of"] == "bend"
    ]
    told += [
        f"Answers spoiled on purpose ({_line(axis['axis'])}): worth {axis['shift']:+.2f} ± {axis['se']:.2f} sd: "
        f"{axis['verdict']}."
        for axis in model["anchors"]["axes"]
    ] or [UNTESTED]
    return [
        f"Revealed labels are P(worth more than the user's par), by one factor, `{model['rule']}`, over these acts:",
        _table(("act", "slope on the worth, per sd", "standard error", "labels without it correlate by"), slopes),
        _list(told),
    ]


def _act(slope: Mapping[str, Any]) -> str:
    """What was done, and in which topic where it means another thing in each."""
    if slope["topic"] is None:
        return str(slope["signal"])
    return f"{slope['signal']}, where the topic is {slope['topic'] or 'not known'}"


def _cannot(form: "Format", manifest: Mapping[str, Any]) -> list[str]:
    """What is lost although the record is there; what is lost with its record stands in the funnel."""
    told = []
    if not form.holds_p:
        least = manifest["least_p"]
        told.append(
            f"**Soft labels.** Each label is written as certain if it is at least {least:g} sure, else left out. "
            "Trained on it, a model is surer than what was seen of people allows. `p` stands in each row."
        )
        told.append(
            "**Weights.** Trainers of this format weigh all rows alike, so that one prompt which many people sent, and "
            "one busy person, count for more than they should (`weight` above and below). It stands in each row."
        )
    if "pairs" in form.units and not form.holds_margin:
        told.append(
            "**Margins.** Of regenerated answers only the pairs are here in which somebody went back to an earlier "
            "one: the last is on the screen already, and keeping it says as much about its place as about itself."
        )
    told += [f"**{reason.capitalize()}.** Left out, never flattened." for reason, _ in form.cannot]
    others = sum(each.get("other_turns", 0) for each in manifest["records"])
    if others:
        told.append(
            f"**Two prompts in a pair.** {others:,} pairs join prompts that are alike; the chosen one's stands."
        )
    return told or ["Nothing: records are as they are in the dataset."]


def _lengths(records: Sequence[Mapping[str, Any]]) -> str:
    """One column per family and kind of record."""
    measures = [_measures(each) for each in records]
    names = dict.fromkeys(name for each in measures for name in each)
    heads = [f"{each['family']} {each['unit']}" for each in records]
    return _table(("", *heads), ([name, *(each.get(name, "–") for each in measures)] for name in names))


def _measures(about: Mapping[str, Any]) -> dict[str, str]:
    shares = ["half", *(f"{share:.0%}" for share in QUANTILES[1:-1]), "all"]
    told = {
        f"{part}: {share} have up to … characters": f"{size:,}"
        for part, sizes in about["chars"].items()
        for share, size in zip(shares, sizes, strict=True)
    }
    told |= {f"over about {most:,} tokens": f"{share:.1%}" for most, share in zip(TOKENS, about["over"], strict=True)}
    if "longer_chosen" in about:
        told["the longer answer is the chosen one"] = f"{about['longer_chosen']:.1%}"
    told["people"] = f"{about['people']:,}"
    records, weight = about["most"]
    return told | {"the most records of one person": f"{records:.1%}", "the most weight of one person": f"{weight:.1%}"}


def _funnel(steps: Iterable[Mapping[str, Any]]) -> str:
    rows = []
    for step in steps:
        rows.append((step["step"], f"{step['entered']:,}", f"{step['kept']:,}", ""))
        rows += [("", "", f"−{drop['count']:,}", drop["reason"]) for drop in step["dropped"]]
    return _table(("step", "entered", "kept", "left out because"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_line(cell) for cell in line)} |" for line in lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"* {item}" for item in items)


_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", **{sign: f"\\{sign}" for sign in "\\|[]`*_"}})


def _line(said: object) -> str:
    """A stranger's words as one line that is no HTML, no link, and not the end of a table's cell."""
    return " ".join(str(said).split()).translate(_ESCAPED)
