import os
import subprocess
import sys

import pytest

from tests.paths import CHECKOUT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--held-out", "abc"], "Error: --held-out abc: expected comma-separated numbers"),
        (["--held-out", "0.3"], "Error: held_out = [0.3] belongs to a harvest; set harvest too"),
        (["--add", "often"], "Error: --add often: expected comma-separated numbers"),
        (["--sweep", "a", "--harvest", "b"], "Error: sweep = 'a' and harvest = 'b': choose one of the two"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, arguments, message):
    (tmp_path / "dvc.yaml").touch()
    command = [sys.executable, "-m", "flows", "run", *arguments]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
