# needs: fastai fastcore fasttransform fastprogress spacy pandas torchvision fasthtml
from pathlib import Path

import numpy as np
import torch
from fastai.callback.schedule import Learner  # with the schedules as methods
from fastai.data.core import DataLoaders
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.vision.all import ImageDataLoaders, Normalize, PILImage, Resize, aug_transforms, resnet18, vision_learner
from sklearn.datasets import load_digits

x, y = load_digits(return_X_y=True)
pairs = [*zip(torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y))]
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
loaders = DataLoaders.from_dsets(pairs[:1500], pairs[1500:], bs=64)
learner = Learner(loaders, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy)
with learner.no_bar(), learner.no_logging():
    learner.fit_one_cycle(3, 1e-2)
assert learner.validate()[1] > 0.8

for i in range(40):
    path = f"{y[i]}/{i}.png"
    Path(path).parent.mkdir(exist_ok=True)
    PILImage.create(np.repeat((x[i].reshape(8, 8) * 15.9).astype("uint8")[..., None], 3, 2)).resize((32, 32)).save(path)
loaders = ImageDataLoaders.from_folder(
    ".",
    valid_pct=0.2,
    seed=0,
    item_tfms=Resize(32),
    batch_tfms=[*aug_transforms(size=32), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
    bs=8,
    num_workers=2,
)
learner = vision_learner(loaders, resnet18, metrics=accuracy, pretrained=False)
with learner.no_bar(), learner.no_logging():
    learner.fine_tune(1, 1e-2)
assert learner.get_preds()[0].shape == (8, 10)
print("ran")
