# needs: tensordict cloudpickle orjson pyvers importlib_metadata zipp
import torch
from tensordict import TensorDict, from_module, lazy_stack, tensorclass
from tensordict.nn import NormalParamExtractor, ProbabilisticTensorDictModule, TensorDictModule, TensorDictSequential

torch.manual_seed(0)
data = TensorDict({"a": torch.randn(3, 4), "b": {"c": torch.randn(3, 4, 2)}}, batch_size=[3, 4])
assert data["b", "c"].shape == (3, 4, 2) and data[0].batch_size == (4,) and data.reshape(-1).shape == (12,)
assert torch.stack([data, data]).shape == (2, 3, 4) and torch.cat([data, data], 1).shape == (3, 8)
assert (data + data == 2 * data).all() and data.apply(torch.exp)["a"].min() > 0
assert lazy_stack([data, data], 0)["a"].shape == (2, 3, 4)
data.memmap_("saved")
assert (TensorDict.load_memmap("saved") == data).all()
mapped = torch.vmap(lambda td: td.apply(lambda x: x.sum()), 0)(TensorDict({"a": torch.ones(3, 4)}, [3]))
assert mapped["a"].tolist() == [4, 4, 4] and mapped.batch_size == (3,)


@tensorclass
class Point:
    x: torch.Tensor
    name: str


points = Point(x=torch.zeros(3, 2), name="p", batch_size=[3])
assert points[:2].x.shape == (2, 2) and torch.stack([points, points]).batch_size == (2, 3)

actor = TensorDictSequential(
    TensorDictModule(torch.nn.Sequential(torch.nn.Linear(4, 4), NormalParamExtractor()), ["seen"], ["loc", "scale"]),
    ProbabilisticTensorDictModule(["loc", "scale"], ["action"], distribution_class=torch.distributions.Normal),
)
out = actor(TensorDict({"seen": torch.randn(5, 4)}, [5]))
(out["action"] ** 2 + out["loc"]).sum().backward()
assert out["action"].shape == (5, 2) and actor[0].module[0].weight.grad is not None

module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
weights = TensorDict.from_module(module)
with (weights * 0).to_module(module):
    assert module(torch.ones(2, 4)).tolist() == [[0], [0]]
assert module(torch.ones(2, 4)).abs().sum() > 0
many = TensorDict.from_modules(
    module, torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
)


def call(x, weights):
    with weights.to_module(module):
        return module(x)


assert torch.vmap(call, (None, 0))(torch.ones(2, 4), many).shape == (2, 2, 1)
assert from_module(module).data.norm() is not None
print("ran")
