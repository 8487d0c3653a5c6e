"""Which disks a power loss may leave: every legal image of a photographed disk, up to a bound.

An image is what `SimDisk.power_loss` makes of a copy of the photograph under one list of answers to its draws; the model of
POSIX stays in `cluster.storage.power_loss`, and an image that it cannot draw is not listed here. Each un-synced sector, each
un-synced change of a directory and each un-synced shortening of a file is one *choice*, kept or lost. Beyond sectors, the
last un-synced write of each file may be torn at a byte (`TEARS`), everything else kept.

Bounded exhaustive enumeration of crash states is the idea of ALICE (OSDI 2014) and CrashMonkey (OSDI 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import combinations

import msgspec

from cluster.storage.disk import Disk
from cluster.storage.sim_disk import SimDisk
from cluster.storage.sim_nodes import Inode

__all__ = ["Album", "Image", "legal_images"]

DEVIATIONS_MAX = 2
"""Where there are too many images for the bound: so many choices differ from all lost, or from all kept."""

TEARS: tuple[tuple[str, Callable[[int], int]], ...] = (
    ("its first byte", lambda _: 1),
    ("half of it", lambda length: length // 2),
    ("all but its last byte", lambda length: length - 1),
)
"""Where a last write is torn: words, and how many of its bytes arrived."""

_ANY_SECTOR = 2
"""The answer of `power_loss` that lets any sector arrive; the other two ways are among its outcomes."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One legal image: the disk after the power loss, and in words what was kept of the un-synced."""

    disk: SimDisk
    words: str


class Album(msgspec.Struct, kw_only=True):
    """What was enumerated of one photograph. Counts are final once the images were all taken.

    `choices`: sectors and entries un-synced. `complete`: every combination of them was tried. `images`: different disks among
    the `tried`.
    """

    choices: int
    complete: bool
    tried: int = 0
    images: int = 0


def legal_images(
    photograph: SimDisk, bound: int, below: Callable[[int], int]
) -> tuple[Album, Iterator[Image]]:
    """Return the album, and its images while they are made; those that are equal come once.

    `photograph` is a `SimDisk.image()`. With at most `bound` combinations all of them come; with more the two ends, all that
    differ from an end in up to `DEVIATIONS_MAX` choices, and then drawn ones (`below(n)`), `bound` in all. The tears come
    on top: they are few.
    """
    places = _places(photograph)
    choices = sum(count for _, count in places)
    album = Album(choices=choices, complete=1 << choices <= bound)
    return album, _images(photograph, album, places, bound, below)


_Places = list[tuple[str, int]]
"""Paths with something un-synced, in the order of `power_loss`, each with its number of choices."""


def _images(
    photograph: SimDisk,
    album: Album,
    places: _Places,
    bound: int,
    below: Callable[[int], int],
) -> Iterator[Image]:
    seen: dict[bytes, None] = {}
    masks = range(1 << album.choices) if album.complete else _some(album.choices, bound, below)
    for image in _all_of(photograph, places, masks):
        album.tried += 1
        digest = _digest(image.disk)
        if digest not in seen:
            seen[digest] = None
            album.images += 1
            yield image


def _all_of(photograph: SimDisk, places: _Places, masks: Sequence[int] | range) -> Iterator[Image]:
    for mask in masks:
        disk = photograph.image()
        disk.power_loss(_Answers(mask).below)
        yield Image(disk=disk, words=_words(places, mask))
    yield from _torn(photograph)


def _words(places: _Places, mask: int) -> str:
    """``kept (+) or lost (-): g0/wal/00000001.wal +-, g0/snap -``."""
    parts: list[str] = []
    for path, count in places:
        kept = "".join("+" if mask >> number & 1 else "-" for number in range(count))
        mask >>= count
        parts.append(f"{path} {kept}")
    return f"kept (+) or lost (-): {', '.join(parts)}" if parts else "nothing un-synced"


class _Answers:
    """Answers the draws of one power loss: bit after bit of a mask."""

    def __init__(self, mask: int) -> None:
        self._mask = mask
        self.asked = 0

    def below(self, bound: int) -> int:
        """One choice for each question with two answers; see `_ANY_SECTOR` for the other."""
        if bound > 2:
            return _ANY_SECTOR
        bit = self._mask >> self.asked & 1
        self.asked += 1
        return bit


def _places(photograph: SimDisk) -> _Places:
    copy = photograph.image()
    paths = [node.called or "." for node in copy.dirty]
    places: _Places = []
    for path, node in zip(paths, copy.dirty, strict=True):
        answers = _Answers(0)
        node.lose_power(answers.below)
        places.append((path, answers.asked))
    return places


def _some(choices: int, bound: int, below: Callable[[int], int]) -> list[int]:
    """Up to `bound` masks of so many bits, those near an end first."""
    full = (1 << choices) - 1
    masks: dict[int, None] = {}
    for count in range(DEVIATIONS_MAX + 1):
        for places in combinations(range(choices), count):
            few = sum(1 << place for place in places)
            for mask in (full ^ few, few):
                masks[mask] = None
                if len(masks) == bound:
                    return list(masks)
    for _ in range(bound - len(masks)):
        masks[sum(below(2) << place for place in range(choices))] = None
    return list(masks)


def _torn(photograph: SimDisk) -> Iterator[Image]:
    """Images with everything kept but the end of one file's last write."""
    paths = [node.path() for node in photograph.dirty if isinstance(node, Inode)]
    for path in paths:
        for words, arrived in TEARS:
            disk = photograph.image()
            if path is not None and _tear(disk, path, arrived):
                disk.power_loss(_Answers(-1).below)
                yield Image(disk=disk, words=f"all kept, but of the last write of {path} {words}")


def _tear(disk: SimDisk, path: str, arrived: Callable[[int], int]) -> bool:
    """Shorten what readers see of the last write, if that made the file longer."""
    for node in disk.dirty:
        if isinstance(node, Inode) and node.path() == path:
            first, end, length, _ = node.undo[-1]
            size = first + arrived(end - first)
            if end == len(node.content) > length and length <= size < end:
                del node.content[size:]
                return True
    return False


def _digest(disk: SimDisk) -> bytes:
    """A hash of everything that can be read."""
    digest = blake2b(digest_size=16)
    waiting = [""]
    while waiting:
        path = waiting.pop()
        for name in disk.list(path):
            child = f"{path}/{name}" if path else name
            try:
                content = _read(disk, child)
            except IsADirectoryError:
                waiting.append(child)
                content = b""
            digest.update(b"%d %s %d " % (len(child), child.encode(), len(content)))
            digest.update(content)
    return digest.digest()


def _read(disk: Disk, path: str) -> bytes:
    file = disk.open(path)
    return file.read(0, file.size())
