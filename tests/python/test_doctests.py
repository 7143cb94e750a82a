"""The examples in the docstrings of the Python front end are run."""

import doctest
import importlib
import pkgutil

import pytest

import rushlight

PACKAGES = ["rushlight.nn", "rushlight.optim", "rushlight.utils"]


def modules():
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
            yield found.name


@pytest.mark.parametrize("name", list(modules()))
def test_examples(name):
    if name.endswith(".conv") and not hasattr(rushlight._C._ops, "conv2d"):
        pytest.skip("no record yet of conv2d")
    rushlight.manual_seed(0)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
