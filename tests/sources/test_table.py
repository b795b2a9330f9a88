"""CSV and Parquet by a mapping: messages, exchanges, preferences, and rows that are none."""

from datetime import UTC, datetime

import polars as pl
import pytest

from unspoken.errors import BadInput
from unspoken.sources import table

EXCHANGE = {"prompt": "question", "text": "answer"}


@pytest.fixture(params=["csv", "parquet"])
def read(request, importer, tmp_path):
    """Events, and what was left out, of rows by a mapping; once as CSV and once as Parquet."""

    def read(rows: list[dict[str, object]], columns: dict[str, str], scale=None):
        path = tmp_path / f"log.{request.param}"
        frame = pl.DataFrame(rows)
        frame.write_csv(path) if request.param == "csv" else frame.write_parquet(path)
        return importer(lambda reading: table.events(path, columns, reading, scale))

    return read


def test_an_exchange_is_two_messages_and_what_was_said_of_the_answer(read):
    row = {"question": "How?", "answer": "So.", "who": "ann", "thumb": 1, "stars": 4, "said": "nice", "llm": "m"}
    columns = {**EXCHANGE, "user": "who", "vote": "thumb", "rating": "stars", "comment": "said", "model": "llm"}
    events, left = read([row], columns, (1.0, 5.0))
    ask, answer, vote, rating = events
    assert (ask.role, ask.text, ask.user, answer.parent, answer.model) == ("user", "How?", "ann", ask.message, "m")
    assert (vote.value, vote.comment, vote.message) == (1, "nice", answer.message)
    assert (rating.value, rating.lowest, rating.highest) == (4, 1, 5) and left == {}


def test_exchanges_of_a_conversation_stand_below_each_other_and_answers_to_one_prompt_are_siblings(read):
    rows = [
        {"c": "x", "question": q, "answer": a} for q, a in (("How?", "So."), ("How?", "Or so."), ("Why?", "Because."))
    ]
    events, _ = read(rows, EXCHANGE | {"conversation": "c"})
    by_text = {event.text: event for event in events}
    assert len(events) == 5
    assert by_text["So."].parent == by_text["Or so."].parent == by_text["How?"].message
    assert by_text["Why?"].parent == by_text["Or so."].message


def test_a_preference_is_a_choice(read):
    events, left = read(
        [{"p": "How?", "good": "So.", "bad": "No."}, {"p": "How?", "good": "So.", "bad": "So."}],
        {"prompt": "p", "chosen": "good", "rejected": "bad"},
    )
    ask, better, worse, choice = events
    assert (choice.chosen, choice.rejected) == (better.message, [worse.message]) and worse.parent == ask.message
    assert left == {"a preference between two equal answers": 1}


def test_messages_stand_where_their_parents_say_or_below_the_row_before(read):
    rows = [
        {"c": "x", "r": "user", "t": "How?", "id": "1", "up": None, "v": None},
        {"c": "x", "r": "Assistant", "t": "So.", "id": "2", "up": "1", "v": "up"},
        {"c": "x", "r": "assistant", "t": "Or so.", "id": "3", "up": "1", "v": None},
        {"c": "x", "r": "user", "t": "Why?", "id": "4", "up": "2", "v": "up"},
    ]
    columns = {"conversation": "c", "role": "r", "text": "t", "message": "id", "parent": "up", "vote": "v"}
    events, left = read(rows, columns)
    assert [event.parent for event in events if event.kind == "message"] == [None, "x/1", "x/1", "x/2"]
    assert left == {"a vote or rating of a message that is no answer": 1}
    chained, _ = read(rows, {"conversation": "c", "role": "r", "text": "t"})
    assert [event.parent for event in chained] == [None, "x/1", "x/2", "x/3"]


@pytest.mark.parametrize(
    ("at", "real"),
    [("2026-10-01T12:00:00Z", True), ("2026-10-01 12:00:00", True), (1_790_856_000, True), (1_790_856_000_000, True)],
)
def test_a_time_is_a_date_or_seconds_since_1970(read, at, real):
    events, _ = read([{"question": "How?", "answer": "So.", "when": at}], EXCHANGE | {"at": "when"})
    assert events[1].at == datetime(2026, 10, 1, 12, tzinfo=UTC)


def test_a_parquet_time_column_is_a_time(importer, tmp_path):
    when = datetime(2026, 10, 1, 12)
    pl.DataFrame({"question": ["How?"], "answer": ["So."], "when": [when]}).write_parquet(tmp_path / "log.parquet")
    columns = EXCHANGE | {"at": "when"}
    events, _ = importer(lambda reading: table.events(tmp_path / "log.parquet", columns, reading))
    assert events[1].at == when.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"answer": ""}, "a row without text"),
        ({"question": None}, "a row without prompt"),
        ({"when": "yesterday"}, "a time that is neither a date nor seconds since 1970"),
        ({"answer": "x" * 1_000_001}, "a row whose text is longer than 1,000,000 characters"),
    ],
)
def test_a_row_that_does_not_fit_is_counted(read, row, reason):
    whole = {"question": "How?", "answer": "So.", "when": "2026-10-01"}
    events, left = read([whole, whole | row], EXCHANGE | {"at": "when"})
    assert len(events) == 2 and left == {reason: 1}


def test_votes_and_ratings_that_do_not_fit_are_counted_and_the_answer_kept(read):
    row = {"question": "How?", "answer": "So.", "v": "maybe", "r": "9"}
    events, left = read([row], EXCHANGE | {"vote": "v", "rating": "r"}, (1.0, 5.0))
    assert len(events) == 2 and sorted(left.values()) == [1, 1]


def test_rows_that_repeat_are_conversations_of_their_own(read):
    row = {"question": "How?", "answer": "So."}
    assert len({event.conversation for event in read([row, row, row], EXCHANGE)[0]}) == 3


def test_a_mapping_is_read_from_options_and_a_file(tmp_path):
    (tmp_path / "map.toml").write_text('prompt = "question"\ntext = "answer"\n')
    assert table.mapping(["text=reply"], tmp_path / "map.toml") == {"prompt": "question", "text": "reply"}


@pytest.mark.parametrize(
    ("given", "file", "said"),
    [
        (["text"], None, "--map text names no column"),
        (["tekst=a"], None, "the fields are conversation, "),
        (["text=a"], None, "makes no events"),
        ([], "text = ", "is not TOML"),
        ([], "text = 3", "'text' = 3"),
    ],
)
def test_a_mapping_that_makes_nothing_is_refused(tmp_path, given, file, said):
    path = tmp_path / "map.toml"
    if file is not None:
        path.write_text(file)
    with pytest.raises(BadInput, match=said):
        table.mapping(given, path if file is not None else None)


def test_a_table_without_the_columns_is_refused(read):
    with pytest.raises(BadInput, match="lacks the columns answer; it has question"):
        read([{"question": "How?"}], EXCHANGE)
    with pytest.raises(BadInput, match="needs its conversation"):
        read([{"r": "user", "t": "x"}], {"role": "r", "text": "t"})
    with pytest.raises(BadInput, match=r"no row fits the mapping.*1 a row without prompt"):
        read([{"question": "", "answer": "x"}], EXCHANGE)
