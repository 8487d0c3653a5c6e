"""How a worker process of ours begins: it leaves interrupts to its parent, and never outlives it.

Whoever hands runs to a pool of processes starts its workers with `begin_worker`; what they do is the pool's business.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

__all__ = ["begin_worker"]


def begin_worker() -> None:
    """Leave interrupts to the parent, and end with it.

    Ctrl-C goes to the whole foreground group; ending workers is the parent's business. A parent that was killed can end
    nobody, and workers share the pipe of their work: none would ever see it closed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
