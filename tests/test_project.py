"""What holds the house together: the graph, the sections, and who may import whom."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from pipeline.families.catalog import BUILT_IN, watched
from pipeline.stages.params import Config
from tests.paths import CHECKOUT

PACKAGE = CHECKOUT / "pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))
DEFINED = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES = {name: definition.get("do", definition) for name, definition in DEFINED.items()}
PLANNED = {"warm", "chain", "retrain", "reharvest", "conditioned", "timing", "leave_out", "compare"}
"""Stages without a section of their own, and those that only some settings ask for: dvc.yaml has empty plans."""
PRESETS = sorted((CHECKOUT / "sweeps").glob("*.yaml"))


def _guarded(tree: ast.AST) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:` and never runs."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    return {node for block in blocks for statement in block.body for node in ast.walk(statement)}


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Dotted names that a module imports, inside its functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = _guarded(tree)
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def module_file(name: str) -> Path | None:
    """The file of a dotted name, where it is a module of this project."""
    path = CHECKOUT.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def imports(path: Path) -> frozenset[Path]:
    """Modules of pipeline that a module imports; packages that hold nothing but a docstring do not count."""
    names = {name for name in imported_names(path) if name.split(".")[0] == "pipeline"}
    files = {file for name in names if (file := module_file(name)) is not None}
    return frozenset(f for f in files if f != path and not _only_docstring(f))


def _only_docstring(path: Path) -> bool:
    return all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text(encoding="utf-8")).body)


def closure(path: Path) -> set[Path]:
    seen, waiting = {path}, [path]
    while waiting:
        new = imports(waiting.pop()) - seen
        seen |= new
        waiting += new
    return seen


FAMILIES = PACKAGE / "families"
CATALOG = FAMILIES / "catalog.py"


def expanded(path: str, network: str | None) -> Path:
    """A dependency of dvc.yaml as it is for a network."""
    family, shared = watched(network)
    return CHECKOUT / path.replace("${code.family}", family).replace("${code.shared}", shared)


def needed(stage: str, network: str | None) -> set[Path]:
    """What a stage imports; where that is the catalog, which imports families by name, all of the family's folder."""
    found = closure(PACKAGE / "stages" / f"{stage}.py")
    if CATALOG in found and network is not None:
        for path in (FAMILIES / network).rglob("*.py"):
            found |= closure(path)
    return {path for path in found if not _only_docstring(path)}


def declared(stage: str, network: str | None) -> set[Path]:
    return {expanded(dep, network) for dep in STAGES[stage]["deps"]}


def test_stages_are_modules_and_sections():
    modules = {path.stem for path in (PACKAGE / "stages").glob("*.py")}
    modules -= {
        "__init__",
        "added",
        "params",
        "sweep",
        "check",
        "experiment",
        "presets",
        "space",
        "planned",
        "judging",
        "warm_starts",
        "retraining",
        "conditioning",
        "drift",
    }
    assert sorted(STAGES) == sorted(modules)
    sections = {field.alias or name for name, field in Config.model_fields.items()}
    written = {"warm", "retrain", "conditioned", "gates"}
    assert sections == set(STAGES) - PLANNED | {"name", "network", "code", "sweep"} | written


@pytest.mark.parametrize("path", [*PRESETS, CHECKOUT / "params.yaml"], ids=lambda path: path.stem)
def test_params_hold_every_section(path):
    # DVC refuses to run a stage whose section is missing, even where all of its settings have defaults.
    sections = set(yaml.safe_load(path.read_text(encoding="utf-8"))) - {"warm", "retrain", "conditioned", "gates"}
    assert sections == set(STAGES) - PLANNED | {"name", "network", "code", "sweep"}


@pytest.mark.parametrize("network", [None, *BUILT_IN])
@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_every_module_that_it_imports(stage, network):
    paths = declared(stage, network)
    missing = {
        str(p.relative_to(CHECKOUT)) for p in needed(stage, network) if p not in paths and not paths & set(p.parents)
    }
    assert not missing


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_no_module_that_it_does_not_import(stage):
    # Such a dependency makes DVC run the stage again for nothing. torch_family and threads are for most families.
    used = {q for network in BUILT_IN for p in needed(stage, network) for q in (p, *p.parents)}
    own = {CHECKOUT / dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/")}
    assert own - used <= {PACKAGE / "__init__.py"}


@pytest.mark.parametrize("network", BUILT_IN)
def test_no_sweep_watches_the_family_of_another(network):
    for stage in STAGES:
        watched_folders = declared(stage, network)
        others = {FAMILIES / name for name in BUILT_IN if name != network}
        assert not watched_folders & {FAMILIES, *others}, stage


@pytest.mark.parametrize("stage", STAGES)
def test_stage_reads_its_own_section_and_says_its_pool(stage):
    definition = STAGES[stage]
    assert definition["meta"]["pool"] in {"cpu", "gpu"}
    if stage != "raw":  # its file's name is all that it reads, and part of its command
        others = {"warm": "train", "chain": "warm", "retrain": "train", "reharvest": "harvest", "conditioned": "train"}
        own = (others | {"compare": "validate", "leave_out": "validate", "timing": "validate"}).get(stage, stage)
        assert {"name", own} <= set(definition["params"])


def test_prefect_dvc_and_mlflow_stay_outside():
    for path in MODULES:
        tools = {name.split(".")[0] for name in imported_names(path)} & {"prefect", "dvc", "mlflow"}
        allowed = {"mlflow"} if path.parent.name in ("tracking", "registry", "serving") else set()
        assert tools <= allowed, f"{path} imports {tools}"


AROUND = ("flows", "sweep_to_surrogate", "tests", "benchmarks")


def test_pipeline_imports_nothing_of_what_is_around_it():
    for path in MODULES:
        assert not {name.split(".")[0] for name in imported_names(path)} & set(AROUND), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: ".".join(path.relative_to(CHECKOUT).with_suffix("").parts))
def test_no_module_imports_itself_by_a_detour(path):
    assert not any(path in closure(other) for other in imports(path))


@pytest.mark.parametrize(
    "module",
    [
        "pipeline.stages.params",
        "pipeline.data.harvest",
        "pipeline.stages.presets",
        "pipeline.__main__",
        "sweep_to_surrogate.__main__",
    ],
)
def test_configuration_harvest_and_command_line_do_not_load_torch(module):
    heavy = {"torch", "mlflow", "prefect", "dvc", "pandas", "matplotlib"}
    script = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_pickle_anywhere():
    for path in [*MODULES, *(CHECKOUT / "flows").rglob("*.py"), *(CHECKOUT / "sweep_to_surrogate").rglob("*.py")]:
        assert not imported_names(path) & {"pickle", "cloudpickle", "joblib", "dill"}, path
        text = path.read_text(encoding="utf-8")
        assert all("weights_only=True" in call for call in re.findall(r"torch\.load\(.*", text)), path
        assert "allow_pickle=True" not in text, path
