import subprocess

from pipeline.registry.revision import read_revision


def git(root, *arguments):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def test_without_a_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    revision = read_revision(tmp_path)
    assert revision.commit.startswith("none: fatal: not a git repository")
    assert revision.dirty == "unknown"


def test_without_git_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_revision(tmp_path).commit == "none: git is not installed"


def test_commit_and_whether_the_tree_differs(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = read_revision(tmp_path)
    assert len(clean.commit) == 40
    assert clean.dirty == "false"
    (tmp_path / "a").write_text("2")
    changed = read_revision(tmp_path)
    assert changed == type(clean)(clean.commit, "true", ("a",))


def test_what_is_recorded_elsewhere_is_no_change(tmp_path):
    git(tmp_path, "init", "-q")
    root = tmp_path / "part"  # of a larger repository
    root.mkdir()
    (root / "params.yaml").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    (root / "params.yaml").write_text("2")
    (root / "dvc.lock").write_text("new")
    recorded = [root / "params.yaml", root / "dvc.lock"]
    clean = read_revision(root, recorded)
    assert (clean.dirty, clean.changes, clean.told) == ("false", (), "")
    (root / "ä b.py").write_text("")
    assert read_revision(root, recorded).changes == ("part/ä b.py",)
    assert read_revision(root).changes == ("part/params.yaml", "part/dvc.lock", "part/ä b.py")


def test_many_changes_are_counted(tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    for i in range(25):
        (tmp_path / f"{i:02d}").touch()
    assert read_revision(tmp_path).told.endswith("18, 19 and 5 more")


def test_a_repository_without_commits_says_so(tmp_path):
    git(tmp_path, "init", "-q")
    assert read_revision(tmp_path).commit.startswith("none: ")
