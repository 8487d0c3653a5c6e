"""What is compiled is kept as long as its sources are the same."""

from pathlib import Path

from harness.checkers.linearizable import compiled
from harness.checkers.linearizable.compiled import SOURCES, keep_only_current

FOLDER = Path(compiled.__file__).parent


def test_every_module_with_compiled_code_is_a_source():
    """A change of any module that has compiled functions makes all be compiled anew."""
    found = {path.stem for path in FOLDER.glob("*.py") if "\n@compiled\n" in path.read_text()}

    assert "sweep" in found
    assert found <= set(SOURCES)


def test_code_of_other_sources_is_deleted(tmp_path):
    """Compiled code stands until a source is another than the note beside it says; other files stay."""
    folder = tmp_path / "cache"
    keep_only_current(folder)
    for name in ("kernel.run.nbi", "kernel.run.1.nbc", "kernel.pyc"):
        (folder / name).write_bytes(b"")

    keep_only_current.__wrapped__(folder)
    assert len(list(folder.glob("kernel*"))) == 3

    (folder / "compiled-from").write_text("other sources")
    keep_only_current.__wrapped__(folder)
    assert [path.name for path in folder.glob("kernel*")] == ["kernel.pyc"]
