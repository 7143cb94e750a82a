# needs: skorch sklearn tabulate
import pickle

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, LRScheduler

torch.manual_seed(0)
x = np.random.RandomState(0).randn(200, 5).astype("float32")
y = (x.sum(1) > 0).astype("int64")


class Net(torch.nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(5, width), torch.nn.ReLU(), torch.nn.Linear(width, 2), torch.nn.Softmax(-1)
        )

    def forward(self, x):
        return self.layers(x)


callbacks = [EarlyStopping(), LRScheduler("StepLR", step_size=10)]
net = NeuralNetClassifier(Net, max_epochs=20, lr=0.5, callbacks=callbacks, verbose=0).fit(x, y)
assert net.score(x, y) > 0.9 and net.predict_proba(x).shape == (200, 2)
search = GridSearchCV(net, {"module__width": [4, 8]}, cv=2, refit=False).fit(x, y)
assert search.best_score_ > 0.5
again = pickle.loads(pickle.dumps(net))
assert (again.predict(x) == net.predict(x)).all()
net.save_params("params.pt")
net.load_params("params.pt")
print("ran")
