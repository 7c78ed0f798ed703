"""One of the processes of pre-trainings that are spread over several, or the only one.

python one_rank.py ROOT STORES OUT
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from small import METHODS, data, module, trainer

ENVIRONMENT = dict(os.environ)
WORLD = int(os.environ.get("WORLD_SIZE", "1"))


def main() -> None:
    torch.set_num_threads(1)
    root, stores, out = map(Path, sys.argv[1:])
    rank = os.environ.get("LOCAL_RANK", "0")
    for method in METHODS:
        os.environ |= ENVIRONMENT  # Lightning takes WORLD_SIZE away after each training
        cropped = {"crop_seconds": 6} if method == "simclr" else {}
        of = data(root, stores, batch_size=8 // WORLD, **cropped)
        trained = module(method, of, probe_every=1)
        spread = {} if WORLD == 1 else {"strategy": "ddp", "devices": WORLD}
        trainer(out, max_epochs=2, **spread).fit(trained, of)
        features = trained.looked_at
        torch.save(
            {"weights": trained.state_dict(), "features": features.logits, "index": features.index},
            out / f"{method}-{rank}.pt",
        )


if __name__ == "__main__":
    main()
