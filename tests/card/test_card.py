"""The model card says what the checkpoint and its run's files say, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import HALF_TRAINS, data_words, fit

from ecg_tl.card.facts import gather_facts
from ecg_tl.card.render import render_card
from ecg_tl.cli import main
from ecg_tl.errors import CheckpointError
from ecg_tl.markdown import code, inline, table
from ecg_tl.statistics.intervals import LEAST_PATIENTS


def best(run: Path) -> Path:
    return run / "checkpoints" / "best.ckpt"


def card_of(run: Path) -> str:
    return render_card(gather_facts(best(run)))


def section(card: str, name: str) -> str:
    """The text under a heading."""
    return card.split(f"\n## {name}\n")[1].split("\n## ")[0]


def rows(text: str, header: Sequence[str]) -> dict[str, list[str]]:
    """The rows of the table with that header, by their first cell."""
    _, _, after = text.partition(f"| {' | '.join(header)} |\n")
    assert after, f"no table {header}"
    lines = after.splitlines()[1:]
    cells = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return {row[0]: row[1:] for row in cells}


@pytest.fixture(scope="module")
def card(tested_run: Path) -> str:
    return card_of(tested_run)


@pytest.fixture(scope="module")
def checkpoint(tested_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(best(tested_run), weights_only=True)
    return content


def test_it_says_what_the_network_is(card: str) -> None:
    model = section(card, "Model")
    assert "12 leads (I II III aVR aVL aVF V1 V2 V3 V4 V5 V6), 250 samples at 25 Hz (10 s), in mV" in model
    assert "gru" in model
    assert "fixed_scale (scale_mv 0.3, clip 20)" in model
    assert re.search(r"SHA-256 `[0-9a-f]{64}`", model)
    assert "no medical device" in card.splitlines()[2]


def test_it_says_what_it_was_trained_on(card: str, checkpoint: dict[str, Any]) -> None:
    data, said = checkpoint["ecg_tl"]["data"], section(card, "Training data")
    assert "PTB-XL 1.0.3 (`ptbxl`), task `superdiagnostic`" in said
    assert "| licence | CC BY 4.0 |" in said
    assert "Wagner et al., Scientific Data 7, 154 (2020)" in said
    counts = data["records"]
    assert f"{counts['train']} train, {counts['validation']} validation, {counts['test']} test" in said
    assert data["split_hash"] in said
    positives = rows(said, ("class", "train", "validation", "test", "codes (scp)"))
    for name in data["class_names"]:
        expected = [str(data["support"][part][name]) for part in ("train", "validation", "test")]
        assert positives[name][:3] == expected
    assert "ALMI, AMI, ASMI" in positives["MI"][3]
    seen = rows(said, ("dataset", "title", "licence", "to cite", "records"))
    assert seen["`ptbxl`"][-1] == str(counts["train"])


def test_it_says_how_it_was_trained(card: str) -> None:
    said = section(card, "Training")
    assert "optimizer adamw, learning_rate 0.001" in said
    assert "batch_size 16, max_epochs 1" in said
    assert "seed 3" in said
    assert "Augmentation: lead_dropout 0.2." in said
    assert "From scratch: no upstream." in said


def can_be_judged(run: Path, name: str) -> bool:
    """Whether enough patients have the class, and lack it, for an interval."""
    table = pd.read_csv(run / "test" / "predictions.csv")
    patients = [table.loc[table[f"target/{name}"] == value, "patient_id"].nunique() for value in (0, 1)]
    return min(patients) >= LEAST_PATIENTS


def test_scores_are_those_of_the_test_with_support_and_intervals(card: str, tested_run: Path) -> None:
    scores = json.loads((tested_run / "test" / "scores.json").read_text())["scores"]
    said = section(card, "Scores")
    by_class = rows(said, ("class", "positives", "AUROC", "AUPRC", "F1", "sensitivity", "specificity"))
    assert set(by_class) == {"NORM", "MI", "STTC", "HYP", "CD"}
    for name, (positives, auroc, auprc, f1, sensitivity, specificity) in by_class.items():
        assert int(positives) == scores[f"support/{name}"]
        for cell, score in ((auroc, "auroc"), (auprc, "auprc")):
            found = re.fullmatch(r"(\S+)(?: \((\S+) to (\S+)\))?", cell)
            assert found, cell
            estimate, low, high = (None if end is None else float(end) for end in found.groups())
            assert estimate == pytest.approx(scores[f"{score}/{name}"], abs=6e-4)
            assert (low is not None) == can_be_judged(tested_run, name), name
            assert low is None or 0 <= low <= estimate <= high <= 1
        assert float(f1) == pytest.approx(scores[f"f1_tuned/{name}"], abs=6e-4)
        assert float(sensitivity) == pytest.approx(scores[f"sensitivity_tuned/{name}"], abs=6e-4)
        assert float(specificity) == pytest.approx(scores[f"specificity_tuned/{name}"], abs=6e-4)
    averages = rows(said, ("", "score"))
    assert float(averages["macro AUROC"][0].split()[0]) == pytest.approx(scores["auroc_macro"], abs=6e-4)
    assert "No test record is among those that the weights were trained on" in said
    patients = pd.read_csv(tested_run / "test" / "predictions.csv")["patient_id"].nunique()
    assert f"of {patients} patients" in said


def test_calibration_and_thresholds_are_the_checkpoints(
    card: str, tested_run: Path, checkpoint: dict[str, Any]
) -> None:
    calibration, support = checkpoint["ecg_tl"]["calibration"], checkpoint["ecg_tl"]["data"]["support"]
    scores = json.loads((tested_run / "test" / "scores.json").read_text())["scores"]
    said = section(card, "Calibration and thresholds")
    assert f"temperature of {calibration['temperature']:.3f}" in said
    assert "for the greatest F1" in said
    table = rows(said, ("class", "threshold", "the same, calibrated", "validation positives", "chosen"))
    for name, threshold, tuned in zip(
        checkpoint["ecg_tl"]["class_names"], calibration["thresholds"], calibration["tuned"], strict=True
    ):
        message, calibrated, positives, chosen = table[name]
        assert float(message) == pytest.approx(threshold, rel=1e-3)
        logit = torch.logit(torch.tensor(threshold)) / calibration["temperature"]
        assert float(calibrated) == pytest.approx(float(logit.sigmoid()), rel=1e-3)
        assert int(positives) == support["validation"][name]
        assert chosen == ("tuned" if tuned else "kept at 0.5")
    assert not all(calibration["tuned"])  # so that both kinds were seen
    assert "fewer than 5 positives among the validation records keeps 0.5" in said
    errors = rows(said, ("on the test records", "before", "after"))
    assert errors["Brier score"] == [f"{scores['brier']:.3f}", f"{scores['brier_calibrated']:.3f}"]
    assert errors["expected calibration error"] == [f"{scores['ece']:.3f}", f"{scores['ece_calibrated']:.3f}"]


def test_it_says_what_it_is_for_and_how_it_is_loaded(card: str) -> None:
    use, loading = section(card, "Intended use and limits"), section(card, "How to load it")
    assert "Not for diagnosis" in use
    assert "trained with leads missing" in use  # lead_dropout
    assert "Fewer than 50 positives to learn from: " in use
    assert "ecg-tl infer best.ckpt RECORD..." in loading
    assert "ecg-tl export best.ckpt --format onnx" in loading


def test_its_lines_of_python_run(card: str, tested_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(best(tested_run).parent)
    (lines,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(lines, names)
    assert names["probability"].shape == (1, 5)


class TestAFineTunedCheckpoint:
    def test_names_its_upstream_with_data_licence_and_recipe(
        self, fine_tuned_run: Path, tested_run: Path
    ) -> None:
        said = section(card_of(fine_tuned_run), "Training")
        assert f"Fine-tuned from `{best(tested_run)}`: 100.0% of the backbone's parameters" in said
        assert "recipe linear_probe" in said
        assert "trained, from which optimizer step on: head 0. Others kept their first values" in said
        upstream = said.split("Upstream `")[1]
        assert "PTB-XL 1.0.3" in upstream
        assert "Wagner et al." in upstream
        assert "| began with | random weights |" in upstream

    def test_counts_the_upstreams_records_too(self, fine_tuned_run: Path, tested_run: Path) -> None:
        said = section(card_of(fine_tuned_run), "Training data")
        seen = rows(said, ("dataset", "title", "licence", "to cite", "records"))
        upstream = torch.load(best(tested_run), weights_only=True)["ecg_tl"]["data"]["records"]["train"]
        assert seen["`ptbxl`"][1:] == [
            "CC BY 4.0",
            "Wagner et al., Scientific Data 7, 154 (2020)",
            str(upstream),
        ]
        assert list(seen) == ["`ptbxl`", "`cpsc2018`"]

    def test_says_so_if_the_upstream_is_not_at_hand(self, fine_tuned_run: Path, tmp_path: Path) -> None:
        content = torch.load(best(fine_tuned_run), weights_only=True)
        content["ecg_tl"]["transfer"]["upstream"] = str(tmp_path / "gone.ckpt")
        torch.save(content, tmp_path / "best.ckpt")
        said = render_card(gather_facts(tmp_path / "best.ckpt"))
        assert "Its file is not at hand." in said
        assert "Wagner et al." in said  # the training sets know the dataset

    def test_does_not_take_another_checkpoint_for_its_upstream(
        self, fine_tuned_run: Path, tested_run: Path, tmp_path: Path
    ) -> None:
        other = torch.load(best(tested_run), weights_only=True)
        other["ecg_tl_trained_on"][0]["record_ids"][0] = "another"
        torch.save(other, tmp_path / "other.ckpt")
        content = torch.load(best(fine_tuned_run), weights_only=True)
        content["ecg_tl"]["transfer"]["upstream"] = str(tmp_path / "other.ckpt")
        torch.save(content, tmp_path / "best.ckpt")
        assert "was trained on other records" in render_card(gather_facts(tmp_path / "best.ckpt"))


class TestScores:
    @pytest.fixture
    def copy(self, tested_run: Path, tmp_path: Path) -> Path:
        return shutil.copytree(tested_run, tmp_path / "version_0")

    def test_are_missing_where_there_was_no_test(
        self, fine_tuned_run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["card", str(best(fine_tuned_run))]) == 0
        captured = capsys.readouterr()
        assert section(captured.out, "Scores").strip().startswith("None. It was not tested")
        assert "no scores in the card" in captured.err

    def test_of_another_checkpoint_are_not_used(self, copy: Path) -> None:
        said = json.loads((copy / "test" / "scores.json").read_text())
        said["calibration"]["temperature"] *= 1.1
        (copy / "test" / "scores.json").write_text(json.dumps(said))
        text = section(card_of(copy), "Scores")
        assert text.strip() == (
            "None. The test in the run's folder is one of another checkpoint of the run: test this one."
        )

    def test_on_another_split_are_not_used(self, copy: Path) -> None:
        said = json.loads((copy / "test" / "scores.json").read_text())
        said["data"]["split_hash"] = "0" * 64
        (copy / "test" / "scores.json").write_text(json.dumps(said))
        assert "with another split_hash" in section(card_of(copy), "Scores")

    def test_are_found_by_the_runs_folder(self, tested_run: Path, tmp_path: Path) -> None:
        moved = shutil.copy(best(tested_run), tmp_path / "model.ckpt")
        assert gather_facts(moved).test is None
        assert gather_facts(moved, tested_run).test is not None
        with pytest.raises(CheckpointError, match="no such folder"):
            gather_facts(moved, tmp_path / "nowhere")

    def test_without_patients_count_records(self, copy: Path) -> None:
        path = copy / "test" / "predictions.csv"
        pd.read_csv(path).drop(columns="patient_id").to_csv(path, index=False)
        card = card_of(copy)
        assert "patients not known: each record counts as one" in section(card, "Scores")
        assert "intervals are too narrow if some have several" in card

    @pytest.mark.parametrize(
        ("spoil", "found"),
        [
            (lambda text: "", "an empty file"),
            (lambda text: text.replace("probability/MI", "probability/XX"), "no column for each of"),
            (lambda text: re.sub(r"(?m)^(\d+,[^,]*,\d),[\d.e-]+", r"\1,7.5", text, count=1), "outside of"),
            (lambda text: re.sub(r"(?m)^(\d+,[^,]*,\d),[\d.e-]+", r"\1,much", text, count=1), "much"),
        ],
    )
    def test_that_are_damaged_are_one_clear_error(
        self, spoil: Any, found: str, copy: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = copy / "test" / "predictions.csv"
        path.write_text(spoil(path.read_text()))
        assert main(["card", str(best(copy))]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(path) in error
        assert found in error


@pytest.mark.slow
def test_left_out_records_are_named_with_their_reasons(ptbxl_root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(ptbxl_root, tmp_path / "ptbxl")
    header = sorted(root.rglob("records500/**/*.hea"))[7]
    header.with_suffix(".dat").write_bytes(b"")
    words = [*data_words("PtbXlDataModule", root, tmp_path / "stores"), *HALF_TRAINS]
    said = section(card_of(fit(words, tmp_path / "runs")), "Training data")
    assert "| left out as unusable | 1 |" in said
    assert f"- `{int(header.stem.split('_')[0])}`: " in said
    shutil.rmtree(tmp_path / "stores")
    (run,) = (tmp_path / "runs").glob("*/version_*")
    assert "the store's manifest, which is not at hand" in section(card_of(run), "Training data")


def test_a_checkpoint_that_was_never_validated_says_so(tested_run: Path, tmp_path: Path) -> None:
    content = torch.load(best(tested_run), weights_only=True)
    content["ecg_tl"]["calibration"] = None
    torch.save(content, tmp_path / "best.ckpt")
    said = section(render_card(gather_facts(tmp_path / "best.ckpt")), "Calibration and thresholds")
    assert said.strip().startswith("None: the checkpoint was never validated.")


def test_entries_of_another_kind_are_no_crash(tested_run: Path, tmp_path: Path) -> None:
    content = torch.load(best(tested_run), weights_only=True)
    data = content["ecg_tl"]["data"]
    for name in ("records", "support", "title", "licence", "leaks_removed", "normalization", "augmentation"):
        data[name] = ["|", 3]
    torch.save(content, tmp_path / "best.ckpt")
    assert "## Training data" in render_card(gather_facts(tmp_path / "best.ckpt"))


@pytest.mark.parametrize(
    "content",
    [
        b"trainer: \xff",
        b"trainer: [",
        b"- a list",
        b"a: &a [*a]",
        b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (c, c, c - 1, c - 1) for c in range(98, 123)),
        b"a: 1\na: 2",
        b"x: !!python/object/apply:os.system ['touch owned']",
    ],
)
def test_a_damaged_config_of_the_run_is_one_line(
    content: bytes,
    tested_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_bytes(content)
    assert main(["card", str(best(tested_run)), "--run", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"ecg-tl: error: {tmp_path / 'config.yaml'}: found ")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["a\0b", "x" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
OF_A_DATAMODULE = st.sampled_from(["store", "store_dir", "batch_size", "augmentation"])
OF_A_CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "seed_everything": VALUES,
        "data": VALUES | st.fixed_dictionaries({"init_args": st.dictionaries(OF_A_DATAMODULE, VALUES)}),
        "transfer": VALUES | st.dictionaries(st.sampled_from(["upstream", "schedule", "head"]), VALUES),
        "trainer": VALUES
        | st.fixed_dictionaries(
            {"callbacks": VALUES, "max_epochs": VALUES}
            | {"callbacks": st.just([{"class_path": "os.system", "init_args": {"command": "touch owned"}}])}
        ),
    },
)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(OF_A_CONFIG)
def test_a_config_of_any_content_is_text_in_the_card(
    tested_run: Path, fine_tuned_run: Path, tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=False))
    for run in (tested_run, fine_tuned_run):
        assert render_card(gather_facts(best(run), folder)).count("\n## ") > 5
    assert not Path("owned").exists()


def test_the_output_is_a_file(
    tested_run: Path, tmp_path: Path, card: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["card", str(best(tested_run)), "--output", str(tmp_path / "new" / "card.md")]) == 0
    assert (tmp_path / "new" / "card.md").read_text() == card
    assert "card.md" in capsys.readouterr().out


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_no_text_breaks_a_table(text: str) -> None:
    for cell in (inline(text), code(text)):
        lines = table(("a", "b"), [(cell, "x")]).split("\n")
        assert len(lines) == 3
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3
