"""Keys and projects on the command line."""

import os
import re

import pytest
from typer.testing import CliRunner

from unspoken.cli import app
from unspoken.settings import settings


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `unspoken ARGUMENTS` on a home of its own; what it printed, or the sentence it ended with."""
    for name in [name for name in os.environ if name.startswith("UNSPOKEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path / "home"))
    settings.cache_clear()

    def run(said: str, status: int = 0) -> list[str]:
        result = CliRunner().invoke(app, said.split(), prog_name="unspoken")
        assert result.exit_code == status, result.output
        return (result.stderr if status else result.stdout).splitlines()

    yield run
    settings.cache_clear()


def test_a_key_is_made_listed_followed_and_taken_back(run):
    [first] = run("keys create --project shop --name website --origin https://shop.example --origin http://a --rate 50")
    [line] = run("keys list --project shop")
    assert re.search(
        r"write .*…\S{4} .*in force  never used  website  http://a https://shop.example  50 events/s$", line
    )
    assert first not in line
    key = line.split()[0]
    [second] = run(f"keys rotate {key} --overlap 24h")
    assert second.startswith("uns_write_")
    old, new = run("keys list --project shop")
    assert "until 20" in old
    assert "in force" in new
    assert new.endswith("website  http://a https://shop.example  50 events/s")
    assert run(f"keys revoke {key}") == ["revoked"]
    assert "revoked 20" in run("keys list --project shop")[0]


def test_a_key_without_an_overlap_ends_at_once(run):
    run("keys create --project shop --role secret")
    key = run("keys list --project shop")[0].split()[0]
    run(f"keys rotate {key} --overlap 0")
    assert "ended 20" in run("keys list --project shop")[0]


def test_making_a_project_with_a_key_is_said_once(run, tmp_path):
    for expected in ([f"new project 'shop' in sqlite:///{tmp_path}/home/unspoken.db"], []):
        result = CliRunner().invoke(app, ["keys", "create", "--project", "shop"], prog_name="unspoken")
        assert result.stdout.startswith("uns_write_") and result.stderr.splitlines() == expected


def test_what_is_off_is_said_in_a_sentence(run):
    run("keys create --project shop")
    key = run("keys list --project shop")[0].split()[0]
    for said, sentence in (
        ("keys create --project shop --origin shop.example", "no origin"),
        ("keys create --project shop --role secret --origin https://a", "never goes into a page"),
        ("keys create --project shop --rate 0", "above 0"),
        (f"keys rotate {key} --overlap soon", "write 90s, 30m, 24h or 7d"),
        (f"keys rotate {key} --overlap 24", "24 of what? Write 24s, 24m, 24h or 24d"),
        ("keys rotate none", "no key with the id 'none'"),
        ("keys revoke none", "no key with the id 'none'"),
        ("projects show none", "There are: shop"),
        ("projects set shop retension_days=1", "Did you mean `retention_days`"),
        ("projects set shop retention_days=soon", "valid integer"),
        ("projects set shop write_key_may_append_assistant=yes", 'is "yes": it is true or false.'),
        ("projects set shop write_key_may_append_assistant=1", "is 1: it is true or false."),
        ("projects set shop retention_days", "write NAME=VALUE"),
        ("projects set shop grace_s=Infinity", "`grace_s`"),
    ):
        [line] = run(said, 2)
        assert line.startswith("error: ")
        assert sentence in line


def test_settings_are_set_shown_and_put_back(run, tmp_path):
    run("migrate")
    assert run("projects list") == [
        f"There are no projects yet in sqlite:///{tmp_path}/home/unspoken.db; "
        "make one with a key: unspoken keys create --project shop"
    ]
    run("keys create --project shop")
    before = run("projects show shop")
    chosen = "retention_days=90 consent=required redact=email,phone grace_s=900 write_key_may_append_assistant=true"
    after = run(f"projects set shop {chosen}")
    assert sorted(after) == sorted(chosen.replace("grace_s=900", "grace_s=900.0").split())
    assert run("projects show shop") == after
    [line] = run("projects list")
    assert line.startswith("shop  chat  recorded")
    assert "retention_days=90" in line
    emptied = " ".join(f"{each.partition('=')[0]}=" for each in after)
    assert run(f"projects set shop {emptied}") == before
