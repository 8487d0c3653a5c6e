"""Makes the modules of `tests/support` importable by name: with importlib mode nothing is on the path."""

import importlib.util
import sys
from pathlib import Path

SUPPORT = Path(__file__).parents[2] / "support"

for name in ("generator_runs", "tiny_world"):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SUPPORT / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
