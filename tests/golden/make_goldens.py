#!/usr/bin/env python3
"""Makes data/*.safetensors from data/clips.flac: see README.md."""

import importlib
import sys

for part in sys.argv[1:] or ["features", "layers", "networks", "scores"]:
    importlib.import_module(part).make()
