"""torch.utils.mkldnn: a model made for inference gives what it gave, in the dtype that was asked for."""

import pytest
from rushlight.utils import mkldnn

import rushlight as rl
from rushlight import nn


def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.PReLU(8), nn.Flatten(), nn.Linear(8 * 36, 5)).eval()


def test_a_copy_for_inference():
    net, x = network(), rl.rand(2, 3, 8, 8)
    fast = mkldnn.to_mkldnn(net)
    assert rl.equal(fast(x.to_mkldnn()).to_dense(), net(x))
    assert all(p.requires_grad for p in net.parameters()) and not any(p.requires_grad for p in fast.parameters())
    frozen = rl.jit.freeze(rl.jit.script(fast))
    assert rl.allclose(frozen(x), net(x), atol=1e-5)


def test_in_half_the_width():
    layer, x = nn.Linear(6, 4), rl.rand(2, 6)
    y = mkldnn.to_mkldnn(layer, rl.bfloat16)(x.to_mkldnn(rl.bfloat16))
    assert y.dtype == rl.bfloat16 and layer.weight.dtype == rl.float32
    assert rl.allclose(y.to_dense(rl.float32), layer(x), atol=2e-2)


def test_gradients_pass_and_scripts_know_it():
    x = rl.ones(3, requires_grad=True)
    (x.t().to_mkldnn().to_dense() * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    unit = rl.jit.CompilationUnit("def f(x):\n    return x.to_mkldnn().to_dense()\n")
    assert unit.f(rl.ones(2)).tolist() == [1, 1]


def test_what_it_can_not_make():
    with pytest.raises(TypeError, match=r"expected dtype .* got torch.float64"):
        mkldnn.to_mkldnn(nn.Linear(1, 1), rl.float64)
    with pytest.raises(RuntimeError, match="'1' is training; call module.eval"):
        mkldnn.to_mkldnn(network().train())
    for x in (rl.ones(1, dtype=rl.int64), rl.ones(1, device="meta"), rl.ones(1).double()):
        with pytest.raises(RuntimeError, match="to_mkldnn: expected a tensor on the CPU and dtype"):
            x.to_mkldnn()
