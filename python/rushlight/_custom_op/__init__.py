"""The first form of torch.library's custom operators."""
