import hashlib

import torch

from selectivity_core.seeds import generator, seed_for


def test_derivation_by_hand():
    digest = hashlib.sha256(b"3:order:7").digest()
    assert seed_for(3, "order", 7) == int.from_bytes(digest[:8], "big") // 2


def test_every_part_of_a_place_matters():
    places = [
        (0, "init"),
        (1, "init"),
        (0, "split"),
        (0, "order", 1),
        (0, "order", 2),
        (0, "order", 1, 1),
        (0, "order", 11),
    ]
    seeds = [seed_for(*place) for place in places]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= s < 2**63 for s in seeds)


def test_generators_are_alike_and_leave_the_global_one_alone():
    before = torch.get_rng_state()
    first, again = (torch.rand(4, generator=generator(5, "split")) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)
