# needs: d3rlpy pfrl tianshou gymnasium structlog dataclasses_json sensai
import d3rlpy
import numpy as np
import pfrl
import torch
from tianshou.data import Batch
from tianshou.utils.net.common import Net

d3rlpy.seed(0)
draw = np.random.RandomState(0)
ends = np.zeros(200)
ends[49::50] = 1
data = d3rlpy.dataset.MDPDataset(
    draw.randn(200, 4).astype("f4"), draw.randn(200, 2).astype("f4"), np.ones(200, "f4"), ends
)
for config in (d3rlpy.algos.CQLConfig, d3rlpy.algos.TD3PlusBCConfig, d3rlpy.algos.IQLConfig):
    agent = config(batch_size=16).create(device="cpu:0")
    agent.fit(data, n_steps=3, n_steps_per_epoch=3, show_progress=False, save_interval=10)
    assert agent.predict(draw.randn(2, 4).astype("f4")).shape == (2, 2)

q = pfrl.q_functions.FCStateQFunctionWithDiscreteAction(4, 2, n_hidden_channels=16, n_hidden_layers=1)
agent = pfrl.agents.DoubleDQN(
    q,
    torch.optim.Adam(q.parameters(), 1e-2),
    pfrl.replay_buffers.ReplayBuffer(1000),
    0.9,
    pfrl.explorers.ConstantEpsilonGreedy(0.1, lambda: draw.randint(2)),
    replay_start_size=32,
    update_interval=1,
    target_update_interval=10,
    phi=lambda x: x.astype("f4"),
)
for i in range(60):
    agent.act(draw.randn(4))
    agent.observe(draw.randn(4), 1.0, i % 10 == 9, i % 10 == 9)
assert dict(agent.get_statistics())["n_updates"] > 0

assert Batch(a=np.arange(4), b=torch.randn(4, 3))[1:3].b.shape == (2, 3)
assert Net(state_shape=4, hidden_sizes=[16, 16], action_shape=2)(torch.randn(3, 4))[0].shape == (3, 2)
print("ran")
