"""What is installed: the wheel holds what it must, the locks what the project asks for, no more and no less."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS = PROJECT["dependency-groups"]["dev"]
PROGRAM = list(chain(PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()))
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-data.lock")

# As a newcomer may have it: Python's versions differ in what they bring themselves, platforms in what wheels ask for.
PYTHONS = ("3.11.0", "3.11.9", "3.12.4", "3.13.1", "3.14.0")
PLATFORMS = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))


def lines(lock):
    return [line for line in (ROOT / lock).read_text().splitlines() if line and not line.startswith("#")]


def pins(*locks):
    """Canonical name → requirement, of these locks."""
    return {canonicalize_name(pin.name): pin for lock in locks for pin in map(Requirement, lines(lock))}


def environments():
    for python in PYTHONS:
        for system, name, machine in PLATFORMS:
            yield dict(default_environment()) | {
                "python_full_version": python,
                "python_version": python.rpartition(".")[0],
                "sys_platform": system,
                "platform_system": name,
                "platform_machine": machine,
            }


def needed(asked, environment, without_dependencies=()):
    """Names of all packages that these requirements lead to."""
    found = set()
    todo = [(Requirement(each), frozenset({""})) for each in asked]
    while todo:
        requirement, extras_above = todo.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate(environment | {"extra": extra}) for extra in extras_above):
            continue
        name, extras = canonicalize_name(requirement.name), frozenset({"", *requirement.extras})
        if (name, extras) in found:
            continue
        found.add((name, extras))
        if name not in without_dependencies:
            todo += [(Requirement(each), extras) for each in requirements_of(name)]
    return {name for name, _ in found}


def requirements_of(name):
    try:
        asked = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # one for another platform or an older Python; its pin is checked by name
        return []
    # A CUDA build of torch asks for libraries that differ by platform; torch pins each itself (docs/decisions/0002).
    return [each for each in asked if not re.match(r"nvidia-|cuda-|triton", each)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of this checkout, unpacked."""
    source = tmp_path_factory.mktemp("source") / "unspoken"
    source.mkdir()
    for name in ("platform", "workers", "migrations"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=source, check=True, capture_output=True
    )
    (built,) = (source / "dist").glob("*.whl")
    target = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(target)
    return target


def test_the_wheel_holds_the_program_the_workers_and_the_migrations(wheel):
    for path in ("unspoken/py.typed", "unspoken/cli/__init__.py", "unspoken_workers/app.py"):
        assert (wheel / path).is_file(), path
    for path in ("env.py", "script.py.mako", "versions"):
        assert (wheel / "unspoken" / "migrations" / path).exists(), path


def test_the_wheel_leaves_no_name_beside_the_two_packages(wheel):
    """A top-level `platform` would shadow the standard library's."""
    top = {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")}

    assert top == {"unspoken", "unspoken_workers"}


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    packages = {ROOT / "platform" / "unspoken": "unspoken", ROOT / "workers" / "unspoken_workers": "unspoken_workers"}
    for source, name in packages.items():
        here = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"}
        packed = {path.relative_to(wheel / name) for path in (wheel / name).rglob("*") if path.is_file()}
        assert here <= packed, sorted(map(str, here - packed))


def test_a_program_from_the_wheel_makes_its_own_tables(wheel, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(wheel), "UNSPOKEN_HOME": str(tmp_path / "home")}
    program = "import unspoken; print(unspoken.__file__); from unspoken.cli import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "migrate"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert str(wheel) in done.stdout
    assert (tmp_path / "home" / "unspoken.db").is_file()


def test_the_version_in_the_wheel_is_the_one_that_the_package_says(wheel):
    (information,) = wheel.glob("*.dist-info")
    said = re.search(r'__version__ = "(.+)"', (ROOT / "platform" / "unspoken" / "__init__.py").read_text())

    assert said
    assert f"Version: {said[1]}\n" in (information / "METADATA").read_text()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_each_package_to_one_public_version(lock):
    for pin in map(Requirement, lines(lock)):
        (version,) = pin.specifier
        assert version.operator == "==", pin
        assert "*" not in version.version, pin
        assert "+" not in version.version, f"{pin}: a local version exists on one index only"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_path(lock):
    for line in lines(lock):
        assert not re.search(r"[@/\\]|--", line), line


def test_torch_is_the_version_that_everything_was_tested_with():
    assert str(pins("requirements.lock")["torch"]) == "torch==2.13.0"


def test_the_locks_hold_exactly_what_the_project_leads_to():
    data = set(pins("requirements-data.lock"))
    program = set().union(*(needed(PROGRAM, each, data) for each in environments()))
    tools = set().union(*(needed(TOOLS, each) for each in environments()))

    assert set(pins("requirements.lock")) == program - data
    assert set(pins("requirements-dev.lock")) == tools - program


def test_each_pin_is_a_version_that_the_project_allows():
    for requirement in map(Requirement, [*PROGRAM, *TOOLS]):
        (pin,) = pins(*LOCKS)[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), f"{requirement} and {pin}"


def test_what_is_installed_here_is_what_the_locks_say():
    for name, pin in pins(*LOCKS).items():
        if pin.marker and not pin.marker.evaluate():
            continue
        assert pin.specifier.contains(metadata.version(name).partition("+")[0]), name
