"""The examples in the docstrings are run: those of the Python front end, and those of the operator records."""

import doctest
import importlib
import pkgutil
import warnings

import pytest

import rushlight

PACKAGES = [
    "rushlight._custom_op",
    "rushlight.masked",
    "rushlight.nn",
    "rushlight.optim",
    "rushlight.testing",
    "rushlight.utils",
    "rushlight.distributions",
    "rushlight.fx",
    "rushlight.vision",
    "rushlight._comforts",
    "rushlight.text",
    "rushlight.audio",
    "rushlight.data",
    "rushlight.caffe2",
]
MODULES = [
    "rushlight._compile",
    "rushlight._higher_order_ops.associative_scan",
    "rushlight._higher_order_ops.cond",
    "rushlight._higher_order_ops.map",
    "rushlight._higher_order_ops.scan",
    "rushlight._higher_order_ops.while_loop",
    "rushlight.jit._names",
    "rushlight.futures",
    "rushlight.hub",
    "rushlight.profiler",
    "rushlight.torch_version",
]
OPERATORS = rushlight._C._ops


def modules():
    yield from MODULES
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
            yield found.name


@pytest.mark.parametrize("name", list(modules()))
def test_examples(name):
    rushlight.manual_seed(0)
    if name.startswith("rushlight.caffe2"):  # what another example left in the workspace is none of a checkpoint's
        importlib.import_module("rushlight.caffe2.python.workspace").ResetWorkspace()
    module, flags = importlib.import_module(name), doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(module, extraglobs={"torch": rushlight}, optionflags=flags)
    assert result.failed == 0


def test_examples_of_operators():
    parser, runner, texts = doctest.DocTestParser(), doctest.DocTestRunner(), set()
    for name in dir(OPERATORS):
        text = getattr(OPERATORS, name).__doc__ or ""
        example = text.partition("\n>>> ")[1:]
        if example[0] and example not in texts:  # aliases and in-place forms show the same
            texts.add(example)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                runner.run(parser.get_doctest("".join(example), {"torch": rushlight}, name, None, 0))
    assert len(texts) > 300
    assert runner.failures == 0
