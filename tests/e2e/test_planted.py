"""`make planted` takes minutes and runs seldom: this much of it is looked after always."""

import sys

import pytest

from hub import REPO

sys.path.insert(0, str(REPO / "tests" / "planted"))

from plant import PLANTS  # noqa: E402  (needs the path above)


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_a_fault_has_the_line_that_it_spoils_and_tests_that_find_it(plant):
    assert (REPO / plant.file).read_text().count(plant.good) == 1
    for test in plant.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (REPO / file).read_text()
