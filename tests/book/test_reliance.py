"""How much networks rely on single units: what tables of the book say of it."""

import pandas as pd

from selectivity_core.book.reliance import left_out


def test_networks_below_the_limit_are_counted_by_setting():
    runs = pd.DataFrame(
        {
            "run": ["a", "b", "c", "d", "d"], "seed": [1, 0, 0, 1, 1], "model": ["mlp", "mlp", "mlp", "mlp", "mlp"],
            "label_corruption": [0.0, 0.0, 1.0, 1.0, 1.0], "train_accuracy_last": [0.9, 0.94, 0.95, 0.5, 0.5],
        }
    )  # fmt: skip
    found = left_out(runs, "model", "label_corruption")
    assert list(found) == [
        "model", "label_corruption", "networks", "left out", "seeds", "lowest training accuracy (%)",
    ]  # fmt: skip
    assert found.to_numpy().tolist() == [["mlp", 0.0, 2, 2, "0, 1", 90.0], ["mlp", 1.0, 2, 1, "1", 50.0]]
    none = left_out(runs[runs["run"] == "c"], "model")
    assert list(none) == ["model", "networks", "left out", "seeds", "lowest training accuracy (%)"]
    assert none.empty
