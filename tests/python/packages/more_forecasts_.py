# needs: darts neuralforecast holidays pandas lightning utilsforecast statsmodels
import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.models import NBEATSModel, RNNModel, TransformerModel
from neuralforecast import NeuralForecast
from neuralforecast.models import NHITS, PatchTST

wave = np.sin(np.arange(120) / 5).astype("f4")
quiet = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
series = TimeSeries.from_values(wave)
small = {"d_model": 8, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "dim_feedforward": 8}
for kind, options in (
    (NBEATSModel, {"output_chunk_length": 4, "num_stacks": 2, "num_blocks": 1, "layer_widths": 8}),
    (RNNModel, {"model": "LSTM", "training_length": 20, "hidden_dim": 8}),
    (TransformerModel, {"output_chunk_length": 4, **small}),
):
    model = kind(input_chunk_length=12, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet, **options)
    model.fit(series)
    assert np.isfinite(model.predict(4).values()).all()

table = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2020", periods=120, freq="h"), "y": wave})
models = [
    NHITS(h=6, input_size=12, max_steps=3, **quiet),
    PatchTST(h=6, input_size=24, max_steps=3, hidden_size=16, n_heads=2, **quiet),
]
forecast = NeuralForecast(models=models, freq="h")
forecast.fit(table)
assert forecast.predict().shape == (6, 4)
print("ran")
