"""Actor-critic learns to balance a pole on a cart (Barto, Sutton and Anderson 1983), whose physics stand below.

reinforcement.py [--steps 300] [--seed 0]; a step is an episode
"""

import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CartPole:
    """State: place and speed of the cart, angle and angular speed of the pole. Actions: push to the left or to the right."""

    GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    LIMIT_X, LIMIT_ANGLE, LIMIT_STEPS = 2.4, 12 * math.pi / 180, 200

    def reset(self):
        self.state = torch.empty(4).uniform_(-0.05, 0.05).tolist()
        self.steps = 0
        return self.state

    def step(self, action):
        x, v, angle, spin = self.state
        force = self.FORCE if action == 1 else -self.FORCE
        sin, cos = math.sin(angle), math.cos(angle)
        total = self.CART + self.POLE
        push = (force + self.POLE * self.HALF_LENGTH * spin * spin * sin) / total
        spin_up = (self.GRAVITY * sin - cos * push) / (self.HALF_LENGTH * (4 / 3 - self.POLE * cos * cos / total))
        speed_up = push - self.POLE * self.HALF_LENGTH * spin_up * cos / total
        self.state = [
            x + self.TAU * v, v + self.TAU * speed_up, angle + self.TAU * spin, spin + self.TAU * spin_up,
        ]  # fmt: skip
        self.steps += 1
        fallen = abs(self.state[0]) > self.LIMIT_X or abs(self.state[2]) > self.LIMIT_ANGLE
        return self.state, 1.0, fallen or self.steps >= self.LIMIT_STEPS


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine = nn.Linear(4, 128)
        self.action_head = nn.Linear(128, 2)
        self.value_head = nn.Linear(128, 1)

    def forward(self, x):
        x = F.relu(self.affine(x))
        return F.log_softmax(self.action_head(x), dim=-1), self.value_head(x)


def returns_of(rewards, gamma):
    out, total = [], 0.0
    for r in reversed(rewards):
        total = r + gamma * total
        out.insert(0, total)
    returns = torch.tensor(out)
    return (returns - returns.mean()) / (returns.std() + torch.finfo(torch.float32).eps)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    env, policy = CartPole(), Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    average = 10.0
    for step in range(1, args.steps + 1):
        state, done = env.reset(), False
        chosen, values, rewards = [], [], []
        while not done:
            log_probs, value = policy(torch.tensor(state))
            action = torch.multinomial(log_probs.exp(), 1)
            state, reward, done = env.step(action.item())
            chosen.append(log_probs[action])
            values.append(value)
            rewards.append(reward)
        returns, values = returns_of(rewards, args.gamma), torch.cat(values)
        advantage = returns - values.detach()
        loss = -(torch.cat(chosen) * advantage).sum() + F.smooth_l1_loss(values, returns, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average = 0.95 * average + 0.05 * len(rewards)
        print(f"step {step} loss {loss.item():.8g} length {len(rewards)} average {average:.1f}")
        if average > 180:
            break
    print(f"the pole stays up for {average:.0f} of at most {CartPole.LIMIT_STEPS} moves")


if __name__ == "__main__":
    main()
