"""The rooms of the house: who may import whom, and that every list of names stands in one place."""

import ast
import itertools

import pytest

from tools import import_graph as graph

LAZY = {
    ("pipeline.data.harvest", "pipeline.families.catalog"),
    # A harvest on disk may bring its anchors' networks along, and says of each only the name of its family.
}
"""The only import against the direction. It runs when a function needs it, never when a module is loaded."""

SHARED_WORDS = [
    {"energy_distance", "error", "spread", "truth_spread"},  # a record's fields, and their names in a table
    {"C", "L_p", "L_s", "N_p", "N_s", "T_p", "T_s"},  # symbols of the tumour model: equations, and what is observed
    {"Column", "Family", "Harvest", "Schema", "Surrogate", "SurrogateConfig"},  # re-exports say the same names
    {"format", "networks", "schema", "sha256"},  # keys of two documents on disk
    {"variant", "solver", "clock", "order"},  # keys of a section, and of the record of it; kinds of candidates
    {"ran", "restored", "unchanged"},  # what became of a stage, and its colour in a terminal
    {"c", "lw", "marker"},  # keywords of a plot
    {"ls", "mew", "ms"},
]
"""Words that two modules may both spell out, since they are not one list but two that are about the same thing."""

TO_MEND = [
    {"linear", "log", "logit", "mirror_log", "probit"},  # clocks/config repeats clocks/clock
    {"joint", "conditional", "paired", "matched"},  # kinds of comparison: comparison and html
    {"K_I", "K_I-U", "K_theta", "K_theta-U", "NLOT", "NLOT-U"},  # transport/config and surrogate/choice repeat variant
]
"""Lists that have two owners today. Take an entry out when its list has one."""


def test_every_module_has_a_room():
    rooms = {graph.room(m) for m in graph.modules()} - {graph.FACADE}
    assert {r for r in rooms if not graph.is_old(r)} == set(graph.LAYERS)


@pytest.mark.parametrize("importer", graph.LAYERS)
def test_a_room_imports_only_what_stands_above_it(importer):
    wrong = [
        f"{found.importer} imports {found.imported}"
        for (source, target), arrows in graph.between_rooms().items()
        for found in arrows
        if source == importer and not graph.is_allowed(source, target)
        if not (found.inside and (found.importer, found.imported) in LAZY)
    ]
    assert not wrong


def test_rooms_form_no_circle():
    # With the lazy imports left out: follow the arrows from every room; none may lead back to it.
    arrows = {
        pair: [a for a in found if not (a.inside and (a.importer, a.imported) in LAZY)]
        for pair, found in graph.between_rooms().items()
    }
    below: dict[str, set[str]] = {r: {t for (s, t), found in arrows.items() if s == r and found} for r in graph.LAYERS}
    for _ in graph.LAYERS:
        below = {r: seen.union(*(below[t] for t in seen)) for r, seen in below.items()}
    assert not [r for r, reached in below.items() if r in reached]


def test_modules_form_no_circle_inside_functions_either():
    arrows = [(i.importer, i.imported) for i in graph.imports() if not graph.is_old(i.importer)]
    arrows = [(a, b) for a, b in arrows if graph.FACADE not in (a, b) and (a, b) not in LAZY]
    waiting = {m for pair in arrows for m in pair}
    while leaves := {m for m in waiting if not any(a == m and b in waiting for a, b in arrows)}:
        waiting -= leaves
    assert not waiting


def test_old_names_only_re_export():
    old = {name: path for name, path in graph.modules().items() if graph.is_old(name)}
    assert old
    for name, path in old.items():
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            exports = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
            assert docstring or exports or isinstance(statement, ast.ImportFrom), f"{name} does more than re-export"


def test_nothing_inside_imports_an_old_name():
    wrong = [i for i in graph.imports() if graph.is_old(i.imported) and not graph.is_old(i.importer)]
    assert not wrong


def test_nothing_inside_takes_names_from_the_facade():
    # `import pipeline` alone is fine: the register stage asks where the package lies.
    takers = [i.importer for i in graph.imports() if i.imported == graph.FACADE]
    assert takers == ["pipeline.registry.package"]


def test_every_list_has_one_owner():
    known = [*SHARED_WORDS, *TO_MEND]
    lists = [(name, line, words) for name, path in graph.modules().items() for line, words in graph.word_lists(path)]
    twice = [
        f"{one}:{line} and {other}:{at} both list {sorted(common)}"
        for (one, line, words), (other, at, others) in itertools.combinations(lists, 2)
        if one != other and len(common := words & others) >= 3 and not any(common <= allowed for allowed in known)
    ]
    assert not twice
