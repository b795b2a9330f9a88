"""A base model is loaded or refused with a sentence; nothing is fetched and no other device is taken instead."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
)

from unspoken.errors import BadInput, MissingRun, Unavailable
from unspoken.rewards import trunk as trunks

TEXTS = [("what is it", "a bird"), ("", ""), ("why", "because " * 300), ("what is it", "no bird"), ("\x00", "é 😀")]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Whoever runs the tests, nothing may look for a model on a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def trunk(tiny_base) -> trunks.Trunk:
    return trunks.load(str(tiny_base))


def test_a_text_has_the_same_features_in_any_batch(trunk):
    together = trunks.encode(trunk, TEXTS)
    assert together.shape == (5, 32)
    alone = np.concatenate([trunks.encode(trunk, [text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_order_of_the_texts_changes_no_bit(trunk):
    assert (trunks.encode(trunk, TEXTS[::-1])[::-1] == trunks.encode(trunk, TEXTS)).all()


def test_a_sentence_is_the_mean_over_its_own_tokens_in_any_batch(trunk):
    texts = ["short", "a much longer sentence beside it", ""]
    together = trunks.sentences(trunk, texts)
    alone = np.concatenate([trunks.sentences(trunk, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    tokens = trunks.tokenize(trunk.tokenizer, [("short", "")])
    hidden = trunk.model.bert(**tokens).last_hidden_state[0].detach().numpy()
    np.testing.assert_allclose(together[0], hidden.mean(0), atol=1e-5)


def test_long_texts_are_cut_the_longest_part_first(trunk):
    tokens = trunks.tokenize(trunk.tokenizer, [("short", "x " * 1000)])
    assert tokens["input_ids"].shape == (1, trunks.MAX_TOKENS)
    assert "s h o r t" in trunk.tokenizer.decode(tokens["input_ids"][0]).replace("short", "s h o r t")


def test_the_digest_is_of_the_weights_and_not_of_their_place(trunk, tiny_base, tmp_path):
    moved = shutil.copytree(tiny_base, tmp_path / "moved")
    assert trunks.load(str(moved)).digest == trunk.digest


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_a_gpu_that_is_not_here_is_said_and_not_replaced(tiny_base, name):
    with pytest.raises(Unavailable, match=f"{name} was asked for and this machine has 0 CUDA devices.*--device cpu"):
        trunks.load(str(tiny_base), name)


@pytest.mark.parametrize("name", ["gpu", "tpu", "", "mps", "meta", "cpu:x"])
def test_a_device_of_another_name_is_refused_with_those_there_are(tiny_base, name):
    with pytest.raises(BadInput, match="say cpu, cuda or cuda:0"):
        trunks.load(str(tiny_base), name)


@pytest.mark.parametrize("name", ["no-such-model", "nobody/no-such-model", "./nowhere", "/nowhere/at all", "a b c", ""])
def test_a_base_model_that_is_not_there_is_said_without_a_network(name):
    with pytest.raises(MissingRun, match=r"could not be loaded.*Name a folder"):
        trunks.load(name)


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()


def torn_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def weights_of_another_shape(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"hidden_size": 32', '"hidden_size": 64'))


def config_of_nonsense(folder: Path) -> None:
    (folder / "config.json").write_text("{nonsense")


def unknown_kind(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"model_type": "bert"', '"model_type": "brand-new"'))


@pytest.mark.parametrize(
    "harm",
    [
        empty, without_weights, without_tokenizer, torn_weights, weights_of_another_shape, config_of_nonsense,
        unknown_kind,
    ],
)  # fmt: skip
def test_a_folder_that_holds_no_whole_model_is_said(tiny_base, tmp_path, harm):
    folder = shutil.copytree(tiny_base, tmp_path / "harmed")
    harm(folder)
    with pytest.raises(MissingRun, match="could not be loaded"):
        trunks.load(str(folder))


def test_a_model_without_pooled_output_is_refused_by_its_kind(tiny_base, tmp_path):
    config = GPT2Config(vocab_size=200, n_positions=64, n_embd=16, n_layer=1, n_head=2, pad_token_id=0)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    for file in tiny_base.glob("*token*"):
        shutil.copy(file, tmp_path)
    with pytest.raises(BadInput, match=r"is a gpt2; the frozen-trunk head needs one of BERT's kind.*minilm"):
        trunks.load(str(tmp_path))


def test_a_base_model_with_a_head_of_other_labels_has_the_same_features(trunk, tiny_base, tmp_path):
    config = BertConfig.from_pretrained(tiny_base)
    config.num_labels = 5
    other = BertForSequenceClassification(config)
    other.bert.load_state_dict(trunk.model.bert.state_dict())
    other.save_pretrained(tmp_path)
    for file in tiny_base.glob("*token*"):
        shutil.copy(file, tmp_path)
    np.testing.assert_array_equal(trunks.encode(trunks.load(str(tmp_path)), TEXTS), trunks.encode(trunk, TEXTS))


def test_a_trunk_without_its_pooler_is_refused_rather_than_drawn(tiny_base, tmp_path):
    BertForMaskedLM(BertConfig.from_pretrained(tiny_base)).save_pretrained(tmp_path)
    for file in tiny_base.glob("*token*"):
        shutil.copy(file, tmp_path)
    with pytest.raises(MissingRun, match=r"lacks 2 weights of its config, bert\.pooler\.dense\.bias"):
        trunks.load(str(tmp_path))


def test_the_model_that_is_shipped_loads_and_encodes():
    minilm = trunks.load("minilm")
    rows = trunks.encode(minilm, [("Where is the station?", "Straight on."), ("Where is the station?", "No idea.")])
    assert rows.shape == (2, 384)
    assert minilm.tokenizer.pad_token_id != minilm.tokenizer.eos_token_id
