from pipeline.stages.planned import with_section

HEADING = "# Written.\n"


def test_a_section_comes_and_goes_between_others():
    first = with_section("# A comment.\na: 1\n", "one", HEADING, {"x": [1]})
    both = with_section(first, "two", "# Also written.\n", {"y": 2})
    assert both == "# A comment.\na: 1\n# Written.\none:\n  x: [1]\n# Also written.\ntwo: {y: 2}\n"
    assert with_section(both, "two", "# Also written.\n", {"y": 2}) == both
    assert with_section(both, "two", "# Also written.\n", None) == first
    assert with_section(both, "one", HEADING, None) == "# A comment.\na: 1\n# Also written.\ntwo: {y: 2}\n"


def test_another_plan_takes_the_place_of_the_former():
    text = with_section("a: 1\n", "one", HEADING, {"x": [1]})
    assert with_section(text, "one", HEADING, {"x": [2]}) == "a: 1\n# Written.\none:\n  x: [2]\n"
