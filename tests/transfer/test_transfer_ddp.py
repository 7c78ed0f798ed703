"""On several processes: equal weights on all of them after every phase, and those of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from launching import launch, states
from trainings import Study, equal

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

RECIPES = ("full", "linear_probe", "gradual", "lp_ft", "lora")
OTHERS: dict[str, dict[str, Any]] = {
    "gru-attention": {"recipe": "attention_probe", "options": {"heads": 2}},
    "gru-exact": {"recipe": "exact_probe", "options": {"strengths": [1.0]}},
    "gru-wise": {"recipe": "wise_ft", "options": {"alphas": [0.0, 0.5, 1.0]}},
    "cnn-exact": {"recipe": "exact_probe"},
    "cnn-wise": {"recipe": "wise_ft", "options": {"alphas": [0.5]}},
    "cnn-views": {"recipe": "linear_probe", "train": {"augmented_views": 2}},
    "cnn-phases": {"recipe": "gradual", "train": {"phase_epochs": 2}},
}
EPOCHS = 4


@pytest.fixture(scope="module")
def trained(
    study: Study, gru_upstream: Path, cnn_upstream: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Folders of the same trainings on one process and on two."""
    trainings: dict[str, Any] = {}
    upstreams = {"gru": gru_upstream, "cnn": cnn_upstream}
    for recipe in RECIPES:
        transfer = {"recipe": recipe, "phase_epochs": 2 if recipe == "lp_ft" else 1, "warmup_steps": 2}
        common = {"epochs": EPOCHS, "resume_after": [1] if recipe in ("gradual", "lp_ft", "lora") else []}
        gru = {"family": "gru", "optimizer": "adamw", "transfer": {"upstream": str(gru_upstream), **transfer}}
        cnn = {"family": "cnn", "optimizer": "sgd", "transfer": {"upstream": str(cnn_upstream), **transfer}}
        trainings[f"gru-{recipe}"] = gru | common
        trainings[f"cnn-{recipe}"] = cnn | common | {"resume_after": []}
    penalty = {"upstream": str(gru_upstream), "recipe": "gradual", "l2_sp": 0.1}
    trainings["gru-penalty"] = {
        "family": "gru", "optimizer": "adamw", "transfer": penalty, "epochs": EPOCHS, "accumulate": 2,
    }  # fmt: skip
    for name, transfer in OTHERS.items():
        trainings[name] = {
            **{"family": name.partition("-")[0], "optimizer": "sgd", "epochs": EPOCHS, "resume_after": []},
            **{"transfer": {"upstream": str(upstreams[name.partition("-")[0]]), **transfer}},
            **({"noise": 0.1} if name == "cnn-views" else {}),
        }
    folder = tmp_path_factory.mktemp("ranks")
    job = {"roots": str(study.roots), "trainings": trainings}
    launch(job, folder / "two", 2)
    alone = {name: settings for name, settings in trainings.items() if name.startswith("gru")}
    launch({**job, "trainings": alone}, folder / "one", 1)
    return folder / "one", folder / "two"


@pytest.mark.parametrize(
    "name", [f"{f}-{p}" for f in ("gru", "cnn") for p in RECIPES] + ["gru-penalty", *OTHERS]
)
def test_the_ranks_are_equal_bit_for_bit_after_every_phase(trained, name):
    ranks = [states(trained[1], name, rank) for rank in range(2)]
    for run, epochs in ranks[0].items():
        assert set(epochs) == set(ranks[1][run])
        for epoch, tensors in epochs.items():
            for tensor_name, tensor in tensors.items():
                if "running" not in tensor_name:  # statistics are each process's own, but for SyncBatchNorm
                    assert equal(tensor, ranks[1][run][epoch][tensor_name]), (run, epoch, tensor_name)
    assert sorted(ranks[0]["whole"]) == list(range(1 if "exact" in name else EPOCHS))


@pytest.mark.parametrize(
    "name",
    [f"gru-{recipe}" for recipe in RECIPES]
    + ["gru-penalty", *(name for name in OTHERS if name.startswith("gru"))],
)
def test_two_processes_give_what_one_gives_with_the_same_global_batches(trained, name):
    one, two = states(trained[0], name)["whole"], states(trained[1], name)["whole"]
    for epoch, tensors in one.items():
        for tensor_name, tensor in tensors.items():
            torch.testing.assert_close(two[epoch][tensor_name], tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["gru-gradual", "gru-lp_ft", "gru-lora"])
def test_a_resumed_training_on_two_processes_ends_with_the_same_weights(trained, name):
    for rank in range(2):
        runs = states(trained[1], name, rank)
        again = runs["resumed after 1"]
        assert sorted(again) == [2, 3]
        for epoch, tensors in again.items():
            assert all(equal(t, runs["whole"][epoch][n]) for n, t in tensors.items()), epoch
