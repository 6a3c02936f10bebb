"""The 2,000-layer run: `python run_ultimate_deep.py [--data PATH] [--set KEY=VALUE] [--out DIR] [--resume] [--yes]`."""

import sys
from pathlib import Path

from deepstack.__main__ import main

if __name__ == "__main__":
    main(["run", str(Path(__file__).with_name("configs") / "ultimate.yaml"), *sys.argv[1:]])
