# needs: pytorch_tabnet deepctr_torch torchkge pandas tqdm
import numpy as np
import pandas as pd
import torch
from deepctr_torch.inputs import DenseFeat, SparseFeat
from deepctr_torch.models import DCN, AutoInt, DeepFM, xDeepFM
from pytorch_tabnet.tab_model import TabNetClassifier
from torchkge.data_structures import KnowledgeGraph
from torchkge.models import TransEModel
from torchkge.sampling import BernoulliNegativeSampler
from torchkge.utils import DataLoader, MarginLoss

rows = np.random.rand(256, 6).astype("float32")
classes = (rows[:, 0] > 0.5).astype(int)
table = TabNetClassifier(verbose=0, n_d=4, n_a=4, device_name="cpu")
table.fit(rows, classes, eval_set=[(rows, classes)], max_epochs=3, batch_size=64, virtual_batch_size=32)
table.save_model("tabnet")
again = TabNetClassifier()
again.load_model("tabnet.zip")
assert (again.predict(rows) == table.predict(rows)).all()

features = [SparseFeat("a", 10, 4), SparseFeat("b", 5, 4), DenseFeat("c", 1)]
clicks = {"a": np.random.randint(0, 10, 64), "b": np.random.randint(0, 5, 64), "c": np.random.rand(64)}
for kind in (DeepFM, xDeepFM, DCN, AutoInt):
    net = kind(features, features, task="binary", device="cpu")
    net.compile("adam", "binary_crossentropy", metrics=["auc"])
    net.fit(clicks, np.random.randint(0, 2, 64), batch_size=16, epochs=1, verbose=0)
    assert net.predict(clicks, 16).shape == (64, 1)

facts = [[f"e{i}", f"e{(i * 7 + 3) % 20}", f"r{i % 3}"] for i in range(60)]
graph = KnowledgeGraph(df=pd.DataFrame(facts, columns=["from", "to", "rel"]))
embedding = TransEModel(8, graph.n_ent, graph.n_rel, dissimilarity_type="L2")
sampler, optimizer = BernoulliNegativeSampler(graph), torch.optim.Adam(embedding.parameters())
for heads, tails, relations in DataLoader(graph, batch_size=16):
    wrong = sampler.corrupt_batch(heads, tails, relations)
    optimizer.zero_grad()
    MarginLoss(0.5)(*embedding(heads, tails, relations, *wrong)).backward()
    optimizer.step()
embedding.normalize_parameters()
print("ran")
