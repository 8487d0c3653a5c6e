"""The consistency models: which implies which, what rules each out, under which names they go, and who says so.

One row a model, a weaker one before each stronger one. A row names the models next below it and the anomalies it forbids
beyond those that they forbid; which anomaly is a special case of which stands in `lattice`. Names are Elle's where Elle has one;
``PL-`` names are Adya's. Nothing here computes.

Sources, by the short names of the rows:

* Adya: *Weak Consistency*, 1999. Bailis: *Highly Available Transactions*, 2013. Berenson: *A Critique of ANSI SQL*, 1995.
* Cerone: Cerone, Bernardi & Gotsman, *A Framework for Transactional Consistency Models*, 2015; Cerone-SI: Cerone & Gotsman,
  *Analysing Snapshot Isolation*, 2018 (the dependency graphs of snapshot isolation and of its parallel form); Cerone-laws:
  Cerone, Gotsman & Yang, *Algebraic Laws for Weak Consistency*, 2017 (the graphs of prefix consistency).
* Biswas: Biswas & Enea, *On the Complexity of Checking Transactional Consistency*, 2019 (sessions are part of visibility).
* Daudjee: Daudjee & Salem, *Lazy Database Replication with Snapshot Isolation*, 2006. ROLA: Liu et al., 2018.
* Elle: Kingsbury & Alvaro, 2020, for what is a generalisation of Elle's own.
"""

from __future__ import annotations

import msgspec

__all__ = ["ALIASES", "MODELS", "Model"]


class Model(msgspec.Struct, frozen=True):
    """A consistency model, the models next below it, what it forbids beyond them, and the source of both."""

    name: str
    weaker: tuple[str, ...]
    forbids: tuple[str, ...]
    source: str


MODELS = (
    Model("read-uncommitted", (), ("G0", "duplicate-elements", "cyclic-versions"), "Adya; Elle"),
    Model("read-committed", ("read-uncommitted",), ("G1a", "G1b", "G1c"), "Adya"),
    Model("monotonic-view", ("read-committed",), ("G-monotonic",), "Adya"),
    Model("monotonic-snapshot-read", ("read-committed",), (), "Adya"),
    Model("monotonic-atomic-view", ("read-committed",), ("monotonic-atomic-view-cycle",), "Bailis; Biswas"),
    Model("cursor-stability", ("read-committed",), ("G-cursor",), "Adya"),
    Model("consistent-view", ("cursor-stability", "monotonic-view"), ("G-single",), "Adya"),
    Model("forward-consistent-view", ("consistent-view",), ("GSIb",), "Adya"),
    Model("read-atomic", ("monotonic-atomic-view",), ("internal", "future-read", "read-atomic-cycle"), "Cerone"),
    Model("update-atomic", ("read-atomic",), ("lost-update",), "ROLA"),
    Model("causal-cerone", ("read-atomic",), ("causal-cycle",), "Cerone; Biswas"),
    Model("prefix", ("causal-cerone",), ("prefix-cycle",), "Cerone; Cerone-laws"),
    Model("parallel-snapshot-isolation", ("causal-cerone", "update-atomic"), ("G-single",), "Cerone; Cerone-SI"),
    Model("repeatable-read", ("cursor-stability", "monotonic-atomic-view"), ("G2-item", "internal"), "Adya; Bailis"),
    Model(
        "snapshot-isolation",
        ("forward-consistent-view", "monotonic-snapshot-read", "parallel-snapshot-isolation", "prefix"),
        ("GSIa", "GSIb", "G-nonadjacent"),
        "Adya; Bailis; Cerone-SI",
    ),
    Model("update-serializable", ("forward-consistent-view",), ("G-update",), "Adya"),
    Model("serializable", ("repeatable-read", "snapshot-isolation", "update-serializable"), ("G2",), "Adya; Bailis; Cerone"),
    Model("strong-session-read-uncommitted", ("read-uncommitted",), ("G0-process",), "Elle"),
    Model("strong-session-read-committed", ("read-committed", "strong-session-read-uncommitted"), ("G1c-process",), "Elle"),
    Model("strong-session-read-atomic", ("read-atomic", "strong-session-read-committed"), ("read-atomic-cycle-process",), "Biswas"),
    Model("strong-session-causal-cerone", ("causal-cerone", "strong-session-read-atomic"), ("causal-cycle-process",), "Biswas"),
    Model("strong-session-prefix", ("prefix", "strong-session-causal-cerone"), ("prefix-cycle-process",), "Biswas; Cerone-laws"),
    Model(
        "strong-session-parallel-snapshot-isolation",
        ("parallel-snapshot-isolation", "strong-session-causal-cerone"),
        ("G-single-process",),
        "Cerone-SI",
    ),
    Model(
        "strong-session-snapshot-isolation",
        ("snapshot-isolation", "strong-session-parallel-snapshot-isolation", "strong-session-prefix"),
        ("GSIa-process", "GSIb-process", "G-nonadjacent-process"),
        "Daudjee; Cerone-SI",
    ),
    Model("strong-session-serializable", ("serializable", "strong-session-snapshot-isolation"), ("G2-process",), "Daudjee"),
    Model("strong-read-uncommitted", ("strong-session-read-uncommitted",), ("G0-realtime",), "Elle"),
    Model("strong-read-committed", ("strong-session-read-committed", "strong-read-uncommitted"), ("G1c-realtime",), "Elle"),
    Model(
        "strong-snapshot-isolation",
        ("strong-session-snapshot-isolation", "strong-read-committed"),
        ("GSIa-realtime", "GSIb-realtime", "G-nonadjacent-realtime"),
        "Daudjee; Elle",
    ),
    Model("strict-serializable", ("strong-session-serializable", "strong-snapshot-isolation"), ("G2-realtime",), "Adya"),
)  # fmt: skip
"""All models, weakest first."""

ALIASES = {
    "PL-1": "read-uncommitted",
    "PL-2": "read-committed",
    "PL-2+": "consistent-view",
    "PL-2.99": "repeatable-read",
    "PL-2L": "monotonic-view",
    "PL-3": "serializable",
    "PL-3U": "update-serializable",
    "PL-CS": "cursor-stability",
    "PL-FCV": "forward-consistent-view",
    "PL-MSR": "monotonic-snapshot-read",
    "PL-SI": "snapshot-isolation",
    "PL-SS": "strict-serializable",
    "ROLA": "update-atomic",
    "conflict-serializable": "serializable",
    "strong-PL-1": "strong-read-uncommitted",
    "strong-PL-2": "strong-read-committed",
    "strong-serializable": "strict-serializable",
    "strong-session-PL-1": "strong-session-read-uncommitted",
    "strong-session-PL-2": "strong-session-read-committed",
}
"""Other names of models."""
