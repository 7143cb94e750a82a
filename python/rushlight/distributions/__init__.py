"""Probability distributions with PyTorch's names: sampling (the same draws for the same seed), densities, divergences, transforms.

>>> import rushlight as torch
>>> _ = torch.manual_seed(0)
>>> torch.distributions.Normal(0.0, 1.0).sample((2,))
tensor([ 1.5410, -0.2934])
"""

from __future__ import annotations

import importlib.machinery
import sys
import types

from . import _composed, _continuous, _discrete, _matrix, _transformed, constraints, kl, transforms  # noqa: F401
from ._composed import *  # noqa: F403
from ._continuous import *  # noqa: F403
from ._discrete import *  # noqa: F403
from ._matrix import *  # noqa: F403
from ._transformed import *  # noqa: F403
from .constraint_registry import biject_to, transform_to
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .kl import kl_divergence, register_kl
from .transforms import *  # noqa: F403

# PyTorch's module for each class, where users import from and pickles look.
_MODULES = {
    "bernoulli": "Bernoulli", "beta": "Beta", "binomial": "Binomial", "categorical": "Categorical", "cauchy": "Cauchy",
    "chi2": "Chi2", "continuous_bernoulli": "ContinuousBernoulli", "dirichlet": "Dirichlet", "exponential": "Exponential",
    "fishersnedecor": "FisherSnedecor", "gamma": "Gamma", "generalized_pareto": "GeneralizedPareto", "geometric": "Geometric",
    "gumbel": "Gumbel", "half_cauchy": "HalfCauchy", "half_normal": "HalfNormal", "independent": "Independent",
    "inverse_gamma": "InverseGamma", "kumaraswamy": "Kumaraswamy", "laplace": "Laplace", "lkj_cholesky": "LKJCholesky",
    "log_normal": "LogNormal", "logistic_normal": "LogisticNormal", "lowrank_multivariate_normal": "LowRankMultivariateNormal",
    "mixture_same_family": "MixtureSameFamily", "multinomial": "Multinomial", "multivariate_normal": "MultivariateNormal",
    "negative_binomial": "NegativeBinomial", "normal": "Normal",
    "one_hot_categorical": "OneHotCategorical OneHotCategoricalStraightThrough", "pareto": "Pareto", "poisson": "Poisson",
    "relaxed_bernoulli": "LogitRelaxedBernoulli RelaxedBernoulli",
    "relaxed_categorical": "ExpRelaxedCategorical RelaxedOneHotCategorical", "studentT": "StudentT",
    "transformed_distribution": "TransformedDistribution", "uniform": "Uniform", "von_mises": "VonMises", "weibull": "Weibull",
    "wishart": "Wishart",
}  # fmt: skip

__all__ = [
    "Distribution",
    "ExponentialFamily",
    "biject_to",
    "kl_divergence",
    "register_kl",
    "transform_to",
    *transforms.__all__,
]


def _make_modules() -> None:
    for short, names in _MODULES.items():
        name = f"{__name__}.{short}"
        module = types.ModuleType(name, f"The module of {names.replace(' ', ' and ')}.")
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        classes = {n: globals()[n] for n in names.split()}
        home = next(iter(classes.values())).__module__
        # What else its file has too: helpers that programs import from PyTorch's module.
        module.__dict__.update({k: v for k, v in vars(sys.modules[home]).items() if not k.startswith("__")})
        module.__all__ = list(classes)
        for cls in classes.values():
            cls.__module__ = name
        globals()[short] = sys.modules[name] = module
        __all__.extend(n for n in classes if n not in ("LogitRelaxedBernoulli", "ExpRelaxedCategorical"))


_make_modules()
