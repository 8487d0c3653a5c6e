"""Makes `tests/support/local_lab.py` importable by name: with importlib mode nothing is on the path."""

import importlib.util
import sys
from pathlib import Path

NAME = "local_lab"

if NAME not in sys.modules:
    path = Path(__file__).parents[1] / "support" / f"{NAME}.py"
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])
