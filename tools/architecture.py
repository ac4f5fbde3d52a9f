"""Write docs/architecture.md's table and its picture from the import graph: ``python -m tools.architecture``."""

import ast
from collections import Counter
from typing import Any

from tools import import_graph as graph

PAGE = graph.ROOT / "docs" / "architecture.md"
PICTURE = graph.ROOT / "docs" / "images" / "architecture.png"
BASE = ("errors", "shapes", "settings")
"""Imported almost everywhere: drawn without arrows."""
START, END = "<!-- rooms: python -m tools.architecture -->", "<!-- end of rooms -->"


def direct() -> dict[str, list[str]]:
    """For every room the rooms that it imports, in the order of the layers; imports in functions are left out."""
    arrows = graph.between_rooms()
    used = {pair for pair, found in arrows.items() if any(not one.inside for one in found)}
    return {room: [other for other in graph.LAYERS if (room, other) in used] for room in graph.LAYERS}


def purpose(room: str) -> str:
    """The first sentence of a room's docstring."""
    name = room if room in graph.modules() else f"pipeline.{room}"
    docstring = ast.get_docstring(ast.parse(graph.modules()[name].read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def table() -> str:
    """The rooms from the top down: what each is for, and which rooms it imports."""
    lines = ["| room | what it is for | imports |", "|---|---|---|"]
    for room, others in direct().items():
        listed = ", ".join(f"`{other}`" for other in others) or "nothing"
        lines.append(f"| `{room}` | {purpose(room)} | {listed} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its table as it is now."""
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    return f"{before}{START}\n{table()}\n{END}{after}"


def levels(arrows: dict[str, list[str]]) -> dict[str, int]:
    """The length of the longest way up from each room to one that imports nothing but the base, which is level 0."""
    depth: dict[str, int] = dict.fromkeys(BASE, 0)
    for room in graph.LAYERS[len(BASE) :]:  # what a room imports comes before it
        depth[room] = 1 + max((depth[other] for other in arrows[room]), default=0)
    return depth


def draw() -> None:
    """Draw the rooms, each below what it imports; an arrow that others imply by a detour is left out."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    arrows = direct()
    sizes = Counter(graph.room(name) for name in graph.modules())
    rows: dict[int, list[str]] = {}
    for room, level in levels(arrows).items():
        rows.setdefault(level, []).append(room)
    figure, axes = plt.subplots(figsize=(6.5, 0.8 * len(rows)), dpi=130)
    axes.set(xlim=(-1.7, 1.7), ylim=(-len(rows) + 0.5, 0.5))
    axes.axis("off")
    boxes: dict[str, Any] = {}
    for level, row in rows.items():
        for i, room in enumerate(row):
            above = [other for other in rows.get(level - 1, []) if other in arrows[room] and other not in BASE]
            x = (i - (len(row) - 1) / 2) * 1.1
            if len(row) == 1 and above:  # a room by itself hangs below the first that it imports
                x = boxes[above[0]].get_position()[0]
            face = "#f5f5f5" if room in BASE else "#e8f0f7"
            boxes[room] = axes.text(
                x,
                -level,
                f"{room}\n{sizes[room]} module{'s' if sizes[room] > 1 else ''}",
                ha="center",
                va="center",
                fontsize=8,
                bbox={"boxstyle": "round,pad=0.4", "facecolor": face, "edgecolor": "#33566e"},
            )
    figure.canvas.draw()  # the boxes take their size from their text: arrows end at their edges
    for room, others in arrows.items():
        for other in others:
            if other not in BASE and not _implied(arrows, room, other):
                ends = {"patchA": boxes[room].get_bbox_patch(), "patchB": boxes[other].get_bbox_patch()}
                style = {"arrowstyle": "-|>", "color": "0.4", "shrinkA": 1, "shrinkB": 1}
                start, end = boxes[room].get_position(), boxes[other].get_position()
                axes.annotate("", xy=end, xytext=start, arrowprops=style | ends, zorder=3)
    figure.savefig(PICTURE, dpi="figure", bbox_inches="tight", metadata={"Software": ""})
    plt.close(figure)


def _implied(arrows: dict[str, list[str]], start: str, end: str) -> bool:
    """Whether `end` is reached from `start` by way of another room."""
    waiting, seen = [other for other in arrows[start] if other != end], set[str]()
    while waiting:
        room = waiting.pop()
        if room == end:
            return True
        if room not in seen:
            seen.add(room)
            waiting += arrows[room]
    return False


def main() -> None:
    """Rewrite the page and draw the picture."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw()


if __name__ == "__main__":
    main()
