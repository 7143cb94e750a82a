# needs: torchrl tensordict cloudpickle orjson pyvers importlib_metadata zipp gymnasium
import torch
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, ReplayBuffer
from torchrl.envs import GymEnv, StepCounter, TransformedEnv
from torchrl.modules import MLP, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

torch.manual_seed(0)
env = TransformedEnv(GymEnv("Pendulum-v1"), StepCounter(20))
actor = ProbabilisticActor(
    TensorDictModule(
        torch.nn.Sequential(MLP(3, 2, num_cells=[16]), NormalParamExtractor()), ["observation"], ["loc", "scale"]
    ),
    in_keys=["loc", "scale"], spec=env.action_spec, distribution_class=TanhNormal, return_log_prob=True,
)  # fmt: skip
value = ValueOperator(MLP(3, 1, num_cells=[16]), in_keys=["observation"])
assert env.rollout(5, actor)["next", "reward"].shape == (5, 1)
gae, loss = GAE(gamma=0.99, lmbda=0.95, value_network=value), ClipPPOLoss(actor, value)
optimizer = torch.optim.Adam(loss.parameters(), 1e-3)
buffer = ReplayBuffer(storage=LazyTensorStorage(40), batch_size=10)
for data in Collector(env, actor, frames_per_batch=20, total_frames=40):
    gae(data)
    buffer.extend(data.reshape(-1))
    losses = loss(buffer.sample())
    total = sum(v for k, v in losses.items() if k.startswith("loss_"))
    optimizer.zero_grad()
    total.backward()
    torch.nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
    optimizer.step()
assert total.isfinite()
print("ran")
