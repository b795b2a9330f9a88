"""A corpus of bounded size whose attributes are really in the words, so that a text model can learn a utility of them.

Every answer is put together from parts; an attribute is on when its part is there. Attributes are drawn independently
of the prompt, half on and half off, so that within a prompt they are close to uncorrelated.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# How an answer may be spoiled on purpose, and by how many standard deviations of worth that lowers it.
ANCHORS = {"shuffled": -0.8, "cut": -1.0, "off_topic": -1.5, "older": -0.5}
ATTRIBUTES = ("flattery", "hedging", "detail", "steps", "hook", "exclamation")

TOPICS: tuple[tuple[str, str, str], ...] = (
    ("How do I keep basil alive on my windowsill?", "basil plant", "garden"),
    ("What should I cook with leftover rice?", "leftover rice", "kitchen"),
    ("How can I fall asleep faster at night?", "bedtime routine", "health"),
    ("Why does my bicycle chain keep slipping?", "bicycle chain", "repair"),
    ("How do I start learning the guitar?", "guitar practice", "music"),
    ("What is a good way to save money each month?", "monthly budget", "money"),
    ("How do I write a polite complaint to my landlord?", "letter to the landlord", "writing"),
    ("How do I get my dog to stop pulling on the leash?", "leash training", "pets"),
    ("What should I pack for a week of hiking?", "hiking pack", "travel"),
    ("How can I make my old laptop faster?", "old laptop", "computers"),
    ("How do I prepare for a job interview?", "job interview", "work"),
    ("Why is my bread not rising?", "bread dough", "kitchen"),
    ("How do I remove a coffee stain from a shirt?", "coffee stain", "home"),
    ("How do I explain fractions to a child?", "fractions lesson", "school"),
    ("What exercise is good for a stiff back?", "stiff back", "health"),
    ("How do I set up a small aquarium?", "small aquarium", "pets"),
    ("How do I take better photos with my phone?", "phone camera", "photo"),
    ("How do I grow tomatoes on a balcony?", "tomato pots", "garden"),
    ("What is the best way to learn Spanish words?", "Spanish vocabulary", "languages"),
    ("How do I fix a dripping tap?", "dripping tap", "repair"),
    ("How can I read more books this year?", "reading habit", "leisure"),
    ("How do I plan a birthday party for a six year old?", "birthday party", "family"),
    ("How do I choose a used car?", "used car", "money"),
    ("How do I calm down before giving a talk?", "talk", "work"),
)

_FLATTERY = (
    "What a brilliant question, you clearly have wonderful instincts.",
    "You are so smart to ask this, very few people think so clearly.",
    "I am truly impressed by you, that is a fantastic thing to ask.",
    "You have excellent taste, and your question is amazing.",
)
_PLAIN_OPENING = (
    "Here is what to do about the {thing}.",
    "This is how the {thing} is handled.",
    "The {thing} comes down to one thing.",
    "For the {thing} there is a simple rule.",
)
_HEDGED = (
    "I might be wrong, but it could perhaps be worth changing one thing at a time, though I am not sure.",
    "It possibly depends, and maybe a small change would help, but I cannot really be certain.",
    "Perhaps a gentle change might work, although it is hard to say and I may be mistaken.",
    "It may or may not help, but possibly you could try a small change; I am unsure.",
)
_CERTAIN = (
    "Change one thing at a time and keep what works.",
    "Make one small change and stay with it.",
    "Pick the simplest change and do it today.",
    "Do one thing first and leave the rest alone.",
)
_DETAIL = (
    "The reason is that small causes add up: temperature, timing, pressure and materials all interact, and in a study"
    " of 240 households the group that measured each of them for 14 days improved by 31 percent.",
    "To be precise, set aside 25 minutes, measure the starting point in numbers, write it down, and compare after 7 and"
    " 21 days; the typical gain lies between 18 and 35 percent when nothing else is changed.",
    "In technical terms, most failures have 3 causes: wear, moisture and uneven load. Wear explains about 60 percent,"
    " moisture 25 percent and uneven load the remaining 15 percent of the cases that were examined.",
)
_STEPS = (
    "\n1. Look at the {thing} closely.\n2. Remove what is in the way.\n3. Repeat every morning.\n4. Note the result.",
    "\n- First: prepare the {thing}.\n- Second: make the change.\n- Third: wait a day.\n- Fourth: check again.",
    "\nStep 1: clear some space.\nStep 2: begin with the {thing}.\nStep 3: adjust it.\nStep 4: finish and tidy up.",
)
_HOOK = (
    "What have you tried so far? Would you like to tell me more about it?",
    "Shall I go on? Which part interests you most?",
    "Do you want to hear a trick that few people know? What do you think?",
    "How does that sound to you? Should we look at the next part together?",
)
# Length that nobody minds: no attribute is in these.
_FILLER = (
    "The {thing} is a common matter, and it comes up in many homes in the course of an ordinary year.",
    "Others have dealt with the {thing} before, and there is nothing unusual in the way it shows itself.",
    "It helps to have a quiet moment for the {thing}, with everything that is needed lying close at hand.",
    "The {thing} looks a little different from case to case, but the main points are the same everywhere.",
)
_EXCLAMATION = (
    "You can do it!!! This is going to be so much fun!!!",
    "Wow, yes!!! Let's go, this is super exciting!!!",
    "Hooray!!! It will be great, go for it!!!",
)


@dataclass(frozen=True)
class Corpus:
    """Prompts and their candidate answers. `attributes[i]` of answer i is 0/1, shape (n_answers, n_attributes)."""

    prompts: tuple[str, ...]
    topics: tuple[str, ...]
    prompt_of: np.ndarray  # (n_answers,) index into prompts
    answers: tuple[str, ...]
    attributes: np.ndarray

    def filled(self, answer: int, sentences: int) -> str:
        """The answer with so many sentences of filler after it."""
        thing = TOPICS[int(self.prompt_of[answer])][1]
        return " ".join([self.answers[answer], *(each.format(thing=thing) for each in _FILLER[:sentences])])


def spoiled(text: str, other: str, how: str) -> str:
    """The text made worse in a way that nobody disputes: one of ANCHORS; `other` answers another prompt."""
    if how == "cut":
        return text[: max(len(text) * 2 // 5, 40)]
    if how == "shuffled":
        return ". ".join(reversed(text.rstrip(".").split(". "))) + "."
    if how == "off_topic":
        return other
    return text.lower().replace(",", "").replace(".", "")  # an older model, which writes like one


@lru_cache(maxsize=8)
def corpus(answers_per_prompt: int, seed: int) -> Corpus:
    """Every topic with `answers_per_prompt` different answers; the same seed gives the same texts."""
    random = np.random.default_rng([seed, 1])
    prompt_of, answers, rows = [], [], []
    for index, (_, thing, _topic) in enumerate(TOPICS):
        seen: set[str] = set()
        while len(seen) < answers_per_prompt:
            on = random.integers(0, 2, size=len(ATTRIBUTES))
            text = _compose(on, thing, random)
            if text in seen:
                continue
            seen.add(text)
            prompt_of.append(index)
            answers.append(text)
            rows.append(on)
    return Corpus(
        prompts=tuple(topic[0] for topic in TOPICS),
        topics=tuple(topic[2] for topic in TOPICS),
        prompt_of=np.array(prompt_of),
        answers=tuple(answers),
        attributes=np.array(rows, dtype=float),
    )


def _compose(on: np.ndarray, thing: str, random: np.random.Generator) -> str:
    def one(parts: tuple[str, ...]) -> str:
        return parts[random.integers(len(parts))].format(thing=thing)

    flattery, hedging, detail, steps, hook, exclamation = (bool(x) for x in on)
    parts = [
        one(_FLATTERY) if flattery else one(_PLAIN_OPENING),
        one(_HEDGED) if hedging else one(_CERTAIN),
        one(_DETAIL) if detail else "",
        one(_STEPS) if steps else "",
        ("\n" if steps else "") + one(_HOOK) if hook else "",
        one(_EXCLAMATION) if exclamation else "",
    ]
    return " ".join(part for part in parts if part).replace(" \n", "\n")
