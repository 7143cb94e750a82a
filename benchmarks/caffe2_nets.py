"""Times Caffe2's nets of small operators: as nets, which run as one graph, and node by node in eager mode, in turns.

caffe2_nets.py [--rounds 9]

Printed for each net: the best time of a run of the net, of its operators as calls of torch's functions from Python, and of RunOperatorOnce for each,
and the ratios of the first to the others. One thread. The results are compared.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rushlight.caffe2.python import core, workspace

import rushlight as torch


def pointwise(layers=8):
    """Four pointwise operators a layer, on 4 x 4."""
    net = core.Net("pointwise")
    x = "x"
    for _ in range(layers):
        x = net.Mul([net.Add([net.Tanh(net.Scale(x, scale=0.5)), "c"]), "d"])

    def eager(x, c, d):
        for _ in range(layers):
            x = torch.mul(torch.add(torch.tanh(torch.mul(x, 0.5)), c), d)
        return x

    return net, eager, {n: np.random.default_rng(k).standard_normal((4, 4)).astype("f") for k, n in enumerate("xcd")}


def perceptron(layers=6):
    """FC and Relu on 8 x 16."""
    net = core.Net("perceptron")
    x = "x"
    for _ in range(layers):
        x = net.Relu(net.FC([x, "w", "b"]))

    def eager(x, w, b):
        for _ in range(layers):
            x = torch.relu(torch.nn.functional.linear(x, w, b))
        return x

    shapes = {"x": (8, 16), "w": (16, 16), "b": (16,)}
    return net, eager, {n: np.random.default_rng(0).standard_normal(s).astype("f") for n, s in shapes.items()}


def reshapes(layers=6):
    """What moves no element, and a sum."""
    net = core.Net("reshapes")
    x = "x"
    for _ in range(layers):
        y, _ = net.Reshape(
            x, [core.ScopedBlobReference(net.NextName()), core.ScopedBlobReference(net.NextName())], shape=[4, 6]
        )
        x = net.Sum([net.ExpandDims(net.Transpose(y, axes=[1, 0]), dims=[0]), "c"])

    def eager(x, c):
        for _ in range(layers):
            x = torch.add(x.reshape(4, 6).permute(1, 0).contiguous().unsqueeze(0), c)
        return x

    shapes = {"x": (1, 6, 4), "c": (1, 6, 4)}
    return net, eager, {n: np.random.default_rng(0).standard_normal(s).astype("f") for n, s in shapes.items()}


def best(f, loops):
    start = time.perf_counter()
    for _ in range(loops):
        f()
    return (time.perf_counter() - start) / loops * 1e6


def measure(make, rounds):
    net, eager, blobs = make()
    workspace.ResetWorkspace()
    for name, value in blobs.items():
        workspace.FeedBlob(name, value)
    workspace.CreateNet(net)
    name, run = net.Name(), workspace._ws().run_net
    ops = [op.SerializeToString() for op in net.Proto().op]
    tensors = [torch.from_numpy(v) for v in blobs.values()]
    run(name, 3)
    assert np.allclose(workspace.FetchBlob(net.Proto().op[-1].output[0]), eager(*tensors).numpy(), atol=1e-5)

    def one_by_one():
        for op in ops:
            workspace.RunOperatorOnce(op)

    with torch.no_grad():
        times = [
            (best(lambda: run(name, 1), 400), best(lambda: eager(*tensors), 400), best(one_by_one, 20))
            for _ in range(rounds)
        ]
    a, b, c = (min(column) for column in zip(*times))
    print(
        f"{make.__name__:12} {len(ops):3} operators: net {a:7.2f} us, eager {b:7.2f} us ({a / b:.2f}x), "
        f"one by one {c:7.1f} us ({a / c:.3f}x)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for make in (pointwise, perceptron, reshapes):
        measure(make, rounds)


if __name__ == "__main__":
    main()
