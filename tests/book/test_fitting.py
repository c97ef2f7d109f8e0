import pandas as pd
import pytest

from selectivity_core.book.reliance import fitting
from selectivity_core.errors import MissingRunsError


def test_networks_that_do_not_fit_are_left_out_and_named_where_none_does():
    areas = pd.DataFrame({"run": ["a", "b"], "fits": [True, False], "train_accuracy_last": [1.0, 0.4]})
    assert fitting(areas)["run"].tolist() == ["a"]
    with pytest.raises(MissingRunsError, match=r"no network fits .*the best has 40 %"):
        fitting(areas[~areas["fits"]])
