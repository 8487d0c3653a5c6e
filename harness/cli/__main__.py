"""``python -m harness.cli``: what ./reprise starts."""

from __future__ import annotations

import sys

try:
    from harness.cli import main
except KeyboardInterrupt:
    # Ctrl-C before there is anybody to tell it nicely.
    sys.exit(130)

sys.exit(main())
