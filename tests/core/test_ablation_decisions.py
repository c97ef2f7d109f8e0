"""Fast logits that are off by a little never change what is counted."""

import torch

from selectivity_core.ablation.masked import MaskedLogits, right


def made(seed=0, masks=6, samples=40, classes=3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(masks, samples, classes, generator=generator)
    labels = torch.randint(classes, (samples,), generator=generator)
    each = torch.eye(masks, 10, dtype=torch.bool)
    return logits, labels, each, generator


def asked(logits, masks):
    """The plain pass, and a list of the masks that it was asked for."""
    calls = []

    def plain(mask):
        calls.append(int(mask.nonzero()))
        return logits[calls[-1]]

    return plain, calls


def test_clear_margins_need_no_plain_pass():
    logits, labels, masks, _ = made()
    logits[:, torch.arange(len(labels)), labels] += 10
    plain, calls = asked(logits, masks)
    assert right(MaskedLogits(masks, logits + 1e-6, logits[-1]), labels, plain).all()
    assert calls == []


def test_ties_and_near_ties_are_decided_by_the_plain_pass():
    logits, labels, masks, _ = made()
    labels[:] = 1
    logits[:] = torch.tensor([0.0, 5.0, 0.0])
    logits[1, 3] = torch.tensor([5.0, 5.0, 0.0])  # a tie goes to the first class
    logits[2, 4] = torch.tensor([5.0, 5.000001, 0.0])
    fast = logits.clone()
    fast[1, 3, 1] += 1e-6
    fast[2, 4, 1] -= 1e-5
    plain, calls = asked(logits, masks)
    found = right(MaskedLogits(masks, fast, logits[-1]), labels, plain)
    assert torch.equal(found, logits.argmax(2) == labels)
    assert not found[1, 3]
    assert found[2, 4]
    assert calls == [1, 2]


def test_errors_as_large_as_the_one_seen_change_nothing():
    logits, labels, masks, generator = made(samples=400)
    noise = 0.01 * (torch.rand(logits.shape, generator=generator) * 2 - 1)
    noise[-1, 0] = torch.tensor([0.01, -0.01, -0.01])
    labels[0] = 0
    plain, _ = asked(logits, masks)
    found = right(MaskedLogits(masks, logits + noise, logits[-1]), labels, plain)
    assert not torch.equal((logits + noise).argmax(2), logits.argmax(2))  # the errors alone would change predictions
    assert torch.equal(found, logits.argmax(2) == labels)


def test_what_is_not_a_number_is_decided_by_the_plain_pass():
    logits, labels, masks, _ = made()
    fast = logits.clone()
    fast[0, 0, 0] = torch.nan
    fast[1, 0, 0] = torch.inf
    plain, calls = asked(logits, masks)
    assert torch.equal(right(MaskedLogits(masks, fast, logits[-1]), labels, plain), logits.argmax(2) == labels)
    assert {0, 1} <= set(calls)


def test_one_class():
    logits, labels, masks, _ = made(classes=1)
    plain, _ = asked(logits, masks)
    assert right(MaskedLogits(masks, logits, logits[-1]), labels, plain).all()
