# needs: thinc spacy setfit pykeen ncps segment_anything pytorch_widedeep torch_ppr torch_max_mem
import numpy as np
import pandas as pd
import spacy
import torch
from ncps.torch import LTC, CfC
from ncps.wirings import AutoNCP
from pykeen.pipeline import pipeline
from pykeen.triples import TriplesFactory
from pytorch_widedeep import Trainer
from pytorch_widedeep.models import TabMlp, WideDeep
from pytorch_widedeep.preprocessing import TabPreprocessor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from setfit import SetFitHead
from thinc.api import Adam, PyTorchWrapper

draw = np.random.RandomState(0)
wrapped = PyTorchWrapper(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)))
x = draw.randn(8, 4).astype("f4")
wrapped.initialize(x)
optimizer, sums = Adam(0.01), []
for _ in range(5):
    y, back = wrapped.begin_update(x)
    back(2 * y / len(y))
    wrapped.finish_update(optimizer)
    sums.append(float((y**2).sum()))
assert sums[-1] < sums[0] and len(spacy.blank("en")("hello world")) == 2
wrapped.from_bytes(wrapped.to_bytes())

head = SetFitHead(in_features=4, out_features=3)
assert head({"sentence_embedding": torch.randn(5, 4)})["logits"].shape == (5, 3)

for cell in (CfC(3, 8), LTC(3, AutoNCP(12, 2))):
    cell(torch.randn(2, 5, 3))[0].sum().backward()

facts = np.array([[f"e{draw.randint(10)}", f"r{draw.randint(3)}", f"e{draw.randint(10)}"] for _ in range(100)])
training, testing = TriplesFactory.from_labeled_triples(facts).split([0.8, 0.2], random_state=0)
silent = {"use_tqdm": False}
for name in ("TransE", "ComplEx"):
    result = pipeline(
        training=training,
        testing=testing,
        model=name,
        model_kwargs={"embedding_dim": 8},
        training_kwargs={"num_epochs": 2, **silent},
        evaluation_kwargs=silent,
        random_seed=0,
        device="cpu",
    )
    assert result.losses[1] < result.losses[0]

sam = Sam(
    ImageEncoderViT(
        depth=2, embed_dim=32, img_size=128, patch_size=16, num_heads=2, out_chans=16, use_rel_pos=True, window_size=4
    ),
    PromptEncoder(embed_dim=16, image_embedding_size=(8, 8), input_image_size=(128, 128), mask_in_chans=8),
    MaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(depth=2, embedding_dim=16, mlp_dim=32, num_heads=2),
        transformer_dim=16,
    ),
)
asked = {
    "image": torch.rand(3, 100, 128) * 255,
    "original_size": (100, 128),
    "point_coords": torch.tensor([[[30.0, 40.0]]]),
    "point_labels": torch.ones(1, 1),
}
assert sam([asked], multimask_output=True)[0]["masks"].shape == (1, 3, 100, 128)

table = pd.DataFrame({"a": draw.randint(0, 5, 200), "b": draw.randn(200)})
prepared = TabPreprocessor(cat_embed_cols=["a"], continuous_cols=["b"])
rows = prepared.fit_transform(table)
tabular = TabMlp(
    column_idx=prepared.column_idx,
    cat_embed_input=prepared.cat_embed_input,
    continuous_cols=["b"],
    mlp_hidden_dims=[8, 4],
)
trainer = Trainer(WideDeep(deeptabular=tabular), objective="binary", verbose=0, num_workers=0)
trainer.fit(X_tab=rows, target=(table.b > 0).astype(int).values, n_epochs=1, batch_size=32)
assert trainer.predict(X_tab=rows).shape == (200,)
print("ran")
