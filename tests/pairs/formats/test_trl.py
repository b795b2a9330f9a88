"""TRL reads what is written for it: it tokenises, takes a step, and its loss is what the margins are made for."""

import datasets
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer

from unspoken.pairs.formats import named
from unspoken.pairs.formats.export import export

# TRL's and Accelerate's own: what transformers deprecates, and what a CPU has not.
pytestmark = [pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]

TEMPLATE = (
    "{% for said in messages %}{{ said.role }}: {{ said.content }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer():
    """Bytes, a pad and an end, and a chat template."""
    alphabet = ["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_ = Tokenizer(models.BPE(vocab={sign: number for number, sign in enumerate(alphabet)}, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=bytes_, pad_token="<pad>", eos_token="<eos>")
    made.chat_template = TEMPLATE
    return made


@pytest.fixture
def loaded(small, tmp_path):
    """The rows of a format as `datasets` loads them, by the configurations that the card names."""

    def load(name, family="revealed", split="train"):
        export(small, named(name), tmp_path / name)
        datasets.disable_progress_bars()
        return datasets.load_dataset(str(tmp_path / name), family, split=split, cache_dir=str(tmp_path / "cache"))

    return load


@pytest.fixture
def trainer(tokenizer, tmp_path):
    """One of TRL's trainers with a tiny random model, for one step."""
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=258,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        pad_token_id=0,
        eos_token_id=1,
    )
    shape.num_labels = 1

    def make(kind, config, rows, **settings):
        model = LlamaForSequenceClassification if kind is RewardTrainer else LlamaForCausalLM
        reference = {} if kind is RewardTrainer else {"ref_model": model(shape)}
        once = {"max_steps": 1, "per_device_train_batch_size": 8, "bf16": False, "use_cpu": True}
        quiet = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "output_dir": str(tmp_path / "run")}
        return kind(
            model=model(shape),
            args=config(**once, **quiet, **settings),
            train_dataset=rows,
            processing_class=tokenizer,
            **reference,
        )

    return make


def test_the_reward_trainer_reads_margins_and_asks_the_chosen_answer_to_win_by_them(loaded, trainer):
    rows = loaded("trl-reward")
    assert sorted(rows["margin"]) == [-2.0, 0.0, 0.0, 2.0]
    reward = trainer(RewardTrainer, RewardConfig, rows.filter(lambda row: row["margin"] > 0))
    batch = next(iter(reward.get_train_dataloader()))
    assert batch["margin"].tolist() == [2.0]

    scores = reward.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, 0]
    chosen, rejected = scores.chunk(2)
    ours = -torch.nn.functional.logsigmoid(chosen - rejected - batch["margin"]).mean()
    assert reward.compute_loss(reward.model, batch).item() == pytest.approx(ours.item())
    assert ours.item() == pytest.approx(2.13, abs=0.05)  # ln(1 + e²), for a model that knows nothing yet


def test_the_reward_trainer_takes_a_step(loaded, trainer):
    assert 0 < trainer(RewardTrainer, RewardConfig, loaded("trl-reward")).train().training_loss < 2


def test_the_reward_trainer_drops_what_is_too_long_as_the_card_warns(loaded, trainer):
    rows = loaded("trl-reward")
    longest = max(len(row["prompt"][0]["content"] + row["rejected"][0]["content"]) for row in rows)
    assert len(trainer(RewardTrainer, RewardConfig, rows, max_length=longest).train_dataset) < len(rows)


def test_dpo_trains_on_the_answers_alone(loaded, trainer, tokenizer):
    rows = loaded("trl-dpo", split="test")
    tokens = trainer(DPOTrainer, DPOConfig, rows).train_dataset[0]
    said = "system: Be brief.<eos>user: What is a hazard?<eos>assistant: A rate.<eos>user: Of what?<eos>assistant: "
    assert tokenizer.decode(tokens["prompt_ids"]) == said
    assert tokenizer.decode(tokens["chosen_ids"]) == "Answer c1, which goes on.<eos>"
    assert tokenizer.decode(tokens["rejected_ids"]) == "Answer c2, which goes on.<eos>"


def test_dpo_takes_a_step(loaded, trainer):
    assert trainer(DPOTrainer, DPOConfig, loaded("trl-dpo")).train().training_loss > 0


def test_kto_reads_its_labels_and_takes_a_step(loaded, trainer):
    good, bad = loaded("trl-kto"), loaded("trl-kto", split="test")
    both = datasets.concatenate_datasets([good, bad])
    kto = trainer(KTOTrainer, KTOConfig, both)
    assert sorted(kto.train_dataset["label"]) == [False, True, True]
    assert kto.train().training_loss > 0
