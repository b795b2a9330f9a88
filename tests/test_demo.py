"""`unspoken demo` as a newcomer runs it, on a tiny base model; .ci/run makes it with the one that is shipped."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import unspoken

pytestmark = pytest.mark.timeout(1800)  # all tests here wait for one demo
ROOT = Path(unspoken.__file__).parents[2]
SOURCES = os.pathsep.join([str(ROOT / "platform"), str(ROOT / "workers")])
PROJECTS = {"chitchat": None, "simulated-same": 1.0, "simulated-apart": 0.3}
LABELS = {
    "differ by more than the margin",
    "differ",
    "differ, less than the margin",
    "same",
    "cannot tell",
}


def demo(home: Path, base: Path) -> subprocess.CompletedProcess[str]:
    """`unspoken demo --short`, in an environment that nothing else set up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UNSPOKEN_")}
    return subprocess.run(
        [sys.executable, "-m", "unspoken", "demo", "--short", "--home", str(home)],
        env=kept | {"PYTHONPATH": SOURCES, "UNSPOKEN_BASE_MODEL": str(base), "OMP_NUM_THREADS": "1"},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo") / "home"


@pytest.fixture(scope="module")
def first(home, tiny_base) -> str:
    """What the first run printed."""
    ran = demo(home, tiny_base)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def tables(output: str) -> list[str]:
    """The lines of the table and of the pages below it."""
    return [line for line in output.splitlines() if line.startswith(("│", "┃")) or line.endswith("index.html")]


def reports(home: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(file.read_text()) for file in home.glob("reports/*/report.json")]
    return {report["project"]: report for report in found}


def test_the_table_has_a_row_and_a_verdict_for_each_project(first, home):
    table = " ".join(first.partition("What people say and what they do")[2].split())
    for title in ("real chats", "SIMULATED, ρ = 1", "SIMULATED, ρ = .3"):
        assert title in table
    assert sum(table.count(label) for label in ("cannot tell", "differ", "same")) >= len(PROJECTS)
    assert {report["verdict"]["label"] for report in reports(home).values()} <= LABELS


def test_what_is_real_and_what_is_simulated_is_said(first, home):
    assert "Simulated people do not exist" in " ".join(first.split())
    assert "--short: part of the data" in first
    found = reports(home)
    assert {name: report["simulated"] for name, report in found.items()} == {
        name: rho is not None for name, rho in PROJECTS.items()
    }
    assert {name: (report["verdict"]["truth"] or {}).get("rho") for name, report in found.items()} == PROJECTS


def test_real_chats_are_never_said_to_prove_more_than_they_do(first, home):
    assert reports(home)["chitchat"]["verdict"]["label"] == "cannot tell"


def test_one_utility_is_not_said_to_be_two(first, home):
    assert "differ" not in reports(home)["simulated-same"]["verdict"]["label"]


def test_the_reports_lie_where_the_output_says(first, home):
    pages = [Path(line.partition(": ")[2]) for line in first.splitlines() if line.endswith("index.html")]
    assert len(pages) == len(PROJECTS)
    for page in pages:
        assert page.is_relative_to(home)
        assert "<html" in page.read_text()


def test_a_second_run_shows_the_same_and_repeats_no_work(first, home, tiny_base):
    def written() -> dict[Path, int]:
        return {
            file: file.stat().st_mtime_ns
            for kind in ("reports", "runs", "datasets")
            for file in home.rglob(f"{kind}/**/*")
        }

    before = written()
    again = demo(home, tiny_base)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("import: 100 % there already") == len(PROJECTS)
    assert "label, train" not in again.stdout
    assert written() == before
    seconds = re.search(r"^(\d+) s\. See all of it", again.stdout, re.MULTILINE)
    assert seconds
    assert int(seconds[1]) < 10
    assert f"UNSPOKEN_HOME={home} unspoken up" in again.stdout.splitlines()
    assert tables(again.stdout) == tables(first)
