"""What the interactive part of the report shows, in words."""

LEGENDS = {
    ("line", False): "The curve is the surrogate's output over all values, the dot its output at the slider's value.",
    (
        "line",
        True,
    ): "Dots are the surrogate's draws at the slider's value; shaded are, over all values, the middle half "
    "of its draws and 90 % of them.",
    ("fan", False): "The blue line joins the surrogate's outputs at the slider's value.",
    ("fan", True): "Every blue line joins the outputs of one draw of the surrogate at the slider's value.",
    ("plane", False): "The dot is the surrogate's output at the slider's value, the curve all that it passes.",
    ("plane", True): "Every dot is a draw of the surrogate at the slider's value.",
    ("image", False): "The surrogate's image at the slider's value stands below those of the anchors around it.",
    ("image", True): "Below the anchors around it stand the surrogate's draws at the slider's value, and at a held-out "
    "value the truth's, each below the draw that exact transport pairs it with.",
}
"""What the drawing shows, by view and whether there are several draws."""


def legend(view: str, *, several_draws: bool, several_sliders: bool) -> str:
    """What the drawing shows, in a sentence or two."""
    text = LEGENDS[view, several_draws]
    if not several_sliders:
        return text
    moved = text.replace("over all values", "over all values of the slider that was moved last")
    return moved.replace("the slider's value", "the sliders' values")


def marks(*, even: bool, several_sliders: bool) -> str:
    """What the marks on the sliders are; even: whether they are spread by the intervals between anchors."""
    apart = "; every interval between two anchors is equally long" if even else ""
    return f"On the slider{'s' if several_sliders else ''} squares are anchors and crosses held-out values{apart}."
