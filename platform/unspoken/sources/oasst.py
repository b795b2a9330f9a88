"""OpenAssistant's message trees: one JSON object a line, replies within replies, ranks among the replies."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from unspoken.events import instant
from unspoken.sources.making import LONGEST_TEXT, MADE_UP, event, named, plain
from unspoken.sources.reading import Reading, objects

RECIPE = "chat"
FACTS = (
    "Message trees by volunteers of OpenAssistant (Apache-2.0): people wrote prompts and answers, ranked the answers "
    "to one prompt, and pressed thumbs.",
    "Of the 100 English trees with 1,167 messages that the tests read, 22 answers are a machine's and 211 prompts have "
    "several ranked answers by people.",
    "Ranks and thumbs are sums over people who are not named; so are the writers, in the public files.",
)
ASSUMPTIONS = (
    "Whoever wrote the prompts of a tree is taken for one person, who stands on one side of every split.",
    "A better rank is a side-by-side choice over each worse one; nobody is named as having chosen.",
    "Thumbs are counts: the majority is one vote by nobody named; as many up as down say nothing.",
    "Of the labels only quality is kept, as a rating between 0 and 1 by nobody named.",
    "Without created_date a tree begins on 2000-01-01, and each level takes a second.",
    "Which answer the tree goes on below was drawn by the collectors: revealed labels of this data say nothing.",
)
ROLES = {"prompter": "user", "assistant": "assistant"}
DEEPEST = 200


def events(path: Path, reading: Reading | None = None) -> Iterator[dict[str, Any]]:
    """Events of each tree."""
    reading = reading or Reading()
    used = False
    for where, tree in objects(path, reading):
        root = tree.get("prompt")
        name = tree.get("message_tree_id")
        if not isinstance(root, dict) or not isinstance(name, str) or not name:
            reading.leave_out("no tree: `message_tree_id` or `prompt` is missing", where)
            continue
        for each in _tree(named(name), root, reading):
            used = True
            yield each
    if not used:
        raise reading.nothing(path, "no line is a tree with `message_tree_id` and `prompt`")


def _tree(tree: str, root: dict[str, Any], reading: Reading) -> Iterator[dict[str, Any]]:
    """Depth first without recursion, so that no depth of a file is too deep for us."""
    waiting: list[tuple[dict[str, Any], str | None, int, int, datetime]] = [(root, None, 0, 0, MADE_UP)]
    while waiting:
        node, parent, depth, place, above = waiting.pop()
        reason = _unusable(node, depth)
        if reason:
            where = node.get("message_id")
            reading.leave_out(reason, where if isinstance(where, str) else tree, _size(node))
            continue
        message = named(node["message_id"])
        at = _at(node, depth, place, above)
        author = f"prompter of {tree}" if node["role"] == "prompter" else None
        yield event(
            "oasst", message, "message", at, tree, message=message, parent=parent, role=ROLES[node["role"]],
            text=plain(node["text"]), user=author, model=_model(node),
        )  # fmt: skip
        yield from _said(tree, message, node, at, reading)
        replies = node.get("replies")
        children = [child for child in replies if isinstance(child, dict)] if isinstance(replies, list) else []
        yield from _ranks(tree, message, children, at, reading)
        waiting += [(child, message, depth + 1, number, at) for number, child in reversed([*enumerate(children)])]


def _unusable(node: dict[str, Any], depth: int) -> str | None:
    if not isinstance(node.get("message_id"), str) or not node["message_id"] or not isinstance(node.get("text"), str):
        return "a message without message_id or text, and all below it"
    if node.get("role") not in ROLES:
        return "a message of another role, and all below it"
    if node.get("deleted") is True:
        return "a message that was deleted, and all below it"
    if len(node["text"]) > LONGEST_TEXT:
        return f"a message longer than {LONGEST_TEXT:,} characters, and all below it"
    return f"a message deeper than {DEEPEST} levels, and all below it" if depth > DEEPEST else None


def _size(node: dict[str, Any]) -> int:
    found, waiting = 0, [node]
    while waiting:
        replies = waiting.pop().get("replies")
        found += 1
        waiting += [child for child in replies if isinstance(child, dict)] if isinstance(replies, list) else []
    return found


def _at(node: dict[str, Any], depth: int, place: int, above: datetime) -> datetime:
    try:
        return max(instant(node.get("created_date")), above + timedelta(milliseconds=1))
    except ValueError:
        made = MADE_UP + timedelta(seconds=depth, milliseconds=place)
        return max(made, above + timedelta(milliseconds=1))


def _model(node: dict[str, Any]) -> str | None:
    model = node.get("model_name")
    return plain(model)[:200] if node.get("synthetic") is True and isinstance(model, str) and model else None


def _said(tree: str, message: str, node: dict[str, Any], at: datetime, reading: Reading) -> Iterator[dict[str, Any]]:
    emojis = node.get("emojis")
    counts = {name: count for name, count in emojis.items() if type(count) is int} if isinstance(emojis, dict) else {}
    up, down = counts.pop("+1", 0), counts.pop("-1", 0)
    reading.leave_out("a mark that is no thumb (skips, red flags)", message, sum(counts.values()))
    after = at + timedelta(milliseconds=500)
    if node["role"] == "prompter":
        reading.leave_out("a thumb on a prompt", message, up + down)
    elif up == down:
        reading.leave_out("a thumb on an answer with as many up as down", message, up + down)
    else:
        reading.leave_out("a thumb that its answer's one vote, by majority, stands for", message, up + down - 1)
        yield event("oasst", f"{message}/thumbs", "vote", after, tree, message=message, value=1 if up > down else -1)
    labels = node.get("labels")
    for name, label in labels.items() if isinstance(labels, dict) else ():
        value = label.get("value") if isinstance(label, dict) else None
        if name == "quality" and node["role"] == "assistant" and type(value) in (int, float) and 0 <= value <= 1:  # type: ignore[operator]
            yield event(
                "oasst", f"{message}/quality", "rating", after, tree, message=message, scale="quality", value=value,
                lowest=0, highest=1,
            )  # fmt: skip
        else:
            reading.leave_out("a label that is not an answer's quality", message)


def _ranks(
    tree: str, prompt: str, children: list[dict[str, Any]], at: datetime, reading: Reading
) -> Iterator[dict[str, Any]]:
    """Each answer over those of a worse rank. Answers by machines were not ranked by people."""
    people = [child for child in children if _unusable(child, 0) is None and child.get("synthetic") is not True]
    ranked = sorted((child["rank"], named(child["message_id"])) for child in people if type(child.get("rank")) is int)
    machines = sum(child.get("synthetic") is True and type(child.get("rank")) is int for child in children)
    reading.leave_out("a rank of a machine's answer", prompt, machines)
    for rank, chosen in ranked:
        worse = [message for other, message in ranked if other > rank][:50]
        if worse:
            after = at + timedelta(seconds=1, milliseconds=500)
            yield event("oasst", f"{chosen}/rank", "choice", after, tree, chosen=chosen, rejected=worse)
    if len(people) > 1 and len(ranked) < len(people):
        reading.leave_out("an answer beside others without a rank", prompt, len(people) - len(ranked))
