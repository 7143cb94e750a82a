"""Sobol sequences: points that fill a cube more evenly than random ones."""

from __future__ import annotations

from typing import Any

import rushlight as rl


def _directions(dimension: int) -> Any:
    """The direction numbers of Joe and Kuo ("Constructing Sobol sequences with better two-dimensional projections", 2008), an array
    (dimension, 30). Their table is large, and scipy has it."""
    import numpy as np

    bits = SobolEngine.MAXBIT
    v = np.ones((dimension, bits), dtype=np.int64)
    if dimension > 1:
        try:
            from scipy.stats import _sobol
        except ImportError:
            raise ImportError(
                "SobolEngine: more than one dimension needs the table of direction numbers that scipy has: pip install scipy"
            ) from None
        import os

        with np.load(os.path.join(os.path.dirname(_sobol.__file__), "_sobol_direction_numbers.npz")) as table:
            first, polynomials = table["vinit"][:dimension].astype(np.int64), table["poly"][:dimension].astype(np.int64)
        degrees = np.array([int(p).bit_length() - 1 for p in polynomials])
        for m in sorted(set(degrees[1:].tolist())):  # all polynomials of one degree at once
            rows = np.flatnonzero(degrees == m)
            rows = rows[rows > 0]
            v[rows, :m] = first[rows, :m]
            for j in range(m, bits):
                v[rows, j] = v[rows, j - m]
                for k in range(m):
                    taken = (polynomials[rows] >> (m - 1 - k)) & 1
                    v[rows, j] ^= (taken * v[rows, j - k - 1]) << (k + 1)
    return v << np.arange(bits - 1, -1, -1)


class SobolEngine:
    """Draws the points of a Sobol sequence in [0, 1) one after the other.

    Args:
        dimension: of the points, 1 to 21201; more than one needs scipy, for its table.
        scramble: shifts and scrambles the sequence at random. Default: False.
        seed: of the scrambling. Default: torch's own generator.

    >>> import rushlight as torch
    >>> torch.quasirandom.SobolEngine(1).draw(4)
    tensor([[0.0000],
            [0.5000],
            [0.7500],
            [0.2500]])
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}], got {dimension}"
            )
        self.seed, self.scramble, self.dimension = seed, scramble, dimension
        self.sobolstate = rl.from_numpy(_directions(dimension))
        self.shift = rl.zeros(dimension, dtype=rl.long)
        if scramble:
            self._scramble()
        self.reset()

    def _scramble(self) -> None:
        generator = None
        if self.seed is not None:
            generator = rl.Generator()
            generator.manual_seed(self.seed)
        weights = 2 ** rl.arange(self.MAXBIT)
        self.shift = (rl.randint(2, (self.dimension, self.MAXBIT), generator=generator) * weights).sum(1)
        # A lower triangle of random bits, with ones on its diagonal, times the bits of each direction number, the highest first.
        triangle = rl.randint(2, (self.dimension, self.MAXBIT, self.MAXBIT), generator=generator).tril()
        triangle.diagonal(dim1=1, dim2=2).fill_(1)
        high = weights.flip(0)
        for d in range(self.dimension):
            bits = self.sobolstate[d].unsqueeze(0).bitwise_and(high.unsqueeze(1)).ne(0)
            self.sobolstate[d] = ((triangle[d].float() @ bits.float()).long() % 2 * high.unsqueeze(1)).sum(0)

    def draw(self, n: int = 1, out: Any = None, dtype: Any = None) -> Any:
        """The next ``n`` points, (n, dimension).

        Args:
            dtype: Default: the default dtype.
        """
        last = self.num_generated + n
        if last > 2**self.MAXBIT:
            raise ValueError(f"draw: a sequence has 2**{self.MAXBIT} points, and {last} would have been drawn")
        count = rl.arange(self.num_generated, last)
        gray = count ^ (count >> 1)  # neighbours differ in one bit
        places = self.shift.repeat(n, 1)
        for bit in range(last.bit_length()):
            places ^= ((gray >> bit) & 1).unsqueeze(1) * self.sobolstate[:, bit]
        if n:
            self.quasi = places[-1].clone()
        self.num_generated = last
        points = places.to(dtype or rl.get_default_dtype()) * 2.0**-self.MAXBIT
        if out is None:
            return points
        return out.resize_(points.shape).copy_(points)

    def draw_base2(self, m: int, out: Any = None, dtype: Any = None) -> Any:
        """The next ``2 ** m`` points; ValueError unless the points drawn are then a power of 2, which keeps them balanced."""
        n, total = 2**m, self.num_generated + 2**m
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: n={self.num_generated}+2**{m}={total}. "
                "If you still want to do this, please use 'SobolEngine.draw()' instead."
            )
        return self.draw(n, out=out, dtype=dtype)

    def reset(self) -> SobolEngine:
        """Starts the sequence again."""
        self.quasi, self.num_generated = self.shift.clone(), 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Passes over ``n`` points."""
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        made = [f"dimension={self.dimension}"]
        if self.scramble:
            made.append("scramble=True")
        if self.seed is not None:
            made.append(f"seed={self.seed}")
        return f"{type(self).__name__}({', '.join(made)})"
