"""Pre-trainings as trainings: they learn, do not collapse, and go on exactly where they were cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from small import METHODS, data, module, trainer

from ecg_tl.pretraining.features import feature_spread, probe
from ecg_tl.synthesis import synthesize


def weights(of: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in of.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_pre_training_that_is_cut_off_goes_on_exactly(
    method: str, ludb_root: Path, stores: Path, tmp_path: Path
) -> None:
    cropped = {} if method == "jepa" else {"crop_seconds": 4}
    ends = []
    for cut_off in (False, True):
        of = data(ludb_root, stores, **cropped)
        trained = module(method, of)
        saver = ModelCheckpoint(tmp_path / f"{cut_off}", save_top_k=-1, filename="{epoch}")
        usual = {"max_epochs": 2, "enable_checkpointing": True, "limit_val_batches": 1}
        ckpt = str(tmp_path / "False" / "epoch=0.ckpt") if cut_off else None
        torch.manual_seed(5 + cut_off)  # what is drawn before a resumption is none of its own
        trainer(tmp_path, saver, **usual).fit(
            trained, of, ckpt_path=ckpt, weights_only=True if cut_off else None
        )
        ends.append(weights(trained))
    assert set(ends[0]) == set(ends[1])
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


def test_collapse_is_told_from_features_that_differ() -> None:
    generator = torch.Generator().manual_seed(0)
    spread_out = torch.randn(50, 8, generator=generator)
    assert not feature_spread(spread_out).collapsed
    assert 6 < feature_spread(spread_out).feature_rank <= 8
    assert feature_spread(torch.ones(50, 8)).collapsed
    assert feature_spread(100 + spread_out).collapsed  # all nearly the same
    line = torch.randn(50, 1, generator=generator) * torch.randn(1, 8, generator=generator)
    assert feature_spread(line).collapsed
    assert feature_spread(line).feature_rank == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
def test_a_collapse_is_said(ludb_root: Path, stores: Path, tmp_path: Path) -> None:
    of = data(ludb_root, stores)
    trained = module("jepa", of, probe_every=0, learning_rate=1e-12)
    with torch.no_grad():
        for parameter in (*trained.network.parameters(), *trained.context.parameters()):
            parameter.zero_()
    with pytest.warns(UserWarning, match="collapsed"):
        trainer(tmp_path, max_epochs=1).fit(trained, of)
    assert trained.spread.collapsed


LEARNS: dict[str, dict[str, Any]] = {
    "jepa": {"learning_rate": 4e-3, "momentum": 0.98, "final_momentum": 0.998},
    "cpc": {"learning_rate": 3e-3},
    "simclr": {"learning_rate": 3e-3},
}
EPOCHS = {"jepa": 120, "cpc": 12, "simclr": 30}
CROPS: dict[str, dict[str, Any]] = {"jepa": {}, "cpc": {"crop_seconds": 4}, "simclr": {"crop_seconds": 8}}
MARGIN = 0.02
"""Of macro AUROC, by which a probe of each method's features is better than one of a random network's."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 records in CPSC2018's layout, with rhythms and blocks among their classes."""
    root = tmp_path_factory.mktemp("many") / "cpsc2018"
    synthesize("cpsc2018", root, 400, seed=6, progress=False)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_features_tell_more_than_a_random_networks_and_do_not_collapse(
    method: str, many: Path, stores: Path, tmp_path: Path
) -> None:
    split = {"kind": "patient", "fractions": [0.6, 0.35, 0.05]}
    source = {"dataset": "cpsc2018", "root": str(many), "split": split}
    of = data(many, stores, sources=[source], batch_size=32, **CROPS[method])
    of.prepare_data()
    of.setup()
    trained = module(method, of, probe_every=0, **LEARNS[method])
    before = probe(trained, of)
    trainer(tmp_path, max_epochs=EPOCHS[method], check_val_every_n_epoch=EPOCHS[method]).fit(trained, of)
    after = probe(trained, of)
    assert before is not None
    assert after is not None
    assert trained.spread is not None
    assert not trained.spread.collapsed, str(trained.spread)
    assert after > before + MARGIN, f"{before:.3f} to {after:.3f}; {trained.spread}"
