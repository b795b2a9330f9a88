"""Models: which there are, what each was made of and led to, which is in force, and changing that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.forms import Form
from unspoken.api.pages.looking import Looking
from unspoken.api.pages.session import Actor, done
from unspoken.store import audit, models, promotions, reports
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Dataset, Model, Report

# What of a manifest is worth a glance, and what it is called; those that a run does not have are left out.
ESSENTIALS = {
    "labels": "labels",
    "pairs": "pairs",
    "base_model": "base",
    "seed": "seed",
    "components": "components",
    "variance_held": "variance held",
    "torch": "torch",
}
ACCURACY = ("held_out_accuracy", "heldout_accuracy", "accuracy")  # on people who were kept out of the training
ORDER = ("stated", "revealed")
router = frame.router()


@dataclass(frozen=True)
class Made:
    """A model with where it comes from and where it leads."""

    model: Model
    dataset: Dataset | None
    reports: Sequence[Report]
    accuracy: float | None
    facts: Mapping[str, str]


@router.get("/models")
def models_page(engine: Database, look: Looking) -> HTMLResponse:
    """By family, newest first."""
    with reading(engine) as session:
        found = _made(session, look.one.id)
        families = sorted(
            {each.model.family for each in found},
            key=lambda family: (ORDER.index(family) if family in ORDER else len(ORDER), family),
        )
        return frame.page(
            "models_now.html" if look.partial else "models.html",
            look=look,
            families_of={family: [each for each in found if each.model.family == family] for family in families},
            promoted=promotions.promoted(session, look.one.id),
            back=promotions.can_roll_back(session, look.one.id, families),
        )


@router.post("/models/{model_id}/promote")
def promote(engine: Database, look: Looking, actor: Actor, _fields: Form, model_id: str) -> RedirectResponse:
    """Puts a model in force."""
    with transaction(engine) as session:
        promotions.promote(session, actor.project_id, model_id, actor=audit.by_key(actor.key_id))
    return done(look.to("/models", done="promoted"))


@router.post("/models/{family}/rollback")
def roll_back(engine: Database, look: Looking, actor: Actor, _fields: Form, family: str) -> RedirectResponse:
    """Puts the one before in force."""
    with transaction(engine) as session:
        promotions.roll_back(session, actor.project_id, family, actor=audit.by_key(actor.key_id))
    return done(look.to("/models", done="back"))


def _made(session: Session, project_id: str) -> list[Made]:
    led: dict[str, list[Report]] = {}
    for report in reports.listed(session, project_id):
        led.setdefault(report.dataset_id or "", []).append(report)
    return [
        Made(
            model,
            session.get(Dataset, model.dataset_id) if model.dataset_id else None,
            led.get(model.dataset_id or "-", [])[:3],
            next((number for key in ACCURACY if (number := _share(model.manifest.get(key))) is not None), None),
            _facts(model.manifest),
        )
        for model in models.listed(session, project_id)
    ]


def _facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    known = {said: _short(manifest[key]) for key, said in ESSENTIALS.items() if key in manifest}
    return {"people": "simulated"} | known if manifest.get("simulated") is True else known


def _share(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:80]
