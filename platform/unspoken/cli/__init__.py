"""The command line. Each command imports what it needs when it runs, so that `--help` does not wait for torch."""

import sys
from typing import Any, Never

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from unspoken import lifetime
from unspoken.cli import exporting, importing, keys, privacy, projects, quarantine, services, stages
from unspoken.errors import UnspokenError

# What the extra `train` brings; without it the collector and these commands run, the others say what is missing.
TRAIN = ("altair", "numpy", "polars", "safetensors", "scipy", "torch", "transformers", "vl_convert", "unspoken_workers")


class Commands(TyperGroup):
    """The one place where an error becomes a sentence: on stderr, with exit status 2, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. A defect of ours still shows its traceback: it is for us to read."""
        try:
            return super().invoke(ctx)
        except UnspokenError as error:
            _end(error.detail)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except OSError as error:
            if error.filename is None and error.strerror is None:
                raise
            _end(
                f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}. "
                "Check the path, its permissions and the free space, or name another place."
            )
        except ValidationError as error:
            if error.title != "Settings":
                raise
            wrong = error.errors(include_url=False)[0]
            name = str(wrong["loc"][0]).upper()
            _end(f"The setting UNSPOKEN_{name} is {wrong['input']!r}, and that does not fit: {wrong['msg']}.")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in TRAIN:
                raise
            _end(f'The package {error.name} is not installed; this command needs: pip install "unspoken[train]"')


def _end(detail: str) -> Never:
    sys.stdout.flush()
    typer.echo(f"error: {detail}", err=True)
    raise typer.Exit(2)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main() -> None:
    """Learn one reward model from what people say about answers, one from what they do, and see where the two part.

    Begin with `unspoken demo`, which needs nothing, or with `unspoken up`, which collects events and does the rest.
    Every stage also runs alone, on files:

    `unspoken simulate --out world` · `unspoken pairs world --out dataset` ·
    `unspoken train dataset --family stated --out stated` · `unspoken report dataset --stated stated --out report`

    Settings come from the environment, as UNSPOKEN_HOME, UNSPOKEN_DATABASE_URL, UNSPOKEN_BROKER_URL, UNSPOKEN_PORT.
    """
    lifetime.bind()


app.command()(services.demo)
app.command()(services.up)
app.command()(services.serve)
app.command()(services.worker)
app.command()(services.upstream)
app.command()(services.migrate)
app.add_typer(importing.app, name="import")
exporting.app.command("user")(privacy.export)
app.add_typer(exporting.app, name="export")
app.command()(privacy.erase)
app.add_typer(keys.app, name="keys")
app.add_typer(projects.app, name="projects")
app.add_typer(quarantine.app, name="quarantine")
app.command()(stages.simulate)
app.command()(stages.pairs)
app.command()(stages.train)
app.command()(stages.score)
app.command()(stages.report)
