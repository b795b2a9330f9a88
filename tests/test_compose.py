"""docker-compose.yml, as far as it can be held without an engine: its commands exist, its secrets have no default."""

import re
from pathlib import Path

import pytest
import typer
import yaml

from unspoken.cli import app
from unspoken.settings import Settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("unspoken:")]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}")


def with_defaults(text):
    """The text as Compose reads it when the environment sets nothing that has a default."""
    return VARIABLE.sub(lambda found: found["word"] if found["kind"] == "-" else found["name"], text)


def test_every_part_of_the_platform_is_a_service():
    assert set(SERVICES) == {"postgres", "redis", "migrate", "api", "reward", "worker-data", "worker-gpu", "beat"}


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists_with_options_that_it_takes(name):
    command, *arguments = [with_defaults(word) for word in SERVICES[name]["command"]]
    commands = typer.main.get_group(app).commands

    assert command in commands
    if arguments == ["--help"]:
        return
    commands[command].make_context(command, arguments)  # raises for what it cannot read; runs nothing


def test_the_command_for_a_machine_without_a_gpu_takes_every_queue():
    worker = typer.main.get_group(app).commands["worker"]

    assert "WORKER_QUEUE=all" in TEXT
    assert worker.make_context("worker", ["--queue", "all"]).params["queue"] == "all"


@pytest.mark.parametrize("name", OURS)
def test_a_service_sets_settings_that_exist(name):
    known = {f"UNSPOKEN_{field.upper()}" for field in Settings.model_fields}

    assert {key for key in SERVICES[name]["environment"] if key.startswith("UNSPOKEN_")} <= known


def test_no_password_has_a_default():
    secrets = [found for found in VARIABLE.finditer(TEXT) if re.search("PASSWORD|SECRET|KEY|TOKEN", found["name"])]

    assert {found["name"] for found in secrets} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert all(found["kind"] == "?" and found["word"] for found in secrets)


def test_nothing_but_the_api_can_be_reached_from_outside_and_that_only_from_this_machine():
    open_ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert list(open_ports) == ["api"]
    assert with_defaults(open_ports["api"][0]) == "127.0.0.1:8000:8000"


@pytest.mark.parametrize("name", ["api", "worker-data", "worker-gpu", "beat"])
def test_what_needs_tables_waits_for_the_migration_and_says_how_it_is(name):
    service = SERVICES[name]

    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert service["depends_on"]["redis"] == {"condition": "service_healthy"}
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"


def test_a_service_that_others_wait_for_says_when_it_is_healthy():
    for service in SERVICES.values():
        for other, condition in service.get("depends_on", {}).items():
            assert condition["condition"] != "service_healthy" or SERVICES[other]["healthcheck"]["test"]


def test_what_is_kept_lies_in_volumes_that_are_declared():
    declared = set(yaml.safe_load(TEXT)["volumes"])

    for name in ("postgres", "redis", *OURS):
        (volume,) = SERVICES[name]["volumes"]
        assert volume.partition(":")[0] in declared


def test_only_the_gpu_worker_asks_for_a_device_and_it_never_falls_back_to_a_cpu():
    assert [name for name, service in SERVICES.items() if "deploy" in service] == ["worker-gpu"]
    assert SERVICES["worker-gpu"]["environment"]["UNSPOKEN_DEVICE"] == "cuda"
    assert SERVICES["worker-gpu"]["environment"]["UNSPOKEN_DATABASE_URL"]


@pytest.mark.parametrize("name", OURS)
def test_an_image_is_built_from_a_stage_that_the_dockerfile_has(name):
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)

    assert SERVICES[name]["build"]["target"] in stages
    assert SERVICES[name]["image"] == f"unspoken:{SERVICES[name]['build']['target']}"


def test_the_images_run_as_an_ordinary_user_and_install_from_the_lock():
    dockerfile = (ROOT / "Dockerfile").read_text()
    runtime = dockerfile.partition("AS runtime")[2]

    assert "\nUSER unspoken\n" in runtime
    assert "USER root" not in runtime
    assert "-r /locks/requirements.lock" in dockerfile
