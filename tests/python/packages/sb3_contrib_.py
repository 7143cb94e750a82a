# needs: sb3_contrib stable_baselines3 gymnasium pandas cloudpickle
import torch
from sb3_contrib import QRDQN, TQC, TRPO, RecurrentPPO

torch.manual_seed(0)
TRPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=32, seed=0).learn(64)
QRDQN("MlpPolicy", "CartPole-v1", learning_starts=8, seed=0).learn(20)
TQC("MlpPolicy", "Pendulum-v1", learning_starts=8, seed=0).learn(12)
RecurrentPPO("MlpLstmPolicy", "CartPole-v1", n_steps=32, batch_size=16, n_epochs=1, seed=0).learn(32)
print("ran")
