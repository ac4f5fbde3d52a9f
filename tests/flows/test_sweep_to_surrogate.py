"""The flow on a tiny sweep, as a person runs it: a process in a checkout, no server started by hand."""

import json
import re

import pytest

pytestmark = pytest.mark.slow


def test_the_flow_ends_with_a_model_and_a_clean_status(finished):
    shown = finished.first_run.stdout
    assert "14 ran, 0 restored, 0 unchanged" in shown
    assert re.search(r"^Model   models:/tiny@champion$", shown, re.MULTILINE)
    assert re.search(r"^Chosen  K_I.*, clock ", shown, re.MULTILINE)
    report = re.search(r"^Report  (.*)$", shown, re.MULTILINE)
    assert report is not None
    assert (finished.root / report[1]).is_file()
    for label in ("surrogate", "left anchor, unmoved", "nearest anchor", "straight line, linear clock"):
        assert label in shown
    assert finished.is_clean()


def test_progress_is_one_line_a_stage(finished):
    lines = finished.first_run.stderr.splitlines()
    stages = [line.split() for line in lines if re.match(r"\S+ +(ran|restored|unchanged) +\d+\.\d s$", line)]
    assert sorted(words[0] for words in stages) == sorted(
        ["ingest", "dataset", "fit", "timing", "leave_out", "compare", "validate", "register"]
        + [f"{name}@{value}" for name in ("train", "harvest") for value in ("0.0", "0.25", "1.0")]
    )
    assert len(lines) <= len(stages) + 3


def test_after_dvc_repro_the_flow_runs_nothing(finished):
    finished.call("dvc", "repro")
    assert "0 ran, 0 restored, 14 unchanged" in finished.flow().stdout


def test_an_empty_store_gets_its_version_back(finished):
    for path in finished.root.glob("mlflow.db*"):
        path.unlink()
    done = finished.flow()
    assert "1 ran, 0 restored, 13 unchanged" in done.stdout
    registration = json.loads((finished.root / "data" / "tiny" / "registration.json").read_text())
    assert registration["version"] == 1
    assert f"Model   {registration['uri']}" in done.stdout
    assert (finished.root / "mlflow.db").is_file()
    assert finished.is_clean()


def test_a_registration_from_dvcs_cache_is_looked_up_too(finished):
    for path in finished.root.glob("mlflow.db*"):
        path.unlink()
    (finished.root / "data" / "tiny" / "registration.json").unlink()
    done = finished.flow()
    assert re.search(r"^register +restored", done.stderr, re.MULTILINE)
    assert re.search(r"^register +ran", done.stderr, re.MULTILINE)
    assert (finished.root / "mlflow.db").is_file()
    assert finished.is_clean()


def test_a_failing_stage_says_why_and_what_was_done_is_kept(finished):
    broken = finished.root / "pipeline" / "stages" / "validate.py"
    text = broken.read_text()
    try:
        broken.write_text(text + "\n\ndef run(config: object) -> None:\n    raise SystemExit('the scale is off')\n")
        finished.params(fit={"variant": "K_I", "clock": "linear", "map_steps": 21})
        done = finished.flow(check=False)
        assert done.returncode == 1
        assert re.search(r"^Error: stage validate failed:\n  the scale is off$", done.stderr, re.MULTILINE)
        assert "Traceback" not in done.stderr
        assert re.search(r"^fit +ran", done.stderr, re.MULTILINE)
        assert set(json.loads(finished.call("dvc", "status", "--json").stdout)) == {"validate", "register"}
    finally:
        broken.write_text(text)
        finished.params()
        finished.call("dvc", "repro")


def test_bad_configuration_ends_before_anything_is_trained(new_checkout):
    checkout = new_checkout()
    checkout.params(sweep={"values": [0.0, 0.25, 1.0], "anchors": [1.0, 0.0]})
    done = checkout.flow(check=False)
    assert done.returncode == 1
    assert "sweep.anchors = [1.0, 0.0]: 1.0 comes before 0.0; sort them ascending" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout.root / "data").exists()


def test_an_unknown_preset_leaves_params_alone(new_checkout):
    checkout = new_checkout()
    before = (checkout.root / "params.yaml").read_text()
    done = checkout.flow("--sweep", "nowhere", check=False)
    assert done.returncode == 1
    assert "'nowhere' is not under sweeps/" in done.stderr
    assert (checkout.root / "params.yaml").read_text() == before


def test_outside_a_checkout(tmp_path, new_checkout):
    checkout = new_checkout()
    (checkout.root / "dvc.yaml").unlink()
    done = checkout.flow(check=False)
    assert done.returncode != 0
    assert "no dvc.yaml; run this in the root" in " ".join(done.stderr.replace("│", " ").split())  # in a box, wrapped


def test_a_surrogate_that_a_gate_refuses_is_a_result_and_no_crash(finished):
    finished.params(gates=[{"metric": "error_ratio", "comparison": "<", "limit": 1e-6}])
    done = finished.flow(check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Not promoted: the error over that of the best quick method in the mean is" in done.stdout
    assert "Finished in state NotPromoted" not in done.stdout  # the terminal shows stages and results alone
    document = json.loads((finished.root / "data" / "tiny" / "registration.json").read_text())
    assert (document["passed"], document["challenger"]) == (False, False)
    assert finished.is_clean()
    again = finished.flow(check=False)
    assert again.returncode == 3  # as long as it is refused
    finished.params()
    assert finished.flow().returncode == 0
