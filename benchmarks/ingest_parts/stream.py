"""The events that are sent: the same stream, from the same seed, to whoever is measured."""

import random
import time
from collections.abc import Iterator

WORDS = (
    "water",
    "basil",
    "from",
    "below",
    "when",
    "the",
    "soil",
    "is",
    "dry",
    "and",
    "keep",
    "it",
    "near",
    "a",
    "window",
)
AT = "2026-11-01T12:00:00.250Z"


def identities(seed: int) -> Iterator[str]:
    """Unique UUIDs of version 7, twenty a millisecond from now on: what a fleet of clients would mint."""
    draw = random.Random(seed).getrandbits
    first = time.time_ns() // 1_000_000 + seed % 1000
    number = 0
    while True:
        at, bits = first + number // 20, draw(74)
        number += 1
        yield (
            f"{at >> 16:08x}-{at & 0xFFFF:04x}-7{bits >> 62:03x}-{0x8000 | bits >> 48 & 0x3FFF:04x}"
            f"-{bits & 0xFFFFFFFFFFFF:012x}"
        )


def votes(seed: int) -> Iterator[str]:
    """Votes of 222 bytes or so by 5,000 users, nothing but envelope and value."""
    draw = random.Random(seed + 1)
    for number, identity in enumerate(identities(seed)):
        yield (
            f'{{"id":"{identity}","kind":"vote","at":"{AT}","conversation":"c-{seed}-{number // 8:08d}",'
            f'"user":"user-{draw.randrange(5000):06d}","message":"m-{seed}-{number:010d}","page":"p-{number // 8:08d}",'
            f'"n":{number % 8},"device":"phone","value":{draw.choice((-1, 1))}}}'
        )


def mixed(seed: int) -> Iterator[str]:
    """Whole turns: 2 messages of 60–1,500 characters, expose, 2 heartbeats, view, now and then a copy or a vote."""
    draw = random.Random(seed + 1)
    fresh = identities(seed)
    for turn in range(10**9):
        conversation, prompt, answer = f"c-{seed}-{turn // 4:08d}", f"u-{seed}-{turn:09d}", f"a-{seed}-{turn:09d}"
        said, shown = _text(draw, 10, 60), _text(draw, 60, 250)
        user, page = f"user-{turn // 4 % 5000:06d}", f"p-{turn // 4:08d}"
        envelope = f'"at":"{AT}","conversation":"{conversation}","user":"{user}","page":"{page}"'
        seen = f'"message":"{answer}","seen_chars":{len(shown)},"total_chars":{len(shown)}'
        acts = [
            f'"kind":"message","message":"{prompt}","role":"user","text":"{said}"',
            f'"kind":"message","message":"{answer}","parent":"{prompt}","role":"assistant","text":"{shown}",'
            '"model":"model-1","finish":"complete"',
            f'"kind":"expose","message":"{answer}"',
            f'"kind":"heartbeat",{seen}',
            f'"kind":"heartbeat",{seen}',
            f'"kind":"view",{seen},"visible_ms":9000,"active_ms":7000,"arm":{{"policy":"b","solicit":"soft"}}',
        ]
        if draw.random() < 0.3:
            acts.append(f'"kind":"copy","message":"{answer}","chars":{draw.randrange(400)},"part":"prose"')
        if draw.random() < 0.15:
            acts.append(f'"kind":"vote","message":"{answer}","value":{draw.choice((-1, 1))}')
        for number, act in enumerate(acts):
            yield f'{{"id":"{next(fresh)}",{envelope},"n":{number},{act}}}'


def _text(draw: random.Random, least: int, most: int) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randrange(least, most)))


STREAMS = {"votes": votes, "mixed": mixed}
