"""What an upstream that a study has pre-trained without labels is worth by itself: a linear probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ecg_tl.calibration import default_threshold
from ecg_tl.callbacks.predictions import PREDICTIONS_FILE, SCORES_FILE
from ecg_tl.checkpoints.reading import read_upstream
from ecg_tl.csv_text import write_csv
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import SettingError
from ecg_tl.files import digests_of, write_json
from ecg_tl.metrics import multilabel_scores
from ecg_tl.pretraining.features import encode_labelled, fit_probe
from ecg_tl.pretraining.running import make_pretraining
from ecg_tl.study.design.folder import RunFolder
from ecg_tl.tasks import EcgClassifier


@dataclass(frozen=True, eq=False)
class Probed:
    """A probed upstream.

    Attributes:
        task: A classifier with its network, as a downstream would begin with it.
        datamodule: The dataset that it was probed on, set up.
        data: What is said of the data otherwise than the pre-training said.
    """

    task: EcgClassifier
    datamodule: EcgDataModule
    data: dict[str, Any]


def probe_upstream(config: Mapping[str, Any], run_folder: RunFolder) -> Probed:
    """Fit a ridge regression on the features of the first dataset's training records, and score its test.

    The same files are left as by the test of a training: `predictions.csv`, where what the regression says of
    a record is between 0 and 1, and `scores.json`.

    Args:
        config: Of `ecg-tl pretrain`, that it was trained with.
        run_folder: Of the run, which has its checkpoint.

    Raises:
        SettingError: If no dataset has labels.
    """
    data, module = make_pretraining(config)
    data.prepare_data()
    data.setup()
    parts = data.labelled()
    if parts is None:
        raise SettingError(
            "upstreams", "datasets without any label", "one at least whose labels can be scored", "Add one."
        )
    upstream = read_upstream(run_folder.best)
    module.network.load_state_dict(upstream.weights)
    module.eval()
    fitted = encode_labelled(module, parts, "train")
    tested = encode_labelled(module, parts, "test")
    said = fit_probe(*fitted, tested[0])
    probabilities, targets = np.clip(said, 0.0, 1.0), tested[1]
    source = parts.source
    names, rows = source.class_names, np.sort(source.parts.split.test)
    columns: dict[str, Any] = {
        "record_id": source.parts.record_ids[rows],
        "patient_id": source.store.column("patient_id").to_numpy()[rows],
    }
    for position, name in enumerate(names):
        answers = pd.Series(targets[:, position]).astype("Int64")
        columns[f"target/{name}"] = answers
        columns[f"probability/{name}"] = probabilities[:, position]
    run_folder.test.mkdir(parents=True, exist_ok=True)
    write_csv(run_folder.test / PREDICTIONS_FILE, pd.DataFrame(columns))
    cut = default_threshold(source.single_choice)
    scores = multilabel_scores(probabilities, targets, names, cut).as_dict()
    described = source.describe()
    write_json(
        run_folder.test / SCORES_FILE,
        {
            "scores": scores,
            "calibration": None,
            "overlap": None,
            "data": described,
            "digests": digests_of(run_folder.test, [PREDICTIONS_FILE]),
        },
    )
    task = EcgClassifier.for_data(
        source,
        module.network_name,
        network_options=dict(config["model"]["init_args"].get("network_options") or {}),
    )
    kept = ("class_names", "single_choice", "class_codes", "code_system", "support", "split_hash", "task")
    said_otherwise = {name: described[name] for name in kept if name in described}
    said_otherwise["pretraining"] = {"method": module.method, **data.describe_records()}
    return Probed(task, source, said_otherwise)
