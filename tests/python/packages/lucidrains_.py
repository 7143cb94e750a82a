# needs: linformer performer_pytorch reformer_pytorch vector_quantize_pytorch denoising_diffusion_pytorch local_attention egnn_pytorch perceiver_pytorch nystrom_attention g_mlp_pytorch mlp_mixer_pytorch soft_moe_pytorch siren_pytorch conformer ema_pytorch rotary_embedding_torch product_key_memory memory_efficient_attention_pytorch lion_pytorch einops einx axial_positional_embedding hyper_connections loguru frozendict
import torch
from conformer import ConformerBlock
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from egnn_pytorch import EGNN
from ema_pytorch import EMA
from g_mlp_pytorch import gMLP
from linformer import Linformer
from lion_pytorch import Lion
from local_attention import LocalTransformer
from memory_efficient_attention_pytorch import Attention
from mlp_mixer_pytorch import MLPMixer
from nystrom_attention import Nystromformer
from perceiver_pytorch import Perceiver
from performer_pytorch import PerformerLM
from product_key_memory import PKM
from reformer_pytorch import ReformerLM
from rotary_embedding_torch import RotaryEmbedding
from siren_pytorch import SirenNet
from soft_moe_pytorch import SoftMoE
from vector_quantize_pytorch import FSQ, LFQ, ResidualVQ, VectorQuantize

torch.manual_seed(0)
words, rows = torch.randint(0, 20, (1, 64)), torch.randn(1, 32, 16)
for model, x in (
    (Linformer(dim=16, seq_len=32, depth=1, heads=2, k=8), rows),
    (PerformerLM(num_tokens=20, max_seq_len=64, dim=32, depth=1, heads=2), words),
    (ReformerLM(num_tokens=20, dim=32, depth=1, max_seq_len=64, heads=2, bucket_size=16, n_hashes=2, causal=True), words),
    (LocalTransformer(num_tokens=20, dim=16, depth=1, max_seq_len=64, local_attn_window_size=8, causal=True), words),
    (Nystromformer(dim=16, heads=2, dim_head=8, depth=1, num_landmarks=8), rows),
    (gMLP(num_tokens=20, dim=8, depth=1, seq_len=64, causal=True), words),
    (MLPMixer(image_size=16, channels=3, patch_size=8, dim=8, depth=1, num_classes=3), torch.randn(1, 3, 16, 16)),
    (SoftMoE(dim=16, seq_len=32, num_experts=2), rows),
    (SirenNet(dim_in=2, dim_hidden=8, dim_out=3, num_layers=2), torch.randn(5, 2)),
    (ConformerBlock(dim=16, dim_head=8, heads=2), rows),
    (PKM(dim=16, heads=2, dim_head=8, num_keys=8, topk=4), rows),
    (Attention(dim=16, dim_head=8, heads=2, memory_efficient=True, q_bucket_size=8, k_bucket_size=8), rows),
    (
        Perceiver(
            input_channels=3, input_axis=2, num_freq_bands=2, depth=1, max_freq=10.0, num_latents=4, latent_dim=8,
            cross_dim_head=4, latent_dim_head=4, latent_heads=2, num_classes=3,
        ),
        torch.randn(1, 8, 8, 3),
    ),
):  # fmt: skip
    optimizer, average = Lion(model.parameters(), lr=1e-3), EMA(model, update_after_step=0, update_every=1)
    out = model(x)
    out.pow(2).mean().backward()
    optimizer.step()
    average.update()
    assert out.isfinite().all() and average(x).shape == out.shape, type(model)
x = rows.clone().requires_grad_()
for quantize in (
    VectorQuantize(dim=16, codebook_size=8, use_cosine_sim=True), VectorQuantize(dim=16, codebook_size=8, kmeans_init=True),
    ResidualVQ(dim=16, num_quantizers=2, codebook_size=8), FSQ([4, 4, 4], dim=16), LFQ(codebook_size=16, dim=16),
):  # fmt: skip
    assert quantize(x)[0].shape == x.shape
    quantize(x)[0].sum().backward()
features, places = EGNN(dim=8)(torch.randn(1, 5, 8), torch.randn(1, 5, 3))
(features.sum() + places.sum()).backward()
assert RotaryEmbedding(dim=8).rotate_queries_or_keys(torch.randn(1, 2, 4, 8)).shape == (1, 2, 4, 8)
diffusion = GaussianDiffusion(Unet(dim=8, dim_mults=(1, 2), flash_attn=False), image_size=16, timesteps=3)
diffusion(torch.rand(2, 3, 16, 16)).backward()
assert diffusion.sample(batch_size=1).shape == (1, 3, 16, 16)
print("ran")
