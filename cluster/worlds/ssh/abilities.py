"""What the user of a keeper can do on its host beside running a node, found by doing it. Nothing stays changed.

``cut``: drop packets. ``link-faults``: hold them. ``limits``: limit a process. ``disk``: mount disks that lose power.
``realtime``: set a node's wall clock wrong (a library is built once).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.host.clock_library import built_library
from cluster.worlds.host.links import Matrix, render, render_removal
from cluster.worlds.host.links_rates import has_netem
from cluster.worlds.host.own_group import OwnGroup
from cluster.worlds.host.packet_queue import render_rules
from cluster.worlds.host.power_disk.power_disk import require_fuse
from cluster.worlds.host.programs import Here, elevation
from cluster.worlds.host.repairs import Change, ChangeLog, changes_directory, undo
from cluster.worlds.local.leftovers import lists_directory
from cluster.worlds.world import LinkFault

__all__ = ["CHECKS", "lacking"]

_BECOME_ROOT = "log in as root, or as a user with `sudo -n`"


def lacking() -> dict[str, tuple[str, str]]:
    """Return the names of `CHECKS` that fail here: name -> what is missing, and the remedy."""
    missing = {}
    for word, check in CHECKS.items():
        try:
            check()
        except WorldMissing as lack:
            missing[word] = (str(lack), lack.remedy)
    return missing


def _check_cuts() -> None:
    _require_root("drop packets")
    name = f"reprise_probe_{os.getpid()}"
    script = render(Matrix(addresses={}), name, "ip") + render_removal(name, "ip")
    _require("nft", "nftables")
    _try(["nft", "-f", "-"], script)


def _check_bad_links() -> None:
    _check_cuts()
    _require("tc", "iproute2")
    if has_netem(Here()):
        return
    _require("iptables", "iptables")
    chain = f"REPRISE-probe{os.getpid()}"
    try:
        rules = render_rules(chain, 0, {("192.0.2.1", "192.0.2.2"): LinkFault()})
        _try(["iptables-restore", "--noflush"], rules)
    finally:
        undo(Change("iptables-chain", chain))


def _check_limits() -> None:
    _require_root("limit processes")
    changes = ChangeLog(changes_directory(), f"probe-{os.getpid()}")
    limited = subprocess.Popen(["sleep", "60"])
    try:
        why = OwnGroup(f"reprise_probe_{os.getpid()}", changes).probe(limited.pid)
    finally:
        limited.kill()
        limited.wait()
        changes.close()
    if why:
        raise WorldMissing(
            f"no control group can be made: {why}", "mount /sys/fs/cgroup for writing"
        )


def _check_library() -> None:
    built_library(lists_directory() / "libraries")


def _require_root(what: str) -> None:
    if os.geteuid() != 0 and not elevation():
        raise WorldMissing(f"only root may {what}", _BECOME_ROOT)


def _require(program: str, package: str) -> None:
    try:
        Here()(["sh", "-c", f"command -v {program}"])
    except WorldFailed:
        raise WorldMissing(f"{program} is missing", f"apt-get install -y {package}") from None


def _try(words: list[str], text: str = "") -> None:
    try:
        Here()(words, text)
    except WorldFailed as failure:
        raise WorldMissing(str(failure), "give the host CAP_NET_ADMIN") from None


CHECKS: dict[str, Callable[[], None]] = {
    "cut": _check_cuts,
    "disk": require_fuse,
    "limits": _check_limits,
    "link-faults": _check_bad_links,
    "realtime": _check_library,
}
"""Name -> raises WorldMissing unless it can be done here."""
