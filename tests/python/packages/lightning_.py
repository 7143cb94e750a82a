# needs: lightning lightning_utilities torchmetrics
import lightning
import torch


class Classifier(lightning.LightningModule):
    def __init__(self, width=4):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(width, 2)

    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("accuracy", (self.layer(batch[0]).argmax(1) == batch[1]).float().mean())

    def predict_step(self, batch, index):
        return self.layer(batch[0]).argmax(1)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), 0.1)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]


lightning.seed_everything(0)
x = torch.randn(64, 4)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, (x.sum(1) > 0).long()), 8)
model = Classifier()
trainer = lightning.Trainer(max_epochs=4, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, logger=False,
                            gradient_clip_val=1.0, accumulate_grad_batches=2)  # fmt: skip
trainer.fit(model, loader, loader)
assert trainer.validate(model, loader, verbose=False)[0]["accuracy"] > 0.85
predicted = torch.cat(trainer.predict(model, loader))
read = Classifier.load_from_checkpoint(trainer.checkpoint_callback.best_model_path)
assert torch.equal(read.layer(x).argmax(1), predicted)

fabric = lightning.Fabric(accelerator="cpu")
fabric.launch()
module = torch.nn.Linear(2, 2)
module, optimizer = fabric.setup(module, torch.optim.SGD(module.parameters(), 0.1))
fabric.backward(module(torch.ones(1, 2)).sum())
optimizer.step()
print("ran")
