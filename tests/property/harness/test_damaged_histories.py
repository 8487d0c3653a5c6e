"""Whatever happens to a file, it is read or it is refused by line: no other error, in no format."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.conventions import CONVENTIONS, independent
from harness.formats.catalogue import FORMATS, detect, load_columns, load_operations
from harness.history import HistoryDamaged

GOLDEN = Path(__file__).parents[2] / "unit/formats/golden"
PATHS = [*sorted(GOLDEN.iterdir()), GOLDEN.parent / "binary/history.bincode"]
FILES = {path.name: (detect(path), path.read_bytes()) for path in PATHS}
SCRAPS = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b'"', b"\\", b"#", b"#_", b";", b"\n", b"\t", b",", b":", b"nil"),
        *(b"9" * 25, b"-1 ", b"1/0", b"e9", b"\xff", b"\xc3\xa9", b"\r", b"\x00"),
    ]
)
WOUNDS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 8), SCRAPS | st.just(b"")),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FILES)), WOUNDS, st.sampled_from([None, *sorted(CONVENTIONS)]))
def test_damaged_file_is_read_or_refused_by_line(
    tmp_path: Path, name: str, wounds: list[tuple[float, int, bytes]], convention: str | None
) -> None:
    """Bytes cut out and scraps put in give a history or a HistoryDamaged that names a line."""
    format_name, content = FILES[name]
    for place, cut, scrap in wounds:
        at = int(place * len(content))
        content = content[:at] + scrap + content[at + cut :]
    path = tmp_path / "history"
    path.write_bytes(content)
    refusal = ""
    try:
        if convention is None:
            load_operations(path, format_name)
        else:
            load_columns(path, format_name, CONVENTIONS[convention])
            load_columns(path, format_name, independent(CONVENTIONS[convention]))
    except HistoryDamaged as damaged:
        refusal = str(damaged)

    assert not refusal or refusal.startswith(f"{path}: {FORMATS[format_name].unit} ")


def test_every_format_is_damaged() -> None:
    """The files that are damaged are in all formats."""
    assert {format_name for format_name, _ in FILES.values()} == set(FORMATS) - {"cobra"}
