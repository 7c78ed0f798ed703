"""One upstream, pre-trained with leads dropped at random, serves downstreams of 12, 8, 2 and 1 leads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import AUGMENTATION, METHODS, SIGNALS, data, module, trainer

from ecg_tl.checkpoints.reading import Upstream, read_upstream
from ecg_tl.datamodules import LudbDataModule
from ecg_tl.models import create_network
from ecg_tl.signals import LEADS
from ecg_tl.transfer.groups import Matching
from ecg_tl.transfer.matching import plan_transfer

DROPPED = replace(AUGMENTATION, lead_dropout=0.5)
SUBSETS = (LEADS, ("I", "II", *LEADS[6:]), ("I", "II"), ("II",))


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def upstream(
    method: str, ludb_root: Path, stores: Path, tmp_path_factory: pytest.TempPathFactory
) -> Upstream:
    folder = tmp_path_factory.mktemp("twelve")
    of = data(ludb_root, stores)
    fit = trainer(folder, max_epochs=1, limit_val_batches=0)
    fit.fit(module(method, of, augmentation=DROPPED, probe_every=0), of)
    fit.save_checkpoint(folder / "twelve.ckpt")
    return read_upstream(folder / "twelve.ckpt")


@pytest.mark.slow
@pytest.mark.parametrize("leads", SUBSETS, ids=len)
def test_an_upstream_sees_fewer_leads_as_it_saw_dropped_ones(
    leads: tuple[str, ...], method: str, upstream: Upstream, ludb_root: Path, stores: Path
) -> None:
    """A lead that is dropped is zero: without its weights it says of the others what it did then."""
    downstream = LudbDataModule(str(ludb_root), store_dir=str(stores), leads=leads, **SIGNALS)
    downstream.prepare_data()
    downstream.setup("fit")
    options = METHODS[method][1]
    networks = [
        create_network(options["network"], 3, number, 500, **options["network_options"]).eval()
        for number in (len(LEADS), len(leads))
    ]
    described = downstream.describe()
    twelve = described | {"leads": list(LEADS)}
    for network, said in zip(networks, (twelve, described), strict=True):
        transfer = plan_transfer(upstream, network, Matching(stem="select"), said)
        assert transfer.report.coverage == 1.0
        network.load_state_dict(transfer.weights, strict=False)
    signals = next(iter(downstream.val_dataloader()))["signal"].float() / 1000  # of µV
    masked = torch.zeros(len(signals), len(LEADS), signals.shape[2])
    masked[:, [LEADS.index(lead) for lead in leads]] = signals
    with torch.no_grad():
        whole, fewer = networks[0].forward_features(masked), networks[1].forward_features(signals)
    torch.testing.assert_close(fewer, whole, rtol=1e-4, atol=1e-5)
    assert whole.std(dim=0).max() > 1e-3  # the features are of the records
