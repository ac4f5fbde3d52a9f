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
    assert changed == type(clean)(clean.commit, "true")


def test_a_repository_without_commits_says_so(tmp_path):
    git(tmp_path, "init", "-q")
    assert read_revision(tmp_path).commit.startswith("none: ")
