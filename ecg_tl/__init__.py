"""Transfer learning in ECG diagnosis: fine-tune or train from scratch, answered on your own records.

    import ecg_tl

    data = ecg_tl.datamodule("ludb", root="data/ludb")
    task = ecg_tl.EcgClassifier.for_data(data, network="resnet1d18")
    trainer = ecg_tl.trainer(max_epochs=20)
    trainer.fit(task, data)
    ecg_tl.open_model(trainer.run_folder / "checkpoints" / "best.ckpt").answer("record.hea")

What stands in `__all__` is imported when it is first asked for, and PyTorch with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecg_tl.asking.question import ask
    from ecg_tl.face.data import datamodule, list_datasets
    from ecg_tl.face.model import open_model
    from ecg_tl.face.networks import list_networks
    from ecg_tl.face.training import trainer
    from ecg_tl.face.upstreams import list_upstreams, load_upstream, upstream
    from ecg_tl.study.from_python import study
    from ecg_tl.survey.initial import init_data
    from ecg_tl.tasks import EcgClassifier
    from ecg_tl.transfer.callback import TransferLearning

__version__ = "0.1.0"

__all__ = [
    "EcgClassifier",
    "TransferLearning",
    "__version__",
    "ask",
    "datamodule",
    "init_data",
    "list_datasets",
    "list_networks",
    "list_upstreams",
    "load_upstream",
    "open_model",
    "study",
    "trainer",
    "upstream",
]

_MODULES = {
    "EcgClassifier": "ecg_tl.tasks",
    "TransferLearning": "ecg_tl.transfer.callback",
    "ask": "ecg_tl.asking.question",
    "datamodule": "ecg_tl.face.data",
    "init_data": "ecg_tl.survey.initial",
    "list_datasets": "ecg_tl.face.data",
    "list_networks": "ecg_tl.face.networks",
    "list_upstreams": "ecg_tl.face.upstreams",
    "load_upstream": "ecg_tl.face.upstreams",
    "open_model": "ecg_tl.face.model",
    "trainer": "ecg_tl.face.training",
    "upstream": "ecg_tl.face.upstreams",
}


def __getattr__(name: str) -> Any:
    if name == "study":  # the package itself, which can be called
        return import_module("ecg_tl.study")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_MODULES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
