"""torch._functorch: where PyTorch has torch.func's transforms, and programs import them from."""
