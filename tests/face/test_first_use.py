"""The first lines that somebody types, as they are in the design."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_tl import run_defaults
from ecg_tl.cli import main
from ecg_tl.synthesis import synthesize

FIRST_LINES = """
import ecg_tl
data = ecg_tl.datamodule("ludb", root="data/ludb")
task = ecg_tl.EcgClassifier.for_data(data, network="resnet1d18")
trainer = ecg_tl.trainer(max_epochs=20, callbacks=[ecg_tl.TransferLearning("best.ckpt", recipe="lp_ft")])
trainer.fit(task, data)
ecg_tl.open_model("best.ckpt").answer("record.hea")
"""


@pytest.mark.slow
def test_the_first_lines_run_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("enable_progress_bar", "enable_model_summary"):
        monkeypatch.setitem(run_defaults.TRAINER_DEFAULTS, name, False)
    synthesize("ptbxl", Path("data/ptbxl"), 40, seed=1, progress=False)
    synthesize("ludb", Path("data/ludb"), 60, seed=2, progress=False)
    words = ["fit", "-c", "ptbxl", "-c", "resnet1d18", "-c", "strict", "--trainer.max_epochs", "1"]
    words += ["--trainer.enable_progress_bar", "false", "--pictures.records", "0"]
    assert main([*words, "--experiment", "upstream"]) == 0
    Path("runs/upstream/version_0/checkpoints/best.ckpt").rename("best.ckpt")
    header = next(Path("data/ptbxl").rglob("*.hea"))
    first, *rest = header.read_text().splitlines()
    Path("record.hea").write_text("\n".join(["record" + first[first.index(" ") :], *rest]))
    for samples in header.parent.glob(f"{header.stem}.dat"):
        Path(samples.name).write_bytes(samples.read_bytes())

    names: dict[str, object] = {}
    exec(compile(FIRST_LINES, "first lines", "exec"), names)
    run = Path("runs/default/version_0")
    assert (run / "checkpoints" / "best.ckpt").is_file()
    assert (run / "transfer_report.json").is_file()
    assert len((run / "metrics.csv").read_text().splitlines()) == 21
