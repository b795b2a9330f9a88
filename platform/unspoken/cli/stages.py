"""Commands for each stage alone, on files. No stage takes a folder that lacks its manifest.json."""

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unspoken.cli.show import Progress, ProgressOption, Style, progress
from unspoken.cli.source import opened, recorded
from unspoken.errors import BadInput
from unspoken.settings import settings

if TYPE_CHECKING:
    from unspoken.pairs.recipe import Recipe


class Family(StrEnum):
    """Which labels a model learns from."""

    stated = "stated"
    revealed = "revealed"


DatasetArgument = Annotated[Path, typer.Argument(help="A dataset folder, as `unspoken pairs` writes it.")]
CacheOption = Annotated[Path | None, typer.Option(help="Where features are kept; in UNSPOKEN_HOME by default.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; UNSPOKEN_DEVICE by default.")]


def simulate(
    out: Annotated[Path | None, typer.Option(help="The world folder to write.")] = None,
    world: Annotated[
        Path | None, typer.Option(help="world.toml: rates, slopes, ρ, or a preset and what differs from it.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A world by its name; --list says which there are.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed writes the same world.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a world that --out holds already.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Say which presets there are, and write nothing.")] = False,
    style: ProgressOption = Style.auto,
) -> None:
    """People who do not exist, whose stated and revealed utilities are known: for checking what a report claims.

    Without a world: a small one that votes far more often than people do. docs/simulator.md says what can be set.

    Example: `unspoken simulate --seed 7 --out world`, then `unspoken pairs world --out dataset`.
    """
    from unspoken.simulate import presets
    from unspoken.simulate.config import World, read
    from unspoken.simulate.world import simulate as make

    if listed:
        typer.echo(presets.listed())
        return
    if out is None:
        raise BadInput("Name the folder to write: unspoken simulate --out world.")
    if world and preset:
        raise BadInput('Name either a --world or a --preset; a world.toml may say preset = "..." itself.')
    chosen = read(world) if world else presets.preset(preset) if preset else World()
    with progress(style, "simulating") as show:
        make(chosen, seed, out, show, force)
    typer.echo(f"{out}: SIMULATED. world.toml, events.jsonl.gz, truth/. Next: unspoken pairs {out} --out dataset")


