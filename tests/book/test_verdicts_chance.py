"""With no effect anywhere, a direction holds about as often as its level says."""

import numpy as np
import pandas as pd
from verdict_studies import claim

from selectivity_core.book.paper.claim_entries import Test
from selectivity_core.book.verdicts.findings import contrasts
from selectivity_core.book.verdicts.judging import CHANCE, weigh

DRAWS, SEEDS, ALPHAS = 250, 5, (0.0, -1.0, 1.0, 5.0)


def test_shuffled_alphas_hold_in_direction_at_the_nominal_rate():
    # Real values keep their seeds' levels; which of a seed's networks had which α is shuffled.
    generator = np.random.default_rng(20240501)
    up, held, opposed, judged = claim(Test("effect_at", 1, {})), 0, 0, 0
    for _ in range(DRAWS):
        levels = 0.9 + 0.02 * generator.standard_normal((SEEDS, 1))
        cells = generator.permuted(levels + 0.01 * generator.standard_normal((SEEDS, len(ALPHAS))), axis=1)
        rows = pd.DataFrame(
            {"alpha": np.tile(ALPHAS, SEEDS), "seed": np.repeat(range(SEEDS), len(ALPHAS)), "value": cells.ravel()}
        )
        for finding in contrasts(rows).values():
            status = weigh(up, [finding], False)[0]
            held += status == "direction holds"
            opposed += status == "does not carry over"
            judged += 1
    assert judged == 750
    assert CHANCE == 0.025
    # Within four standard errors of 0.025 for 250 independent families; contrasts of one family share their control.
    assert 0.005 < held / judged < 0.05
    assert 0.005 < opposed / judged < 0.05
