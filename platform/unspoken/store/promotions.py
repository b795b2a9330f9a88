"""Which model of each family is in force: promoting one, going back to the one before, and who did it when.

Rows are only added, and the newest of a family counts. `back` marks a step back, so that a second one goes one further
instead of returning to where the first came from.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.errors import Conflict, NotFound
from unspoken.events.plain import flaw
from unspoken.store import audit
from unspoken.store.tables import Model, Promotion


def promoted(session: Session, project_id: str) -> dict[str, str]:
    """Family → id of the model in force; a family without one is left out."""
    rows = select(Promotion.family, Promotion.model_id).where(Promotion.project_id == project_id)
    newest = {family: model for family, model in session.execute(rows.order_by(Promotion.seq))}
    return {family: model for family, model in newest.items() if model is not None}


def promote(session: Session, project_id: str, model_id: str, *, actor: str = audit.HERE) -> Model:
    """Puts a model in force for its family; one that is so already stays. NotFound; Conflict when it may not be."""
    wanted = select(Model).where(Model.id == model_id, Model.project_id == project_id).with_for_update()
    model = None if flaw(model_id) else session.scalar(wanted)
    if model is None:
        raise NotFound(f"There is no model with the id {model_id[:64]!r}.")
    _may(model)
    before = promoted(session, project_id).get(model.family)
    if before != model.id:
        _put(session, model, before, actor, back=False)
    return model


def roll_back(session: Session, project_id: str, family: str, *, actor: str = audit.HERE) -> Model:
    """Puts the model in force that was so before the present one and was not withdrawn; Conflict without one."""
    ids = () if flaw(family) else _way_here(session, project_id, family)
    found = select(Model).where(Model.id.in_(ids), Model.withdrawn_at.is_(None)).with_for_update()
    usable = {model.id: model for model in session.scalars(found)}
    earlier = next((usable[each] for each in reversed(ids[:-1]) if each in usable and each != ids[-1]), None)
    if earlier is None:
        raise Conflict(
            f"No earlier model of the family {family[:64]!r} can be gone back to: none was promoted before, or each "
            "was withdrawn. Promote one of those there are."
        )
    _put(session, earlier, ids[-1], actor, back=True)
    return earlier


def can_roll_back(session: Session, project_id: str, families: Iterable[str]) -> set[str]:
    """The families of which an earlier model can be gone back to."""
    there = select(Model.id).where(Model.project_id == project_id, Model.withdrawn_at.is_(None))
    usable = set(session.scalars(there))
    ways = {family: _way_here(session, project_id, family) for family in families}
    return {family for family, way in ways.items() if any(each in usable and each != way[-1] for each in way[:-1])}


def _may(model: Model) -> None:
    """What may be promoted is decided here and nowhere else. Conflict when it may not."""
    if model.withdrawn_at is not None:
        raise Conflict(
            f"The model {model.id} was withdrawn on {model.withdrawn_at:%Y-%m-%d}, because a user it was trained on "
            "was erased; promote one that was trained since."
        )


def _way_here(session: Session, project_id: str, family: str) -> tuple[str, ...]:
    """The models that led to the one in force, which is the last: what was gone back from is no longer among them."""
    rows = select(Promotion.model_id, Promotion.back).where(
        Promotion.project_id == project_id, Promotion.family == family
    )
    way: list[str] = []
    for model, back in session.execute(rows.order_by(Promotion.seq)):
        if back:
            while way and way[-1] != model:
                way.pop()
        if model is not None and (not way or way[-1] != model):
            way.append(model)
    return tuple(way)


def _put(session: Session, model: Model, before: str | None, actor: str, *, back: bool) -> None:
    session.add(Promotion(project_id=model.project_id, family=model.family, model_id=model.id, back=back, actor=actor))
    session.flush()
    action = "model.roll_back" if back else "model.promote"
    audit.write(session, model.project_id, actor, action, model.id, {"family": model.family, "before": before})
