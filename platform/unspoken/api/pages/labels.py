"""From evidence to labels: the account of one build, by default the newest that was not withdrawn."""

from fastapi.responses import HTMLResponse

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.looking import Looking
from unspoken.errors import NotFound
from unspoken.events.plain import flaw
from unspoken.store import funnels
from unspoken.store.database import reading

router = frame.router()


@router.get("/labels")
def labels(engine: Database, look: Looking) -> HTMLResponse:
    """The funnel of a dataset, and links to those before."""
    asked = look.asked("dataset")
    with reading(engine) as session:
        builds = funnels.builds(session, look.one.id)
        if asked:
            chosen = None if flaw(asked) else funnels.build(session, look.one.id, asked)
            if chosen is None:
                raise NotFound("There is no such dataset in this project. Choose one of those on the page of labels.")
        else:
            chosen = next((each for each in builds if each.withdrawn_at is None), next(iter(builds), None))
    found = funnels.steps(chosen) if chosen else []
    split = [place for place, step in enumerate(found) if step.family]
    first = split[0] if split else len(found)
    return frame.page(
        "labels.html",
        look=look,
        builds=builds,
        chosen=chosen,
        before=found[:first],
        families_apart=[(name, [step for step in found if step.family == name]) for name in funnels.FAMILIES],
        after=[step for step in found[first:] if not step.family],
    )
