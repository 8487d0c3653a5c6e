"""``python -m harness.cli``: what ./reprise starts."""

from __future__ import annotations

import sys

from harness.cli import main

sys.exit(main())
