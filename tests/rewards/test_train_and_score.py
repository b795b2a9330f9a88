"""From a dataset folder to a checkpoint that plain transformers loads, and scores that agree with it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from unspoken.errors import BadInput, MissingRun, TooLittleData
from unspoken.folders import replacing
from unspoken.frames import TEXTS
from unspoken.pairs import folder as datasets
from unspoken.report.render import write_report
from unspoken.rewards import features, head, run_folder, score, train, trunk
from unspoken.rewards.records import records


def retrained(loop, tiny_base, out, **changes):
    return train.train(loop.dataset, "stated", out, base_model=str(tiny_base), cache=None, **changes)


def changed(loop, out, **frames):
    """The dataset with other frames, in another folder."""
    shutil.copytree(loop.dataset, out)
    for name, frame in frames.items():
        frame.write_parquet(out / f"{name}.parquet")
    return out


def test_the_same_dataset_and_seed_give_the_same_model_hash_with_and_without_a_cache(loop, tiny_base, tmp_path):
    first = run_folder.manifest(loop.stated)
    again = retrained(loop, tiny_base, tmp_path / "again")
    assert again["model_hash"] == first["model_hash"]
    assert again == first


def test_families_give_different_models(loop):
    stated, revealed = run_folder.manifest(loop.stated), run_folder.manifest(loop.revealed)
    assert stated["model_hash"] != revealed["model_hash"]
    assert (stated["family"], revealed["family"]) == ("stated", "revealed")
    assert stated["dataset"] == revealed["dataset"] == datasets.read(loop.dataset).digest


def test_only_the_train_split_of_the_family_trains(loop):
    dataset = datasets.read(loop.dataset)
    mine = (pl.col("family") == "stated") & (pl.col("split") == "train")
    pairs, unpaired = dataset.pairs.filter(mine), dataset.unpaired.filter(mine)
    manifest = run_folder.manifest(loop.stated)
    assert (manifest["labels"], manifest["pairs"]) == (len(pairs) + len(unpaired), len(pairs))


def test_plain_transformers_give_our_scores_alone_and_in_a_batch(loop, tmp_path):
    ours = score.score(loop.stated, loop.dataset, tmp_path / "scores.parquet")
    texts = datasets.read(loop.dataset).texts.join(ours, on="message")[:40]
    model = AutoModelForSequenceClassification.from_pretrained(loop.stated)
    tokenizer = AutoTokenizer.from_pretrained(loop.stated)
    assert model.config.num_labels == 1

    def plain(prompts: list[str], answers: list[str]) -> np.ndarray:
        tokens = tokenizer(
            prompts, answers, padding=True, truncation="longest_first", max_length=256, return_tensors="pt"
        )
        with torch.inference_mode():
            return model(**tokens).logits[:, 0].numpy()

    batched = plain(texts["prompt"].to_list(), texts["answer"].to_list())
    single = [plain([prompt], [answer])[0] for prompt, answer in texts.select("prompt", "answer").iter_rows()]
    np.testing.assert_allclose(batched, texts["score"], atol=1e-4)
    np.testing.assert_allclose(single, texts["score"], atol=1e-4)


def test_scores_are_the_head_on_reduced_features_up_to_a_constant(loop, tiny_base):
    dataset = datasets.read(loop.dataset)
    space = train.Space.of(dataset, trunk.load(str(tiny_base)), loop.cache)
    w = head.fit(space.records(dataset, "stated", "train")).w
    difference = score.on_features(loop.stated, space.raw) - space.x @ w
    np.testing.assert_allclose(difference, difference[0], atol=1e-4)


def test_scores_are_one_per_answer_and_equal_for_equal_texts(loop, tmp_path):
    out = tmp_path / "deep" / "scores.parquet"
    score.score(loop.revealed, loop.dataset, out)
    stored = pl.read_parquet(out)
    texts = datasets.read(loop.dataset).texts
    assert stored["message"].to_list() == texts["message"].to_list()
    spread = texts.join(stored, on="message").group_by("prompt", "answer").agg(pl.col("score").n_unique())
    assert spread["score"].max() == 1
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_components_are_fitted_on_texts_that_train_nothing(loop, tiny_base):
    dataset = datasets.read(loop.dataset)
    base = trunk.load(str(tiny_base))
    space = train.Space.of(dataset, base, loop.cache)
    neutral = dataset.texts.filter("neutral")
    alone = features.reduction(features.of_texts(neutral, base, loop.cache))
    np.testing.assert_array_equal(space.reduction.directions, alone.directions)


def test_a_run_without_its_manifest_is_not_there(loop, tmp_path):
    torn = shutil.copytree(loop.stated, tmp_path / "torn")
    (torn / "manifest.json").unlink()
    for use in (
        lambda: run_folder.manifest(torn),
        lambda: score.score(torn, loop.dataset, tmp_path / "scores.parquet"),
        lambda: run_folder.manifest(tmp_path / "nowhere"),
    ):
        with pytest.raises(MissingRun, match=r"no manifest\.json.*unspoken train"):
            use()
    assert not (tmp_path / "scores.parquet").exists()


@pytest.mark.parametrize("text", ["", "{half", "[]", "null"])
def test_a_manifest_that_cannot_be_read_is_said(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(MissingRun):
        run_folder.manifest(tmp_path)


def test_a_dataset_is_no_run_and_a_run_no_dataset(loop, tmp_path):
    with pytest.raises(MissingRun, match="holds a dataset; a trained model was needed"):
        run_folder.manifest(loop.dataset)
    with pytest.raises(MissingRun, match="holds a reward model"):
        score.score(loop.stated, loop.stated, tmp_path / "scores.parquet")


def test_the_manifest_is_written_last_and_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="half way"), replacing(tmp_path / "run", run_folder.KIND) as folder:
        (folder / "config.json").write_text("{}")
        raise RuntimeError("half way")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_run_that_was_there(loop, tmp_path):
    run = shutil.copytree(loop.stated, tmp_path / "run")
    with pytest.raises(RuntimeError, match="half way"), replacing(run, run_folder.KIND):
        raise RuntimeError("half way")
    assert run_folder.manifest(run) == run_folder.manifest(loop.stated)


def test_a_run_takes_the_place_of_a_run_and_of_nothing_else(loop, tmp_path):
    run = shutil.copytree(loop.stated, tmp_path / "run")
    with replacing(run, run_folder.KIND) as folder:
        (folder / "new").write_text("")
    assert [file.name for file in run.iterdir()] == ["new"]
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(BadInput, match="holds something that is no reward model"),
        replacing(precious, run_folder.KIND),
    ):
        pass
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_scores_are_not_written_over_a_folder(loop, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInput, match="is a folder; name the Parquet file"):
        score.score(loop.stated, loop.dataset, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_result_of_another_kind_is_not_replaced(loop, tmp_path):
    run = shutil.copytree(loop.stated, tmp_path / "run")
    with pytest.raises(BadInput, match="no report"):
        write_report({}, run)
    dataset = shutil.copytree(loop.dataset, tmp_path / "dataset")
    with pytest.raises(BadInput, match="no reward model"):
        train.train(dataset, "stated", dataset)
    assert run_folder.manifest(run) and datasets.read(dataset)


def test_a_family_nobody_knows_is_refused(loop, tmp_path):
    with pytest.raises(BadInput, match="no family 'expressed' to train on; there are stated and revealed"):
        train.train(loop.dataset, "expressed", tmp_path / "run")


def test_a_dataset_of_one_class_is_refused_and_nothing_is_written(loop, tiny_base, tmp_path):
    dataset = datasets.read(loop.dataset)
    loved = changed(
        loop, tmp_path / "loved", unpaired=dataset.unpaired.with_columns(p=pl.lit(1.0)), pairs=dataset.pairs[:0]
    )
    with pytest.raises(TooLittleData, match=r"labels say the same \(1\)"):
        train.train(loved, "stated", tmp_path / "run", base_model=str(tiny_base), cache=loop.cache)
    assert [file.name for file in tmp_path.iterdir()] == ["loved"]


def test_a_dataset_without_labels_of_the_family_is_refused(loop, tiny_base, tmp_path):
    dataset = datasets.read(loop.dataset)
    frames = {name: getattr(dataset, name).filter(pl.col("family") != "stated") for name in ("pairs", "unpaired")}
    silent = changed(loop, tmp_path / "silent", **frames)
    with pytest.raises(TooLittleData, match="no labels to train on"):
        train.train(silent, "stated", tmp_path / "run", base_model=str(tiny_base), cache=loop.cache)


def test_a_dataset_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(MissingRun, match=r"not a finished dataset.*unspoken pairs"):
        train.train(tmp_path / "nowhere", "stated", tmp_path / "run")


def test_records_are_differences_with_margins_and_single_answers_with_their_users(loop):
    dataset = datasets.read(loop.dataset)
    mine = (pl.col("family") == "revealed") & (pl.col("split") == "train")
    pairs, unpaired = dataset.pairs.filter(mine)[:3], dataset.unpaired.filter(mine)[:5]
    row_of = {message: row for row, message in enumerate(dataset.texts["message"])}
    x = np.random.default_rng(0).normal(size=(len(row_of), 2))
    made = records(pairs, unpaired, row_of, x)
    assert len(made) == 8
    assert made.alone.tolist() == [False] * 3 + [True] * 5
    np.testing.assert_array_equal(made.x[0], x[row_of[pairs["chosen"][0]]] - x[row_of[pairs["rejected"][0]]])
    np.testing.assert_array_equal(made.margin[:3], pairs["margin"])
    np.testing.assert_array_equal(made.x[3], x[row_of[unpaired["message"][0]]])
    assert (made.intercept[:3] == -1).all()
    assert (made.intercept[3:] >= 0).all()
    assert [made.people[unit] for unit in made.unit[3:]] == [tuple(people) for people in unpaired["people"]]


def test_records_of_nobody_in_particular_have_no_intercept(loop):
    dataset = datasets.read(loop.dataset)
    row_of = {message: row for row, message in enumerate(dataset.texts["message"])}
    unknown = dataset.unpaired[:6].with_columns(user=pl.lit(None, dtype=pl.String))
    made = records(dataset.pairs[:0], unknown, row_of, np.zeros((len(row_of), 2)))
    assert (made.intercept == -1).all()
    assert len(made.only(np.array([], dtype=int))) == 0
    assert replace(made, p=made.p).x.shape == (6, 2)


def test_a_run_says_whether_the_people_it_learned_from_exist(loop, tiny_base, tmp_path):
    dataset = datasets.read(loop.dataset)
    recorded = datasets.write(dataset, dataset.texts, tmp_path / "dataset", {"project": "shop", "simulated": False})
    train.train(recorded, "stated", tmp_path / "run", base_model=str(tiny_base), cache=loop.cache)
    for run, simulated in ((loop.stated, True), (tmp_path / "run", False)):
        assert run_folder.manifest(run)["simulated"] is simulated
        assert json.loads((run / "config.json").read_text())["simulated"] is simulated
    assert run_folder.manifest(tmp_path / "run")["model_hash"] == run_folder.manifest(loop.stated)["model_hash"]


def test_the_checkpoint_says_it_has_one_label_and_keeps_its_weights_in_safetensors(loop):
    config = json.loads((loop.stated / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert load_file(loop.stated / "model.safetensors")["classifier.weight"].shape == (1, 32)
    assert TEXTS.keys() >= {"prompt", "answer"}
