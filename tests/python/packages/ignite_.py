# needs: ignite
import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import ModelCheckpoint
from ignite.metrics import Accuracy, ConfusionMatrix, Loss

torch.manual_seed(0)
model, criterion = torch.nn.Linear(4, 2), torch.nn.CrossEntropyLoss()
x = torch.randn(64, 4)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, (x.sum(1) > 0).long()), 8)
trainer = create_supervised_trainer(model, torch.optim.SGD(model.parameters(), 0.5), criterion)
evaluator = create_supervised_evaluator(
    model, {"accuracy": Accuracy(), "loss": Loss(criterion), "matrix": ConfusionMatrix(2)}
)
trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(loader))
trainer.add_event_handler(Events.EPOCH_COMPLETED, ModelCheckpoint("checkpoints", "x"), {"model": model})
trainer.run(loader, 3)
assert evaluator.state.metrics["accuracy"] > 0.9 and evaluator.state.metrics["matrix"].sum() == 64
print("ran")
