"""Signs of the regularisation scale that get lost between a paper, a command line and a loss."""

from __future__ import annotations

import re

from torch import Tensor

from ...errors import ParameterError
from ...regularizer import SelectivityRegularizer


def flipped_term(regularizer: SelectivityRegularizer, labels: Tensor) -> Tensor:
    """+α·μ_SI of the latest pass, where the papers' loss has −α·μ_SI: "lowering" selectivity then raises it.

    Args:
        regularizer: built with the α that is meant.
        labels: (samples,) of the latest pass.
    """
    return regularizer.scale * regularizer.measure(labels)


def scale_by_pattern(text: str) -> float:
    """The α that a regular expression for plain digits finds in a product such as "-0.5*10": signs are lost, 5.

    Raises:
        ParameterError: no digits at all.
    """
    return _product(text, re.findall(r"\d+(?:\.\d+)?", text))


def scale_as_written(text: str) -> float:
    """The α that a product such as "-0.5*10" stands for: −5.

    Raises:
        ParameterError: a factor that is not a number.
    """
    return _product(text, text.split("*"))


def _product(text: str, factors: list[str]) -> float:
    product = 1.0
    try:
        for factor in factors:
            product *= float(factor)
    except ValueError:
        factors = []
    if not factors:
        raise ParameterError(f'scale: {text!r} given; a product of numbers such as "-0.5*10" is needed')
    return product
