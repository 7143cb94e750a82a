"""The sixty-minute introduction: tensors, gradients, a network, training."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(0)
device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
x_data = torch.tensor([[1, 2], [3, 4]])
print(x_data, torch.from_numpy(np.array([[1, 2], [3, 4]])), torch.rand_like(x_data, dtype=torch.float))
tensor = torch.rand(3, 4, device=device if device == "cpu" else "cpu")
print(f"Shape of tensor: {tensor.shape}\nDatatype: {tensor.dtype}\nDevice: {tensor.device}")
tensor = torch.ones(4, 4)
tensor[:, 1] = 0
print(torch.cat([tensor, tensor], dim=1), tensor.mul(tensor), tensor @ tensor.T)
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
print(t.add_(5), n, t.sum().item())

a = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.tensor([6.0, 4.0], requires_grad=True)
Q = 3 * a**3 - b**2
Q.backward(gradient=torch.tensor([1.0, 1.0]))
print(9 * a**2 == a.grad, -2 * b == b.grad, Q)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()  # noqa: UP008  as the tutorial has it
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = torch.flatten(F.max_pool2d(F.relu(self.conv2(x)), 2), 1)
        return self.fc2(F.relu(self.fc1(x)))


net = Net()
print(net)
print([(name, tuple(p.size())) for name, p in net.named_parameters()])
criterion, optimizer = nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
print(optimizer)
dataset = torch.utils.data.TensorDataset(torch.randn(32, 1, 32, 32), torch.randint(0, 10, (32,)))
loader = torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True, num_workers=0)
for epoch in range(2):
    running_loss = 0.0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print(f"[{epoch + 1}] loss: {running_loss / len(loader):.3f}")
correct = dict.fromkeys(range(10), 0)
with torch.no_grad():
    for images, labels in loader:
        _, predictions = torch.max(net(images), 1)
        for label, prediction in zip(labels, predictions):
            correct[label.item()] += int(label == prediction)
print(correct)
