"""Sobol sequences, against PyTorch's."""

import pytest
import torch as pytorch

import rushlight as torch

pytest.importorskip("scipy")


@pytest.mark.parametrize("options", [{}, {"scramble": True, "seed": 7}, {"scramble": True}])
@pytest.mark.parametrize("dimension", [1, 5, 200])
def test_the_points_are_pytorchs(dimension, options):
    drawn = []
    for fw in (torch, pytorch):
        fw.manual_seed(3)
        engine = fw.quasirandom.SobolEngine(dimension, **options)
        points = [
            engine.draw(1),
            engine.draw(5),
            engine.fast_forward(9).draw(3, dtype=fw.float64),
            engine.reset().draw_base2(3),
        ]
        drawn.append([p.tolist() for p in points] + [str(engine), engine.num_generated])
    assert drawn[0] == drawn[1]


def test_high_dimensions():
    ours, theirs = (fw.quasirandom.SobolEngine(2000).fast_forward(1000).draw(2) for fw in (torch, pytorch))
    assert ours.tolist() == theirs.tolist()


def test_out_and_mistakes():
    out = torch.empty(0)
    assert torch.quasirandom.SobolEngine(2).draw(4, out=out) is out and out.shape == (4, 2)
    for dimension in (0, 21202):
        with pytest.raises(ValueError, match="21201"):
            torch.quasirandom.SobolEngine(dimension)
    with pytest.raises(ValueError, match="power of 2"):
        torch.quasirandom.SobolEngine(2).fast_forward(3).draw_base2(2)
    with pytest.raises(ValueError, match="points"):
        torch.quasirandom.SobolEngine(1).fast_forward(2**30).draw()
