# needs: pytorch_forecasting lightning gluonts tsai toolz pydantic pandas skbase
import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from gluonts.dataset.common import ListDataset
from gluonts.torch.model.deepar import DeepAREstimator
from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.metrics import QuantileLoss
from tsai.models.InceptionTime import InceptionTime
from tsai.models.TST import TST

pl.seed_everything(0)
wave = np.sin(np.arange(180) / 5).astype("f4")
quiet = {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False}

table = pd.DataFrame({"t": np.tile(np.arange(60), 3), "group": np.repeat(list("abc"), 60), "y": wave})
data = TimeSeriesDataSet(
    table,
    time_idx="t",
    target="y",
    group_ids=["group"],
    max_encoder_length=12,
    max_prediction_length=4,
    time_varying_unknown_reals=["y"],
    time_varying_known_reals=["t"],
    static_categoricals=["group"],
)
loader = data.to_dataloader(train=True, batch_size=16, num_workers=0)
model = TemporalFusionTransformer.from_dataset(data, hidden_size=8, attention_head_size=2, loss=QuantileLoss())
pl.Trainer(**quiet, limit_train_batches=3).fit(model, loader)
assert model.predict(loader).shape == (135, 4)

series = ListDataset([{"start": pd.Period("2020-01-01", freq="h"), "target": wave}] * 3, freq="h")
trainer = DeepAREstimator(
    freq="h", prediction_length=6, trainer_kwargs={**quiet, "logger": False}, num_batches_per_epoch=4, batch_size=4
)
assert next(iter(trainer.train(series).predict(series))).mean.shape == (6,)

x = torch.randn(4, 3, 32)
for model in (InceptionTime(3, 2), TST(3, 2, 32)):
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
print("ran")
