"""How good are the labels, in every world of the simulator? Against the Bayes posterior of the same acts or words.

Each world is drawn, read through the platform's own functions (events → episodes → labels) and scored with the truth
that only the simulator knows. Beside the factor, in the same run: the ceiling, two classes fitted by EM, raw and
tempered on anchors, and hand-set weights; then what votes and replies say. `--world WORLD` scores a folder that any
program wrote.
Run: make bench NAME=labels
"""

import json
import os
import platform
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
NOTE = (
    "First the revealed family. Labelled: the share of answers with a label; all arms are scored on the same answers. "
    "KL is KL(p_bayes ‖ p) in nats. A loss of AUC is the factor's in the default world less its own in this one, by "
    "seed; an excess, what is lost beyond the ceiling's loss. length_artefact: weight of sentences that nobody minds "
    "in the sibling model, in units of all other weights together; the truth is 0 (by_margin: in a model that takes "
    "the margins of the pairs as they are, without_margin: in one that is not told of position). Each is the mean of "
    "four worlds per seed, five times as large. votes_read: whether turning every vote round changed any revealed "
    "label by a bit (tests/pairs/test_firewall.py holds it too; that models of shuffled votes agree with nothing, "
    "tests/report/test_halves.py). stated_cosine_brigade is of the whole preset, 55,000 answers, whatever the size of "
    "the others; its ceiling, of the honest votes in it alone. docs/simulator.md says what each world is.\n"
)
OF_FAMILIES = (
    "Then the stated family, votes against u_stated > 0, and the expressed one, replies (found by rules alone) against"
    " what replies follow in that world: half of both utilities, in mixed four fifths the stated one. Labelled: the "
    "share of all answers that have such a label; the others are in no score. weighted: each answer counts as its vote"
    " weighs in a dataset, so the scores speak of all completed answers. bayes: the posterior of that one vote (and "
    "the voter's leniency), or of that one reply's class, by the true rates and slopes. – where none is known: in "
    "null_selected, selected and attribute_votes the text decides who votes. Left out of bayes and KL elsewhere: votes"
    " of a brigade or of poisoners and what the gullible say, which follow no worth; replies where the answer has "
    "siblings, because which of them was kept is a choice. A vote is yes or no, so its KL has no bound: p is taken "
    ".000001 from 0 and 1, as of every arm. No EM and no other weighing stand beside them: two classes cannot be told "
    "from one vote, and the weights of replies are hand-set already (docs/replies.md).\n"
)


def main() -> None:
    """Measure, print, write results/labels.{json,md}; a foreign world is printed only."""
    sys.path.insert(0, str(HERE.parent))  # the folder beside this file is a package of the repository's root
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two threads make small matrices slower, not faster
    from unspoken.simulate.presets import PRESETS

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", default=",".join(PRESETS), help="presets, with commas between them")
    parser.add_argument("--seeds", type=int, default=3, help="drawings of each world")
    parser.add_argument("--answers", type=int, default=None, help="about how many per world; the preset's own without")
    parser.add_argument(
        "--world", type=Path, nargs="+", help="world folders that any program wrote, in place of the presets"
    )
    chosen = parser.parse_args()
    if chosen.world:
        foreign(chosen.world)
    else:
        simulated(chosen.worlds.split(","), chosen.seeds, chosen.answers)


def foreign(folders: list[Path]) -> None:
    """Score worlds that are there already; what cannot be read ends it with one sentence and status 2."""
    from benchmarks.labels_parts import directions
    from benchmarks.labels_parts.cases import of_folder
    from benchmarks.labels_parts.measuring import measure
    from benchmarks.labels_parts.telling import families_table, finite, table

    from unspoken.errors import UnspokenError

    found: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        try:
            case = of_folder(folder)
        except UnspokenError as error:
            print(f"error: {error.detail}", file=sys.stderr)
            raise SystemExit(2) from None
        row = finite(measure(case, 0) | directions.stated(case) | {"notes": case.notes})
        print(json.dumps({"world": case.name, **row}, indent=1, ensure_ascii=False))
        found.setdefault(case.name, []).append(row)
    print(f"{table(found)}\n\n{families_table(found)}")


def simulated(names: list[str], seeds: int, answers: int | None) -> None:
    """Draw and score each preset `seeds` times."""
    from benchmarks.labels_parts.measuring import FIRST_SEED, MORE_WORLDS, of_chains, of_world
    from benchmarks.labels_parts.telling import families_table, figures, headlines, table
    from rich.console import Console
    from rich.progress import track

    started = perf_counter()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    jobs = [(FIRST_SEED + seed, name) for seed in range(seeds) for name in names]
    for seed, name in track(jobs, "worlds", console=Console(stderr=True)):
        found[name].append(of_world(name, seed, answers))
        print(json.dumps({"world": name, **found[name][-1]}), flush=True)
    chains = []
    if "recency" in names:
        for seed in track(range(MORE_WORLDS * seeds), "chains", console=Console(stderr=True)):
            chains.append(of_chains(FIRST_SEED + seed, answers))
            print(json.dumps({"world": "recency, more chains", **chains[-1]}), flush=True)
    told = figures(found, chains)
    result = {
        "name": "labels",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("unspoken", "numpy", "scipy", "polars")},
        "settings": {"seeds": seeds, "answers": answers, "worlds": names},
        "figures": told | {"worlds": found, "chains": chains},
    }
    words = (
        f"# labels\n\nSIMULATED worlds: no person in them exists. {seeds} seeds each; means, and 95 % intervals over "
        f"seeds.\n\n{headlines(told)}\n\n{table(found)}\n\n{NOTE}\n{families_table(found)}\n\n{OF_FAMILIES}"
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "labels.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "labels.md").write_text(words)
    print(words)
    print(f"{perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
