"""HALIE's dialogues: people who talked with a chatbot about a scenario, and what they marked afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput
from unspoken.sources import halie_metaphor
from unspoken.sources.making import MADE_UP, event, named, plain
from unspoken.sources.reading import Reading, rows

RECIPE = "chat"
FACTS = (
    "HALIE dialogue (MIT): 189 people, one session each, 2,063 turns with four models, and a survey of every turn.",
    "Per turn 0 or 1: interestingness, boringness, preference, fluency, sensibility, specificity, humanness; "
    "per session: quality, 1 to 5.",
    "Preference is 0 on 217 turns and 1 on 1,846.",
)
ASSUMPTIONS = (
    "Preference is the stated vote: 0, an answer that was marked, is thumbs down; 1, which was not, is thumbs up.",
    "The other marks are ratings between 0 and 1; boringness is turned round, so that more is better on every scale.",
    "The scenario is a system root; there are no dates: each session begins on 2000-01-01, a turn lasts elapsed_time "
    "minutes, and its answer comes a second after its question. The survey comes after the last turn.",
)
TURNS, SURVEY = "event_blocks.csv", "survey_responses.csv"
TURN_COLUMNS = ("session_id", "worker_id", "turn_id", "model", "prompt", "elapsed_time", "user_input",
                "model_completion")  # fmt: skip
SURVEY_COLUMNS = ("session_id", "worker_id", "turn_id", "preference", "quality")
MARKS = ("interestingness", "boringness", "fluency", "sensibility", "specificity", "humanness")
WHOLE_SESSION = -1


@dataclass
class _Session:
    seconds: float = 0.0
    last: str | None = None
    answers: set[int] = field(default_factory=set)


def part(folder: Path) -> str:
    """`metaphor` where the telemetry lies, `dialogue` where only the two tables do; BadInput says what was needed."""
    if (folder / halie_metaphor.TELEMETRY).is_file():
        return "metaphor"
    if (folder / TURNS).is_file() and (folder / SURVEY).is_file():
        return "dialogue"
    raise BadInput(
        f"{folder} is no part of HALIE: a dialogue folder holds {TURNS} and {SURVEY}, a metaphor folder also "
        f"{halie_metaphor.TELEMETRY}."
    )


def files(folder: Path) -> tuple[Path, ...]:
    """The files that are read, in their order."""
    if part(folder) == "metaphor":
        return folder / halie_metaphor.SURVEY, folder / halie_metaphor.TELEMETRY
    return folder / TURNS, folder / SURVEY


def events(folder: Path, reading: Reading | None = None) -> Iterator[dict[str, Any]]:
    """Events of the folder's part: dialogues or metaphors."""
    reading = reading or Reading()
    paths = files(folder)
    reading.total = sum(path.stat().st_size for path in paths if path.is_file())
    if part(folder) == "metaphor":
        yield from halie_metaphor.events(paths[0], paths[1], reading)
        return
    sessions: dict[str, _Session] = {}
    for where, row in rows(paths[0], reading, TURN_COLUMNS):
        turn, minutes = _number(row["turn_id"]), _number(row["elapsed_time"])
        if turn is None or minutes is None or minutes < 0 or not row["session_id"]:
            reading.leave_out("a turn without session, number or time", where)
            continue
        yield from _turn(sessions.setdefault(row["session_id"], _Session()), row, int(turn), minutes)
    for where, row in rows(paths[1], reading, SURVEY_COLUMNS):
        yield from _survey(sessions, row, where, reading)


def _turn(session: _Session, row: dict[str, str], turn: int, minutes: float) -> Iterator[dict[str, Any]]:
    conversation, user = named(row["session_id"]), row["worker_id"] or None
    if session.last is None:
        session.last = f"{conversation}/scenario"
        yield event(
            "halie", session.last, "message", MADE_UP, conversation, message=session.last, role="system",
            text=plain(row["prompt"]),
        )  # fmt: skip
    session.seconds = min(session.seconds + minutes * 60, 1e9)
    asked = MADE_UP + timedelta(seconds=session.seconds)
    session.seconds += 1
    question, answer = f"{conversation}/{turn}/user", f"{conversation}/{turn}"
    yield event(
        "halie", question, "message", asked, conversation, message=question, parent=session.last, role="user",
        user=user, text=plain(row["user_input"]),
    )  # fmt: skip
    yield event(
        "halie", answer, "message", asked + timedelta(seconds=1), conversation, message=answer, parent=question,
        role="assistant", text=plain(row["model_completion"]), model=plain(row["model"])[:200] or None,
    )  # fmt: skip
    session.last = answer
    session.answers.add(turn)


def _survey(
    sessions: dict[str, _Session], row: dict[str, str], where: str, reading: Reading
) -> Iterator[dict[str, Any]]:
    turn, session = _number(row["turn_id"]), sessions.get(row["session_id"])
    if turn is None or session is None or (turn != WHOLE_SESSION and turn not in session.answers):
        reading.leave_out("a survey's row about a turn that is not there", where)
        return
    conversation, user = named(row["session_id"]), row["worker_id"] or None
    at = MADE_UP + timedelta(seconds=session.seconds + 1)
    answer = None if turn == WHOLE_SESSION else f"{conversation}/{int(turn)}"
    scales = [("quality", 1, 5)] if answer is None else [(mark, 0, 1) for mark in MARKS]
    for mark, lowest, highest in scales:
        value = _number(row.get(mark, ""))
        if value is None or not lowest <= value <= highest:
            reading.leave_out(f"a survey's row without {mark}", where)
            continue
        scale, value = ("not boring", 1 - value) if mark == "boringness" else (mark, value)
        yield event(
            "halie", f"{answer or conversation}/{mark}", "rating", at, conversation, message=answer, user=user,
            scale=scale, value=value, lowest=lowest, highest=highest,
        )  # fmt: skip
    if answer is None:
        return
    preference = _number(row["preference"])
    if preference not in (0, 1):
        reading.leave_out("a survey's row without preference", where)
        return
    yield event(
        "halie", f"{answer}/preference", "vote", at, conversation, message=answer, user=user,
        value=1 if preference else -1,
    )  # fmt: skip


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None
