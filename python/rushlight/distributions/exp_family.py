"""Exponential families: what follows from their natural parameters and log normaliser."""

from __future__ import annotations

import rushlight as rl

from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Densities exp(<t(x), theta> - F(theta) + k(x)). Subclasses give `_natural_params` (theta), `_log_normalizer` (F)
    and `_mean_carrier_measure` (the mean of k); entropy and the divergence within the family follow.
    """

    @property
    def _natural_params(self):
        raise NotImplementedError(f"{type(self).__name__} does not define _natural_params")

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError(f"{type(self).__name__} does not define _log_normalizer")

    @property
    def _mean_carrier_measure(self) -> float:
        raise NotImplementedError(f"{type(self).__name__} does not define _mean_carrier_measure")

    def _normalizer_and_gradients(self):
        """theta as leaves, F(theta), and its gradients, through which gradients flow."""
        theta = [p.detach().requires_grad_() for p in self._natural_params]
        with rl.enable_grad():
            normalizer = self._log_normalizer(*theta)
            return theta, normalizer, rl.autograd.grad(normalizer.sum(), theta, create_graph=True)

    def entropy(self):
        """F(theta) - <theta, F'(theta)> - the mean of k."""
        theta, normalizer, gradients = self._normalizer_and_gradients()
        result = normalizer - self._mean_carrier_measure
        for p, g in zip(theta, gradients, strict=True):
            result = result - (p * g).reshape(self._batch_shape + (-1,)).sum(-1)
        return result
