# needs: stable_baselines3 gymnasium pandas matplotlib cloudpickle
import stable_baselines3 as sb3

for kind, options in ((sb3.PPO, {"n_steps": 64, "batch_size": 32}), (sb3.A2C, {}), (sb3.DQN, {"learning_starts": 20})):
    model = kind("MlpPolicy", "CartPole-v1", seed=0, device="cpu", **options).learn(200)
    observation = model.get_env().reset()
    model.save("model")
    read = kind.load("model", device="cpu")
    assert (read.predict(observation, deterministic=True)[0] == model.predict(observation, deterministic=True)[0]).all()
for kind in (sb3.SAC, sb3.TD3):
    kind("MlpPolicy", "Pendulum-v1", learning_starts=20, seed=0, device="cpu").learn(40)
print("ran")
