"""`python -m ecg_tl` is `ecg-tl`; Lightning starts the other processes of DDP this way."""

import sys

from ecg_tl.cli import main

if __name__ == "__main__":
    sys.exit(main())
