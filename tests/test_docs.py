"""The README and docs/ say what the code does, or these fail."""

import re
from pathlib import Path
from typing import get_args

import typer.main

from unspoken import errors, events
from unspoken.cli import app
from unspoken.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EVENTS = (ROOT / "docs" / "events.md").read_text()


def _section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def test_every_path_of_the_tree_exists():
    above = ROOT
    for line in _section(README, "The tree").split("```")[1].splitlines():
        if line.strip():
            path = line.split()[0]
            if line.startswith(" "):
                assert (above / path).exists(), path
            else:
                above = ROOT / path
                assert above.exists(), path


def test_every_module_of_the_platform_stands_in_the_tree():
    tree = _section(README, "The tree")
    folders = {path.parent.name for path in (ROOT / "platform" / "unspoken").glob("*/__init__.py")}
    assert [folder for folder in folders if f"  {folder}/" not in tree] == []


def test_the_settings_table_is_the_settings():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) ?\| (.*?) \|$", _section(README, "Settings"), re.MULTILINE)
    said = {name.lower(): (default.strip("` "), text) for name, default, text in rows}
    real = {name: (str(field.default), field.description) for name, field in Settings.model_fields.items()}
    assert said == real


def test_the_error_table_is_the_error_tree():
    said: dict[str, int] = {}
    for status, types in re.findall(r"^\| (\d+) \| (.*) \|$", _section(README, "Errors"), re.MULTILINE):
        said |= {slug: int(status) for slug in re.findall(r"`([a-z-]+)`", types)}
    real = {
        each.slug: each.status
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.UnspokenError) and each is not errors.UnspokenError
    }
    assert said == real


def test_every_command_of_the_readme_is_a_command_with_those_options():
    root = typer.main.get_command(app)
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("#")[0] for block in blocks for line in block.splitlines()]
    parts = [part for line in lines for part in re.split(r" & | &$|&&", line)]
    used = [match.groups() for part in parts if (match := re.match(r"\s*\S*?unspoken ([a-z]+)(.*)", part))]
    assert len(used) > 8
    for name, rest in used:
        command, words = root.commands[name], rest.split()  # type: ignore[attr-defined]
        while words and words[0] in getattr(command, "commands", ()):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (name, rest)


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_link_of_the_docs_leads_to_a_file():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)


def test_every_kind_and_field_of_the_vocabulary_is_documented():
    for each in get_args(events.Event):
        assert f"`{each.kind}`" in EVENTS, each.kind
        for field in each.__struct_fields__:
            # `comment` of a rating, and what every exposure carries, stand in another kind's row.
            assert f"`{field}`" in EVENTS, (each.kind, field)


def test_the_curl_example_of_the_readme_is_three_events():
    import json

    body = re.search(r"-d '(\{\"events\".*?\]\})'", README, re.DOTALL)
    assert body
    parsed = [events.parse(item) for item in json.loads(body.group(1))["events"]]
    assert [event.kind for event in parsed] == ["message", "message", "vote"]
