import pytest

from selectivity_core.errors import SpecError
from selectivity_core.runs.profiles import check_overrides


def test_overrides_of_what_the_grid_sets_are_refused():
    assert check_overrides({"lr": 0.1}) == {"lr": 0.1}
    for name, other in (("model", "the figure or --model"), ("alpha", "alphas"), ("seed", "seeds")):
        with pytest.raises(SpecError, match=f"overrides: {name} given; it is set by {other}"):
            check_overrides({name: 1})


def test_a_name_that_is_no_field_is_refused_with_those_that_are():
    with pytest.raises(SpecError, match=r"overrides: 'depth' given, which is no field of a run; allowed: .*epochs"):
        check_overrides({"epochs": 1, "depth": 3})
