# needs: rtdl rtdl_revisiting_models
import rtdl
import torch
from rtdl_revisiting_models import FTTransformer

torch.manual_seed(0)
numbers, kinds, wanted = torch.randn(16, 3), torch.randint(0, 2, (16, 2)), torch.randn(16, 1)
for model, inputs in (
    (
        rtdl.FTTransformer.make_default(
            n_num_features=3, cat_cardinalities=[2, 3], last_layer_query_idx=[-1], d_out=1, n_blocks=1
        ),
        (numbers, kinds),
    ),
    (
        rtdl.ResNet.make_baseline(
            d_in=3, n_blocks=1, d_main=4, d_hidden=8, dropout_first=0.1, dropout_second=0.0, d_out=1
        ),
        (numbers,),
    ),
    (
        FTTransformer(n_cont_features=3, cat_cardinalities=[2, 3], d_out=1, **FTTransformer.get_default_kwargs(1)),
        (numbers, kinds),
    ),
):
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(3):
        loss = torch.nn.functional.mse_loss(model(*inputs), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.isfinite()
print("ran")
