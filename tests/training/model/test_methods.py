"""Methods of training: what is trained, what is merged, what peft loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForTokenClassification

from lexel.errors import OptionError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.model.methods import ADAPTER_WEIGHTS, apply_method, merge_method, save_unmerged
from tests.builders import RECIPES, build_reference

FAMILIES = (
    *("bert", "roberta", "electra", "albert", "distilbert", "modernbert", "deberta-v3", "xlm-roberta-xl", "ernie"),
    *("gte", "nomic-bert", "jina-embeddings-v3", "mpnet", "eurobert"),
)
IDS = torch.arange(5, 25)[None]


def options(method: str, **more: Any) -> TrainingOptions:
    """Options of a method."""
    heads = {"entities": HeadOptions(task="entities")}
    return TrainingOptions(
        train=(DataFile(path="a"),), heads=heads, output_dir="o", model="m", method=method, lora_r=2, **more
    )  # type: ignore[arg-type]


def encoder_of(folder: Path, recipe: str = "bert") -> Any:
    """A tiny encoder of transformers, written to a folder too."""
    build_reference(folder, RECIPES[recipe])
    return AutoModel.from_pretrained(folder).eval()


def trained(encoder: Any) -> set[str]:
    """Names of the parameters that are trained, apart from the pooler's."""
    return {name for name, p in encoder.named_parameters() if p.requires_grad and "pooler" not in name}


def stir(encoder: Any) -> None:
    """Give whatever is trained other values, as training does."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.2)


def states(encoder: Any) -> torch.Tensor:
    """Last hidden states of a few pieces."""
    with torch.no_grad():
        return encoder(IDS).last_hidden_state


def test_full_trains_every_weight(tmp_path: Path) -> None:
    encoder = encoder_of(tmp_path)
    apply_method(encoder, options("full"))
    assert all(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize("recipe", FAMILIES)
def test_head_freezes_the_encoder(tmp_path: Path, recipe: str) -> None:
    encoder = encoder_of(tmp_path, recipe)
    apply_method(encoder, options("head"))
    assert trained(encoder) == set()


@pytest.mark.parametrize(("recipe", "layers"), [("bert", "encoder.layer"), ("distilbert", "transformer.layer")])
def test_last_layers_trains_these_only(tmp_path: Path, recipe: str, layers: str) -> None:
    encoder = encoder_of(tmp_path, recipe)
    apply_method(encoder, options("last_layers", last_layers=2))
    assert {name.split(".")[2] for name in trained(encoder)} == {"1", "2"}
    assert all(name.startswith(layers) for name in trained(encoder))


@pytest.mark.parametrize(("recipe", "n", "said"), [("bert", 4, "expected at most 3"), ("albert", 1, "share weights")])
def test_layers_that_are_not_there_are_refused(tmp_path: Path, recipe: str, n: int, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        apply_method(encoder_of(tmp_path, recipe), options("last_layers", last_layers=n))


@pytest.mark.parametrize("recipe", FAMILIES)
@pytest.mark.parametrize("method", ["lora", "dora", "ia3"])
def test_merging_changes_no_score_and_brings_the_names_back(tmp_path: Path, method: str, recipe: str) -> None:
    encoder = encoder_of(tmp_path, recipe)
    names, before = list(encoder.state_dict()), states(encoder)
    apply_method(encoder, options(method))
    assert trained(encoder)
    assert all("lora_" in name or "ia3_" in name for name in trained(encoder))
    assert torch.allclose(states(encoder), before, atol=1e-5)
    stir(encoder)
    after = states(encoder)
    merge_method(encoder, options(method))
    assert list(encoder.state_dict()) == names
    assert torch.allclose(states(encoder), after, atol=1e-4)
    assert not torch.allclose(after, before, atol=1e-2)


def test_updates_stand_where_the_method_puts_them(tmp_path: Path) -> None:
    encoder = encoder_of(tmp_path)
    apply_method(encoder, options("ia3"))
    first = {name for name in trained(encoder) if ".layer.0." in name}
    parts = ("attention.self.key", "attention.self.value", "output.dense")
    assert first == {f"encoder.layer.0.{part}.ia3_l.default" for part in parts}


def test_modules_can_be_chosen(tmp_path: Path) -> None:
    encoder = encoder_of(tmp_path)
    apply_method(encoder, options("lora", target_modules=("key",)))
    assert {name.split(".")[5] for name in trained(encoder)} == {"key"}


def test_modules_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"target_modules: q_proj fit no linear module.*such as query"):
        apply_method(encoder_of(tmp_path), options("lora", target_modules=("q_proj",)))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
@pytest.mark.parametrize("method", ["lora", "dora", "ia3"])
def test_peft_loads_what_is_kept_apart(tmp_path: Path, method: str) -> None:
    """peft puts the update and the head on the base model, and gives the same scores."""
    encoder = encoder_of(tmp_path / "base")
    asked = options(method, merge=False)
    apply_method(encoder, asked)
    stir(encoder)
    head = {"classifier.weight": torch.randn(5, 32), "classifier.bias": torch.randn(5)}
    (tmp_path / "adapter").mkdir()
    base = (str(tmp_path / "base"), None)
    save_unmerged(tmp_path / "adapter", encoder, asked, base=base, prefix="bert", heads=head, task="entities")
    theirs = PeftModel.from_pretrained(AutoModelForTokenClassification.from_pretrained(base[0]), tmp_path / "adapter")
    expected = states(encoder) @ head["classifier.weight"].T + head["classifier.bias"]
    with torch.no_grad():
        assert torch.allclose(theirs.eval()(IDS).logits, expected, atol=1e-4)


def test_the_update_is_small_and_has_the_heads(tmp_path: Path) -> None:
    encoder = encoder_of(tmp_path / "base")
    asked = options("lora", merge=False)
    apply_method(encoder, asked)
    (tmp_path / "adapter").mkdir()
    head = {"heads.words.weight": torch.zeros(2, 32)}
    save_unmerged(tmp_path / "adapter", encoder, asked, base=("b", None), prefix="", heads=head, task=None)
    names = set(load_file(tmp_path / "adapter" / ADAPTER_WEIGHTS))
    assert "base_model.model.heads.words.weight" in names
    assert all("lora_" in name or ".heads." in name for name in names)
