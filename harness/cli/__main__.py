"""``python -m harness.cli``: what ./reprise starts."""

from __future__ import annotations

import signal
import sys

try:
    # A supervisor that ends us, or a terminal that goes away, is obeyed as Ctrl-C is: nodes and workers are ended.
    # Under nohup the second is ignored, and stays so.
    for asked_to_end in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(asked_to_end) is signal.SIG_DFL:
            signal.signal(asked_to_end, signal.default_int_handler)

    from harness.cli import main
except KeyboardInterrupt:
    # Before there is anybody to tell it nicely.
    sys.exit(130)

sys.exit(main())
