"""What an episode is, one answer at a time: slow, plain, and what the quick one is checked against.

Takes the rows of frames.MESSAGES and frames.EVENTS as dicts; gives those of frames.EPISODES, without `prompt_key`,
whose letters are nobody's business: `path` stands in its place, the texts from the root to the prompt.
"""

from datetime import timedelta
from typing import Any

from unspoken.events import PRESENT, REVEALED

Row = dict[str, Any]
IN_SIGHT = ("expose", "heartbeat", "view", "hide")
NEXT = ("message", "regenerate", "edit", "close", "copy", "select", "share")
MS = timedelta(milliseconds=1)


def once(rows: list[Row], name: str) -> list[Row]:
    """The first of each id, by time and id."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row[name], row)
    return sorted(first.values(), key=lambda row: (row["at"], row[name]))


def episodes(messages: list[Row], events: list[Row]) -> list[Row]:
    """A row per answer, by conversation, time and id. Conversations know nothing of one another."""
    messages, events = once(messages, "message"), once(events, "event")
    found = []
    for conversation in sorted({message["conversation"] for message in messages}):
        chat = Chat(
            [message for message in messages if message["conversation"] == conversation],
            [event for event in events if event["conversation"] == conversation],
        )
        found += [chat.episode(message) for message in chat.messages.values() if chat.is_answer(message)]
    return found


def last(values: list[Any]) -> Any:
    """The last of them, None of none."""
    return values[-1] if values else None


def first(values: list[Any]) -> Any:
    """The first that is not None."""
    return next((value for value in values if value is not None), None)


def said(values: list[Any]) -> list[Any]:
    """Without None."""
    return [value for value in values if value is not None]


class Chat:
    """One conversation."""

    def __init__(self, messages: list[Row], events: list[Row]) -> None:
        self.messages = {message["message"]: message for message in messages}
        self.every = [event for event in events if not self.withdrawn(event, events)]

    def withdrawn(self, close: Row, events: list[Row]) -> bool:
        """An inferred close, and a sign of the same person within the silence that it was inferred from."""
        if not is_inferred(close):
            return False
        hid = any(event["kind"] == "hide" and event["at"] == close["at"] for event in events)
        until = close["at"] + (close["silent_ms"] or 0) * MS
        for event in events:
            written = event["kind"] == "message" and event["role"] == "user"
            act = event["kind"] in PRESENT or written or (event["kind"] == "close" and not is_inferred(event))
            sign = act or (not hid and event["kind"] in IN_SIGHT)
            same = event["user"] is None or close["user"] is None or event["user"] == close["user"]
            if sign and same and close["at"] < event["at"] <= until:
                return True
        return False

    # -- the tree

    def path(self, message: Row) -> list[Row] | None:
        """From the root down to it; None in a cycle or under one."""
        up = [message]
        while up[-1]["parent"] in self.messages:
            if len(up) > len(self.messages):
                return None
            up.append(self.messages[up[-1]["parent"]])
        return up[::-1]

    def is_answer(self, message: Row) -> bool:
        """Whether it gets a row."""
        return message["role"] == "assistant" and self.path(message) is not None

    def children(self, message: Row) -> list[Row]:
        """What stands directly below."""
        return [each for each in self.messages.values() if each["parent"] == message["message"]]

    def below(self, message: Row) -> int:
        """How many stand below, at any depth."""
        return sum(1 + self.below(child) for child in self.children(message))

    def replies(self, message: Row) -> list[Row]:
        """What users wrote directly below."""
        return [child for child in self.children(message) if child["role"] == "user"]

    def told(self, message: Row) -> Row | None:
        """The event of a message."""
        return first(
            [event for event in self.every if event["kind"] == "message" and event["message"] == message["message"]]
        )

    # -- the row

    def episode(self, answer: Row) -> Row:
        """The row of one answer."""
        acts = [event for event in self.every if event["message"] == answer["message"] and event["kind"] in REVEALED]
        cut_off = any(event["kind"] == "disconnect" for event in acts)
        acts = [event for event in acts if event["kind"] != "disconnect"]
        of = {kind: [event for event in acts if event["kind"] == kind] for kind in REVEALED}
        path = self.path(answer) or []
        prompt = self.messages.get(answer["parent"])
        replies = self.replies(answer)
        edits = self.edits(prompt)
        told, asked = self.told(answer), self.told(prompt) if prompt else None
        streamed = max((told["duration_ms"] or 0) - (told["ttft_ms"] or 0), 0) if told else 0
        completed = answer["at"] + streamed * MS
        next_act, next_after_ms = self.next(answer, completed, of, replies, edits)
        visible_ms = total(of["view"], "visible_ms")
        unread_ms = max(1500.0, 0.15 * 1000 * answer["chars"] / (238 / 60 * 5.7))
        row: Row = {
            "message": answer["message"],
            "conversation": answer["conversation"],
            "user": first([prompt["user"] if prompt else None, *(event["user"] for event in acts)]),
            "author": answer["user"],
            "prompt": prompt["message"] if prompt else None,
            "root": path[0]["message"],
            "path": tuple(message["digest"] for message in path[:-1]) if prompt else None,
            "root_role": path[0]["role"],
            "root_key": path[0]["digest"],
            "turn": sum(message["role"] == "assistant" for message in path) - 1,
            "at": answer["at"],
            "latency_s": (answer["at"] - prompt["at"]).total_seconds() if prompt else None,
            "chars": answer["chars"],
            "finish": answer["finish"],
            "topic": first([event["topic"] for event in (asked, told) if event]),
            "device": first([*(event["device"] for event in acts), asked["device"] if asked else None]),
            **self.arms(told, acts),
            "lost": self.lost(answer),
            "exposed": bool(acts or replies),
            "duration_ms": told["duration_ms"] if told else None,
            "visible_ms": visible_ms,
            "active_ms": total(of["view"], "active_ms"),
            "idle_ms": total(of["view"], "idle_ms"),
            "hidden_ms": total(of["view"], "hidden_ms"),
            "seen_chars": max(said([event["seen_chars"] for event in acts]), default=None),
            "total_chars": max(said([event["total_chars"] for event in acts]), default=None),
            "stopped": bool(of["stop"]),
            "closed": last([event["phase"] for event in of["close"]]),
            "close_cause": last([event["cause"] for event in of["close"]]),
            "disconnected": cut_off and not of["stop"] and all(map(is_inferred, of["close"])),
            "regenerated": bool(of["regenerate"]),
            "regenerate_phase": of["regenerate"][0]["phase"] if of["regenerate"] else None,
            "regenerated_unread": bool(of["regenerate"]) and visible_ms is not None and visible_ms < unread_ms,
            **copied(answer, of["copy"]),
            "shared": bool(of["share"]),
            "selected": bool(of["select"]),
            "edited": bool(edits),
            "longest_pause_ms": max(
                [event["ms"] for event in of["pause"] if event["phase"] == "reading"], default=None
            ),
            "next_act": next_act,
            "next_after_ms": next_after_ms,
            "reply": replies[0]["message"] if replies else None,
            "reply_after_ms": max(replies[0]["at"] - completed, 0 * MS) // MS if replies else None,
            **self.among_siblings(answer, prompt, replies),
            "continued": bool(replies),
            "later_turns": self.below(answer),
            "answered_last": self.below(answer) == 0,
            **self.said_of(answer),
        }
        written = [self.told(reply) for reply in replies]
        row["evidence"] = [event["event"] for event in acts + said(written)] + said([event for _, event in edits])
        return row

    def arms(self, told: Row | None, acts: list[Row]) -> Row:
        """Policy and anchor: of the answer's own event, else of the first act that has an arm."""
        own = (told and told["arm"]) or {}
        acted = first([event["arm"] for event in acts]) or {}
        return {name: first([own.get(name), acted.get(name)]) for name in ("policy", "anchor")}

    def edits(self, prompt: Row | None) -> list[tuple[Any, str | None]]:
        """When, and by which event, the prompt was edited: told, or seen by the same user's next prompt beside it."""
        if prompt is None:
            return []
        edits = [
            (event["at"], event["event"])
            for event in self.every
            if event["kind"] == "edit" and event["message"] == prompt["message"]
        ]
        if prompt["role"] == "user" and prompt["parent"] in self.messages:
            beside = [
                other for other in self.replies(self.messages[prompt["parent"]]) if other["user"] == prompt["user"]
            ]
            for other in beside[beside.index(prompt) + 1 :][:1]:
                told = self.told(other)
                edits.append((other["at"], told["event"] if told else None))
        return sorted(edits, key=lambda edit: (edit[0], edit[1] is not None, edit[1]))

    def next(self, answer: Row, completed: Any, of: dict[str, list[Row]], replies: list[Row], edits: list[Any]) -> Any:
        """The first act from the completion on, and after how many ms, less those that the page was away."""
        acts = [(event["at"], kind) for kind in NEXT if kind != "edit" for event in of.get(kind, [])]
        acts += [(at, "edit") for at, _ in edits[:1]]
        acts += [
            (event["at"], "select")
            for event in self.every
            if event["kind"] == "select" and event["previous"] == answer["message"]
        ]
        acts += [(max(reply["at"], completed), "message") for reply in replies[:1]]
        after = sorted((at, NEXT.index(kind)) for at, kind in acts if at >= completed)
        if not after:
            return None, None
        at, kind = after[0]
        returns = [
            event
            for event in self.every
            if event["kind"] == "return" and event["away_ms"] and completed < event["at"] <= at
        ]
        away = sum(event["away_ms"] for event in returns)
        if returns:  # the first absence may have begun before
            away -= max(returns[0]["away_ms"] - (returns[0]["at"] - completed) // MS, 0)
        return NEXT[kind], max((at - completed) // MS - away, 0)

    def lost(self, answer: Row) -> int | None:
        """Gaps of the pages beside its events; None where none of its events has a page and a number."""
        answers = {message["message"] for message in self.messages.values() if self.is_answer(message)}
        lost, known = 0, False
        for page in {event["page"] for event in self.every if event["page"] is not None}:
            events = [event for event in self.every if event["page"] == page and event["n"] is not None]
            events.sort(key=lambda event: event["n"])
            about = [event["message"] if event["message"] in answers else None for event in events]
            known = known or answer["message"] in about
            for number in range(1, len(events)):
                gap = events[number]["n"] - events[number - 1]["n"] - 1
                beside = {last(said(about[:number])), first(about[number:])}
                if gap > 0 and answer["message"] in beside:
                    lost += gap
        return lost if known else None

    def among_siblings(self, answer: Row, prompt: Row | None, replies: list[Row]) -> Row:
        """Place among the answers to the same prompt, and which of them was kept."""
        siblings = [each for each in self.children(prompt) if self.is_answer(each)] if prompt else [answer]
        rank = siblings.index(answer)
        latest = max((reply["at"] for each in siblings for reply in self.replies(each)), default=None)
        kept = None
        if len(siblings) > 1 and latest is not None:
            kept = any(reply["at"] == latest for reply in replies)
        is_last = rank == len(siblings) - 1
        return {
            "siblings": len(siblings),
            "sibling_rank": rank,
            "last_generated": is_last,
            "kept": kept,
            "back_navigated": bool(kept) and not is_last,
        }

    def said_of(self, answer: Row) -> Row:
        """Vote, ratings, solicitation."""
        own = [event for event in self.every if event["message"] == answer["message"]]
        votes = [event for event in own if event["kind"] == "vote"]
        asked = [event for event in own if event["kind"] == "solicit"]
        rated = latest_of_each([event for event in own if event["kind"] == "rating"])
        whole = latest_of_each([event for event in self.every if event["kind"] == "rating" and not event["message"]])
        counts = rated or whole
        shares = sorted((each["value"] - each["lowest"]) / (each["highest"] - each["lowest"]) for each in counts)
        return {
            "vote": (last([event["value"] for event in votes]) or None),
            "rating": sum(shares) / len(shares) if shares else None,
            "rating_by": "answer" if rated else "conversation" if whole else None,
            "rating_lowest": min((each["value"] for each in counts), default=None),
            "rating_highest": max((each["value"] for each in counts), default=None),
            "solicit_level": asked[0]["level"] if asked else None,
            "solicit_shown": max(said([event["shown"] for event in asked]), default=None),
            "solicit_answered": max(said([event["answered"] for event in asked]), default=None),
            "solicit_propensity": asked[0]["propensity"] if asked else None,
            "stated_evidence": [event["event"] for event in votes + rated + whole],
        }


def is_inferred(event: Row) -> bool:
    """A close that nobody told."""
    return event["kind"] == "close" and event["cause"] == "inferred"


def total(views: list[Row], name: str) -> int | None:
    """The sum of what is said; None where none says it."""
    values = said([view[name] for view in views])
    return sum(values) if values else None


def copied(answer: Row, copies: list[Row]) -> Row:
    """The most at once, of the whole and of each part; a copy that does not say how much took the whole."""

    def most(some: list[Row]) -> int | None:
        sizes = [answer["chars"] if copy["chars"] is None else min(copy["chars"], answer["chars"]) for copy in some]
        return max(sizes, default=None)

    return {
        "copied_share": (most(copies) or 0) / max(answer["chars"], 1),
        "copied_code_chars": most([copy for copy in copies if copy["part"] == "code"]),
        "copied_prose_chars": most([copy for copy in copies if copy["part"] != "code"]),
    }


def latest_of_each(ratings: list[Row]) -> list[Row]:
    """The last rating of each user on each scale, by time."""
    counts = {(rating["user"], rating["scale"]): rating for rating in ratings}
    return sorted(counts.values(), key=lambda rating: (rating["at"], rating["event"]))
