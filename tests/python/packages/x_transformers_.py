# needs: x_transformers einops einx torch_einops_utils
import torch
from x_transformers import AutoregressiveWrapper, Decoder, Encoder, TransformerWrapper, ViTransformerWrapper

tokens = torch.randint(0, 100, (2, 16))
decoder = Decoder(dim=32, depth=2, heads=4, rotary_pos_emb=True, attn_flash=True)
model = AutoregressiveWrapper(TransformerWrapper(num_tokens=100, max_seq_len=32, attn_layers=decoder))
model(tokens).backward()
assert model.generate(tokens[:, :4], 5).shape == (2, 5)
encoder = Encoder(dim=32, depth=1, heads=4, alibi_pos_bias=True, ff_glu=True, use_rmsnorm=True)
TransformerWrapper(num_tokens=100, max_seq_len=32, attn_layers=encoder)(
    tokens, mask=torch.ones_like(tokens).bool()
).sum().backward()
vit = ViTransformerWrapper(image_size=32, patch_size=8, num_classes=10, attn_layers=Encoder(dim=32, depth=1, heads=4))
vit(torch.randn(1, 3, 32, 32)).sum().backward()
print("ran")
