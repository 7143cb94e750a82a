# needs: pytorch_metric_learning sklearn
import torch
from pytorch_metric_learning import losses, miners

torch.manual_seed(0)
embeddings, labels = torch.randn(12, 8, requires_grad=True), torch.arange(12) // 3
for loss in (
    losses.TripletMarginLoss(), losses.ContrastiveLoss(), losses.NTXentLoss(), losses.SupConLoss(), losses.MultiSimilarityLoss(),
    losses.ArcFaceLoss(4, 8), losses.ProxyAnchorLoss(4, 8),
):  # fmt: skip
    embeddings.grad = None
    loss(embeddings, labels).backward()
    assert embeddings.grad.isfinite().all() and embeddings.grad.abs().sum() > 0, loss
assert len(miners.MultiSimilarityMiner()(embeddings, labels)) == 4
print("ran")
