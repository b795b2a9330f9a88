"""Phrases of ten languages: what they find, what they must not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.signals.replies.rules import ORDER, by_phrases, read


def first(text):
    found = by_phrases(text)
    return found[0].reply_class if found else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("That's wrong.", "complaint"),
        ("No, it's Bern, not Geneva.", "correction"),
        ("Thanks a lot!", "thanks"),
        ("What do you mean by latency?", "clarification"),
        ("Go on", "elaboration"),
        ("New question: who wrote Emma?", "new_topic"),
        ("Why can't you tell me?", "refusal_objection"),
        ("Let me rephrase: I need a loan", "rephrase"),
        ("Das stimmt nicht.", "complaint"),
        ("Vielen Dank!", "thanks"),
        ("Ich meinte Freitag", "correction"),
        ("Ça ne marche pas.", "complaint"),
        ("merci beaucoup", "thanks"),
        ("Non, c'est mardi.", "correction"),
        ("No funciona", "complaint"),
        ("Muchas gracias", "thanks"),
        ("Quise decir martes", "correction"),
        ("não funcionou", "complaint"),
        ("Obrigada!", "thanks"),
        ("Eu disse terça", "correction"),
        ("non funziona", "complaint"),
        ("Grazie mille", "thanks"),
        ("Volevo dire martedì", "correction"),
        ("Dit klopt niet", "complaint"),
        ("Dank je wel", "thanks"),
        ("Ik bedoelde dinsdag", "correction"),
        ("不对", "complaint"),
        ("谢谢你", "thanks"),
        ("動きません", "complaint"),
        ("ありがとう", "thanks"),
        ("Не работает", "complaint"),
        ("Большое спасибо", "thanks"),
    ],
)
def test_each_language_has_its_phrases(text, expected):
    assert first(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "No thanks",
        "nein danke",
        "non merci",
        "no, gracias",
        "Nothing wrong with that?",
        "What is wrong with my car?",
        "Is that wrong?",
        "My uncle is wrong about most things.",
        "How do I write a thank you note?",
        '"Your answer is wrong and useless"',
        "«Votre réponse est fausse et inutile»",
        "He wrote `thanks` in the code",
        "```\nthis does not work\n```",
        "a wrongdoer went to Thanksville",
        "",
        "   ",
        "?!",
        "🙂🙂🙂",
        "ውሳኔው መቼ ነው",
    ],
)
def test_negations_quotations_parts_of_words_and_other_scripts_are_not_taken_for_a_class(text):
    assert first(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not wrong at all, thanks", "thanks"),
        ("not bad, i like it", "thanks"),
        ("Thanks, but it still doesn't work", "complaint"),
        ("thanks for nothing", "complaint"),
        ("Danke für nichts, das stimmt nicht", "complaint"),
    ],
)
def test_of_two_classes_the_one_that_says_more_of_the_answer_counts(text, expected):
    assert first(text) == expected


def test_accents_apostrophes_and_case_do_not_matter():
    assert first("CA NE MARCHE PAS") == first("ça ne marche pas") == "complaint"
    assert first("that doesn’t work") == first("That doesnt work") == first("that doesn't work") == "complaint"


def test_a_complaint_deep_in_a_long_paste_is_not_read_and_one_at_its_end_is():
    paste = "The committee met in May. " * 400
    assert first(f"{paste}That is wrong. {paste}") is None
    assert first(f"{paste}\nThat is wrong.") == "complaint"


def test_a_hundred_thousand_characters_cost_no_more_than_a_page():
    by_phrases("warm")
    took = []
    for text in ("so " * 40_000, "a" * 100_000, '"' * 100_000, "that is not " * 9_000):
        started = time.process_time()
        by_phrases(text)
        took.append(time.process_time() - started)
    assert max(took) < 0.5


@given(st.text(max_size=300))
def test_any_text_gives_known_classes_once_and_in_order(text):
    found = [one.reply_class for one in by_phrases(text)]
    assert found == [name for name in ORDER if name in found]
    assert by_phrases(text) == by_phrases(text)


def test_what_is_read_is_words_between_marks():
    assert read("No, it's Bern. Really?") == "| no , its bern | really | "
