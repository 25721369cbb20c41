"""The workspace folder, its documents and its runs."""

import hashlib
import os
from pathlib import Path

import pytest

from dafeng.base.errors import ContentError, LakeError, NoWorkspaceError, UnknownNameError
from dafeng.lake import Workspace, find_runs, find_workspace, save_run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "w", title="青岛", place="qingdao", plan="qingdao-2024")


@pytest.mark.parametrize("title", ["青岛", 'a "quote" \\ back', "line\nbreak\t\x7f\x01", "", "😀 #=[x]"])
def test_any_title_is_read_back(tmp_path: Path, title: str) -> None:
    Workspace.create(tmp_path, title=title, place="jilin")
    settings = Workspace.open(tmp_path).settings
    assert (settings.format, settings.title, settings.place, settings.plan) == (1, title, "jilin", None)


def test_a_workspace_is_not_made_over_another(workspace: Workspace) -> None:
    with pytest.raises(ContentError, match="workspace already"):
        Workspace.create(workspace.root, title="x")
    assert Workspace.open(workspace.root).settings.title == "青岛"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('format = 2\ntitle = "x"\nnew = 1', "has format 2"),
        ("format = 1", "title: Field required"),
        ('format = 1\ntitle = "x"\ntitel = "y"', "titel: Extra inputs"),
        ('format = "1"\ntitle = "x"', "format: Input should be a valid integer"),
        ("format = ", "cannot be read"),
    ],
)
def test_faulty_or_newer_settings_are_refused(workspace: Workspace, text: str, fault: str) -> None:
    (workspace.root / "dafeng.toml").write_text(text)
    with pytest.raises(ContentError, match=fault) as caught:
        Workspace.open(workspace.root)
    assert caught.value.next_step


def test_a_workspace_is_found_by_name_environment_or_place(workspace: Workspace, tmp_path: Path) -> None:
    other = Workspace.create(tmp_path / "other", title="other")
    environment = {"DAFENG_WORKSPACE": str(other.root)}

    def title(explicit: Path | None, environment: dict[str, str], start: Path) -> str | None:
        found = find_workspace(explicit, environment, start)
        return found and found.settings.title

    deep = workspace.runs / "a" / "b"
    deep.mkdir(parents=True)
    assert title(workspace.root, environment, tmp_path) == "青岛"
    assert title(None, environment, deep) == "other"
    assert title(None, {"DAFENG_WORKSPACE": ""}, deep) == "青岛"
    assert title(None, {}, tmp_path) is None
    with pytest.raises(NoWorkspaceError):
        find_workspace(tmp_path, {}, workspace.root)


def test_a_document_is_kept_once_and_mended_when_damaged(workspace: Workspace, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "plan.docx").write_bytes(data)
    key = workspace.put_document(tmp_path / "plan.docx")
    assert key == workspace.put_document(data) == hashlib.sha256(data).hexdigest()
    assert [path.name for path in workspace.documents.iterdir()] == [key]
    path = workspace.document(key)
    path.chmod(0o644)
    path.write_bytes(b"x")
    workspace.put_document(data)
    assert path.read_bytes() == data


def test_unknown_documents_and_unreadable_files_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    for key in ("0" * 64, "../dafeng.toml", ""):
        with pytest.raises(UnknownNameError):
            workspace.document(key)
    with pytest.raises(LakeError, match="cannot be kept"):
        workspace.put_document(tmp_path / "none")
    assert list(workspace.documents.iterdir()) == []


def test_a_run_is_saved_whole_and_never_changed(workspace: Workspace) -> None:
    folder = save_run(workspace, "r1", {"b": 1, "a": "文"}, {"x/report.html": b"<p>", "y.bin": b""})
    assert save_run(workspace, "r1", {"a": "文", "b": 1}, {"y.bin": b"", "x/report.html": b"<p>"}) == folder
    assert (folder / "manifest.json").read_text() == '{\n  "a": "文",\n  "b": 1\n}\n'
    for manifest, files, differing in (
        ({"a": 1}, {}, "manifest.json, x/report.html, y.bin"),
        ({"b": 1, "a": "文"}, {"x/report.html": b"<p>", "y.bin": b"", "z": b""}, "differ: z"),
    ):
        with pytest.raises(LakeError, match=differing):
            save_run(workspace, "r1", manifest, files)
    save_run(workspace, "r0", {}, {})
    assert [(run.id, run.manifest) for run in find_runs(workspace)] == [("r0", {}), ("r1", {"a": "文", "b": 1})]
    assert sorted(path.name for path in workspace.runs.iterdir()) == ["r0", "r1"]


@pytest.mark.parametrize("name", ["../x", "/x", "", "manifest.json", "a//b", "./a", "a/../../b", "a\0"])
def test_a_file_stays_within_its_run(workspace: Workspace, name: str) -> None:
    with pytest.raises(LakeError, match="cannot be used"):
        save_run(workspace, "r", {}, {name: b""})
    assert find_runs(workspace) == []


def test_names_and_manifests_that_cannot_be_stored_are_refused(workspace: Workspace) -> None:
    for run_id in ("", "..", "a/b", ".x", "x" * 129):
        with pytest.raises(LakeError, match="cannot name a folder"):
            save_run(workspace, run_id, {}, {})
    for value in (float("nan"), Path("x"), {1, 2}):
        with pytest.raises(LakeError, match="plain JSON"):
            save_run(workspace, "r", {"a": value}, {})


def test_a_run_without_a_manifest_is_an_error(workspace: Workspace) -> None:
    (workspace.runs / "broken").mkdir()
    with pytest.raises(LakeError, match="run broken cannot be read"):
        find_runs(workspace)
