"""What every table stands on: the declaration, the project, and how a row names its project by number."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, Integer, MetaData, String, select
from sqlalchemy.ext.hybrid import Comparator, hybrid_property
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column

from unspoken.store.columns import NAMING, Json, NextNumber, Utc, new_id, now


class Base(DeclarativeBase):
    """Declares the naming convention, so that migrations can name what they drop."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: Utc, dict[str, Any]: Json, list[str]: Json}  # noqa: RUF012 - SQLAlchemy's own form


class Project(Base):
    """One chatbot. `user_secret` (hex) keys the hashes of its users; `recipe` names how its labels are made.

    `number` stands for it in events, messages, and what is derived from them.
    """

    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    user_secret: Mapped[str] = mapped_column(String(64))
    recipe: Mapped[str] = mapped_column(String(64), default="chat")
    simulated: Mapped[bool] = mapped_column(default=False)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)
    number: Mapped[int] = mapped_column(Integer, default=NextNumber())
    __table_args__ = (Index(None, "number", unique=True),)


class _OfProject(Comparator[str]):
    """Makes `Event.project_id == id` a comparison with the number that the project of that id has."""

    def __init__(self, number: InstrumentedAttribute[int]) -> None:
        super().__init__(select(Project.id).where(Project.number == number).correlate_except(Project).scalar_subquery())
        self.number = number

    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return self.number == select(Project.number).where(Project.id == other).scalar_subquery()

    __hash__ = Comparator.__hash__


class Numbered:
    """A table that names its project by number. No foreign key: the database would look it up for every row."""

    project: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=-1)  # first in every key

    @hybrid_property
    def project_id(self) -> str:
        """The project's id, for queries: compare it with `==`, or select it."""
        raise AttributeError("a row knows its project's number only; select `project_id` in the query")

    @project_id.inplace.comparator
    @classmethod
    def _project_id(cls) -> _OfProject:
        return _OfProject(cls.project)
