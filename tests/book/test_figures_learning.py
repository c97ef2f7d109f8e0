import numpy as np
import pandas as pd

from selectivity_core.book.figures.learning import time_to_learn
from selectivity_core.book.figures.style import panels


def test_time_to_learn_shows_every_seed_and_the_median():
    rows = [(0.0, 4.0), (0.0, 6.0), (0.0, 20.0), (5.0, np.nan), (5.0, np.nan), (-1.0, 8.0), (-1.0, np.nan)]
    _, (axes,) = panels(1)
    medians = time_to_learn(axes, pd.DataFrame(rows, columns=["alpha", "t95"]))
    assert medians.to_dict() == {-1.0: 8.0, 0.0: 6.0}  # 5 never got there
    (never,) = axes.texts
    assert (never.get_text(), never.xy[0]) == ("never", 2)
    dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [line.get_ydata().tolist() for line in dots] == [[8], [4, 6, 20]]
    spans = [collection.get_segments()[0][:, 1].tolist() for collection in axes.collections]
    assert spans == [[8, 8], [5, 13]]  # from quartile to quartile
    assert axes.get_ylim()[0] == 0
