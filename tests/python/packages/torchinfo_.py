# needs: torchinfo
import torch
import torchinfo

model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 30 * 30, 10)
)
report = torchinfo.summary(model, (1, 3, 32, 32), verbose=0)
assert report.total_params == 8 * 27 + 8 + 72000 + 10 and "Conv2d" in str(report)
assert torchinfo.summary(torch.nn.LSTM(4, 5, batch_first=True), (2, 3, 4), verbose=0).total_params == 220
print("ran")
