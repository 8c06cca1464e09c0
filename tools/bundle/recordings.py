"""recordings.py DIR: fills DIR with the bundle's small corpus of made-up sounds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/tools"))

import sounds  # noqa: E402

sounds.make_corpus(Path(sys.argv[1]), train=8, test=3)
