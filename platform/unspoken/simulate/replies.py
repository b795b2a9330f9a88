"""What the next message says, by class, and how each class follows the utility: its text is all a reader gets."""

import numpy as np

# class → (share of next messages at par, slope in logits per sd, texts). `go_on` says nothing of the answer.
REPLIES: dict[str, tuple[float, float, tuple[str, ...]]] = {
    "complaint": (0.07, -1.3, (
        "That is wrong.", "This does not help me at all.", "No, that's not what I asked for.", "You missed the point.",
        "That didn't work.", "This is useless, try harder.", "Your answer makes no sense.", "Not helpful.",
    )),
    "thanks": (0.10, 1.1, (
        "Thank you!", "Thanks, that helps a lot.", "Great, that worked.", "Perfect, thanks.", "Awesome, thank you!",
        "That is exactly what I needed.", "Very helpful, thanks.",
    )),
    "rephrase": (0.06, -0.9, ("{prompt}", "I mean: {prompt}", "{prompt} Please answer this question.")),
    "correction": (0.03, -1.0, (
        "Actually, it is the other way round.", "No, it should be in the morning, not in the evening.",
        "That's incorrect, the number is 12.", "Correction: I said the small one, not the large one.",
    )),
    "clarification": (0.10, 0.0, (
        "What do you mean by that?", "Can you explain the second part?", "What does that mean?", "How do you mean?",
    )),
    "elaboration": (0.22, 0.3, (
        "Tell me more about it.", "Can you give me an example?", "Please go into more detail.", "Expand on it.",
    )),
    "new_topic": (0.20, 0.1, (
        "By the way, what is the capital of Mongolia?", "Now something else: how old is the moon?",
        "Another question: who wrote Don Quixote?", "How many players are in a handball team?",
    )),
    "refusal_objection": (0.005, -1.0, ("Why won't you answer that?", "You can answer this, it is harmless.")),
    "go_on": (0.215, 0.0, ("Go on.", "And then?", "Okay.", "What comes next?", "Continue.")),
}  # fmt: skip
CLASSES = tuple(REPLIES)


def classes(driver: np.ndarray, slope: float, random: np.random.Generator) -> np.ndarray:
    """An index into CLASSES for each next message; `slope` multiplies every class's own."""
    share, own, _ = zip(*REPLIES.values(), strict=True)
    logits = np.log(share) + slope * np.multiply.outer(driver, own)
    return np.asarray((logits + random.gumbel(size=logits.shape)).argmax(1))


def text(of: str, which: int, prompt: str) -> str:
    """A message of that class; `which` chooses one of its texts."""
    texts = REPLIES[of][2]
    return texts[which % len(texts)].format(prompt=prompt)
