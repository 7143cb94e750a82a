# needs: torchmetrics lightning_utilities
import pickle

import torch
import torchmetrics
from torchmetrics import (
    AUROC,
    Accuracy,
    ConfusionMatrix,
    F1Score,
    MeanSquaredError,
    MetricCollection,
    PearsonCorrCoef,
    R2Score,
)
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from torchmetrics.retrieval import RetrievalMAP
from torchmetrics.text import Perplexity

prediction = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.6, 0.2, 0.2]])
target = torch.tensor([0, 1, 2, 1])
options = {"task": "multiclass", "num_classes": 3}
assert Accuracy(**options, average="micro")(prediction, target) == 0.75
assert ConfusionMatrix(**options)(prediction, target).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
assert 0 < AUROC(**options)(prediction, target) <= 1 and F1Score(**options)(prediction, target) > 0.7
metrics = MetricCollection([MeanSquaredError(), R2Score(), PearsonCorrCoef()])
for _ in range(2):
    metrics.update(torch.arange(5.0), torch.arange(5.0) + 1)
assert metrics.compute()["MeanSquaredError"] == 1 and torch.allclose(
    metrics.compute()["PearsonCorrCoef"], torch.tensor(1.0)
)
image = torch.rand(2, 3, 32, 32, requires_grad=True)
StructuralSimilarityIndexMeasure(data_range=1.0)(image, image.detach() * 0.9).backward()
assert image.grad.isfinite().all() and PeakSignalNoiseRatio(data_range=1.0)(image, image * 0.9) > 10
assert Perplexity()(torch.zeros(2, 3, 5), torch.randint(5, (2, 3))).round() == 5
assert RetrievalMAP()(torch.tensor([0.9, 0.1]), torch.tensor([1, 0]), indexes=torch.tensor([0, 0])) == 1
assert isinstance(pickle.loads(pickle.dumps(torchmetrics.MeanMetric())), torchmetrics.MeanMetric)
print("ran")