def pairs(
    out: Annotated[Path, typer.Option(help="The dataset folder to write.")],
    source: Annotated[
        str | None, typer.Argument(help="A world folder, a file .jsonl or .jsonl.gz of events, or chitchat.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="A project of the database, in place of SOURCE.")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="How labels are made: chat, given-prompts, chat-acts or chitchat.")
    ] = None,
    style: ProgressOption = Style.auto,
) -> None:
    """Events to labels, pairs and unpaired answers, with an account of everything that was left out.

    Example: `unspoken pairs world --out dataset`, or `unspoken pairs --project shop --out dataset`.
    """
    from unspoken.folders import check_replaceable
    from unspoken.memory import keep_freed

    keep_freed()
    from unspoken.pairs.folder import KIND, write

    check_replaceable(out, KIND)
    if (source is None) == (project is None):
        raise BadInput("Name either a SOURCE (unspoken pairs world --out dataset) or a --project, not both.")
    with progress(style, "labelling") as show:
        built, texts, about = _of_project(project, recipe, show) if project else _of_source(source or "", recipe, show)
        write(built, texts, out, about)
    if about["simulated"]:
        typer.echo("SIMULATED: these people do not exist.")
    for step in built.funnel:
        typer.echo(f"{step['step']}: {step['kept']:,} of {step['entered']:,} kept")
        for drop in step["dropped"]:
            typer.echo(f"    {drop['count']:,} {drop['reason']}")
    for what, records in (("pairs", built.pairs), ("unpaired labels", built.unpaired)):
        rules = records.group_by("rule").len().sort("rule").rows()
        typer.echo(f"{what}: " + (", ".join(f"{count:,} {rule}" for rule, count in rules) or "none"))
    for note in built.notes:
        typer.echo(f"Note: {note}")
    families = [
        family.value for family in Family if family.value in (*built.pairs["family"], *built.unpaired["family"])
    ]
    for family in families[:1]:
        typer.echo(f"Next: unspoken train {out} --family {family} --out {family}")


def train(
    dataset: DatasetArgument,
    family: Annotated[Family, typer.Option(help="stated: votes and ratings; revealed: what people did.")],
    out: Annotated[Path, typer.Option(help="The run folder to write: a checkpoint that transformers loads.")],
    base_model: Annotated[
        str | None, typer.Option(help="minilm, or any Hugging Face name or path; UNSPOKEN_BASE_MODEL by default.")
    ] = None,
    device: DeviceOption = None,
    seed: Annotated[int, typer.Option(help="The same dataset, base model and seed give the same model hash.")] = 0,
    cache: CacheOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """A reward model of one family: a head on a frozen encoder, trained on people it is not tested on.

    Example: `unspoken train dataset --family revealed --out revealed`.
    """
    from unspoken.rewards.train import train as fit

    with progress(style, f"training {family.value}") as show:
        manifest = fit(
            dataset,
            family.value,
            out,
            base_model=base_model or settings().base_model,
            device=device or settings().device,
            seed=seed,
            threads=settings().threads,
            cache=cache or settings().home / "cache",
            progress=show,
        )
    if manifest["simulated"]:
        typer.echo("SIMULATED: it learned from people who do not exist.")
    typer.echo(f"{out}: model {manifest['model_hash'][:12]}. Next: unspoken score {out} {dataset} --out scores.parquet")


def score(
    run: Annotated[Path, typer.Argument(help="A run folder, as `unspoken train` writes it.")],
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write: message, score.")],
    device: DeviceOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """What a model thinks of every answer of a dataset. Scores are comparable within a prompt only.

    Example: `unspoken score stated dataset --out scores.parquet`.
    """
    from unspoken.rewards.score import score as judge

    with progress(style, "scoring") as show:
        judge(run, dataset, out, device=device or settings().device, threads=settings().threads, progress=show)
    typer.echo(f"{out} is written")


def report(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The report folder to write: index.html and report.json.")],
    stated: Annotated[Path | None, typer.Option(help="The run folder of the stated model.")] = None,
    revealed: Annotated[Path | None, typer.Option(help="The run folder of the revealed model.")] = None,
    device: DeviceOption = None,
    cache: CacheOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """Do what people say and what they do teach the same reward? With intervals, and with "cannot tell".

    Example: `unspoken report dataset --stated stated --revealed revealed --out report`, then open report/index.html.
    Where one model could not be trained, leave it out: the report says what is missing.
    """
    from unspoken.folders import check_replaceable
    from unspoken.report.compare import compare
    from unspoken.report.render import KIND, write_report

    check_replaceable(out, KIND)
    with progress(style, "comparing") as show:
        found = compare(
            dataset,
            stated,
            revealed,
            cache=cache or settings().home / "cache",
            device=device or settings().device,
            threads=settings().threads,
            progress=show,
        )
        write_report(found, out)
    typer.echo(f"{found['verdict']['label']}: {found['verdict']['sentence']}")
    typer.echo(f"{out / 'index.html'}")


def _of_source(name: str, recipe: str | None, show: Progress) -> tuple[Any, Any, dict[str, Any]]:
    from unspoken.pairs.build import build
    from unspoken.pairs.texts import texts

    source = opened(name)
    how = _recipe(recipe or source.recipe)
    show(0.0, "reading events")
    found = recorded(source)
    text_of = found.text_of
    built = build(
        found.messages,
        found.events,
        how,
        lambda share, note: show(0.3 + 0.6 * share, note),
        found.before,
        lambda ids: {message: text_of[message] for message in ids if message in text_of},
        _encoder(),
    )
    return built, texts(found.messages, text_of, built), source.about


def _of_project(name: str, recipe: str | None, show: Progress) -> tuple[Any, Any, dict[str, Any]]:
    from unspoken.consent import TRAINING
    from unspoken.pairs.build import build
    from unspoken.pairs.consented import consented
    from unspoken.pairs.texts import needed, texts
    from unspoken.signals.bots import bots
    from unspoken.store import consents, database, projects, quarantine, reading

    engine = database.connect()
    with ExitStack() as stack, database.reading(engine) as session:
        stack.callback(engine.dispose)
        project = projects.get(session, name)
        how = _recipe(recipe or project.recipe)
        show(0.0, "reading messages and events")
        messages = reading.read_messages(session, project.id)
        events = reading.read_events(session, project.id)
        refused = consents.refused(session, project, TRAINING)
        messages, events, before = consented(messages, events, refused)
        built = build(
            messages,
            events,
            how,
            lambda share, note: show(0.3 + 0.6 * share, note),
            before,
            lambda ids: reading.read_texts(session, project.id, ids),
            _encoder(),
            lambda episodes: quarantine.apart(session, project.id, bots(episodes).iter_rows()),
        )
        text_of = reading.read_texts(session, project.id, needed(messages, built))
    return built, texts(messages, text_of, built), projects.about(project)


def _encoder() -> Any:
    """For the classifier of replies; None where the settings want rules alone."""
    from unspoken.rewards.sentences import encoder

    if settings().replies == "rules":
        return None
    return encoder(settings().home / "cache", settings().device, settings().threads)


def _recipe(name: str) -> "Recipe":
    from unspoken.pairs.recipe import named

    return named(name)
