"""What is compiled is kept as long as its sources are the same."""

from harness.checkers.linearizable.compiled import keep_only_current


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
