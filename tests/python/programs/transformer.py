"""A small GPT with parameter groups, clipping, a schedule and sampling; the encoder layers of torch.nn."""

import math

import torch
import torch.nn as nn
from torch.nn import functional as F

torch.manual_seed(1337)


class Head(nn.Module):
    def __init__(self, hs):
        super().__init__()
        self.key = nn.Linear(32, hs, bias=False)
        self.query = nn.Linear(32, hs, bias=False)
        self.value = nn.Linear(32, hs, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(8, 8)))
        self.dropout = nn.Dropout(0.0)

    def forward(self, x):
        B, T, C = x.shape
        k = self.key(x)
        q = self.query(x)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = F.softmax(wei, dim=-1)
        wei = self.dropout(wei)
        return wei @ self.value(x)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList([Head(8) for _ in range(4)])
        self.proj = nn.Linear(32, 32)
        self.ff = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32), nn.Dropout(0.0))
        self.ln1 = nn.LayerNorm(32)
        self.ln2 = nn.LayerNorm(32)

    def forward(self, x):
        y = self.ln1(x)
        x = x + self.proj(torch.cat([h(y) for h in self.heads], dim=-1))
        return x + self.ff(self.ln2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(20, 32)
        self.pos = nn.Embedding(8, 32)
        self.blocks = nn.Sequential(*[Block() for _ in range(2)])
        self.ln = nn.LayerNorm(32)
        self.head = nn.Linear(32, 20)
        self.apply(self._init)

    def _init(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.normal_(m.weight, mean=0.0, std=0.02)
            if m.bias is not None:
                torch.nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Embedding):
            torch.nn.init.normal_(m.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        B, T = idx.shape
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))
        x = self.head(self.ln(self.blocks(x)))
        if targets is None:
            return x, None
        return x, F.cross_entropy(x.view(B * T, -1), targets.view(-1))

    @torch.no_grad()
    def generate(self, idx, n):
        for _ in range(n):
            logits, _ = self(idx[:, -8:])
            logits = logits[:, -1, :]
            v, _ = torch.topk(logits, 5)
            logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, -1), num_samples=1)), dim=1)
        return idx


m = GPT()
print(m)
print(sum(p.numel() for p in m.parameters()))
decay = [p for p in m.parameters() if p.dim() >= 2]
nodecay = [p for p in m.parameters() if p.dim() < 2]
opt = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.1}, {"params": nodecay, "weight_decay": 0.0}], lr=3e-3, betas=(0.9, 0.95)
)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 20)
data = torch.randint(0, 20, (200,)).sort().values
for i in range(20):
    ix = torch.randint(len(data) - 8, (4,))
    x = torch.stack([data[j : j + 8] for j in ix])
    y = torch.stack([data[j + 1 : j + 9] for j in ix])
    _, loss = m(x, y)
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
    opt.step()
    sched.step()
    if i % 5 == 0:
        print(i, f"{loss.item():.4f}", f"{sched.get_last_lr()[0]:.6f}")
m.eval()
print(m.generate(torch.zeros((1, 1), dtype=torch.long), 12).tolist())
layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0)
enc = nn.TransformerEncoder(layer, 2)
x = torch.randn(2, 5, 16)
print(round(enc(x).sum().item(), 3), enc(x, mask=nn.Transformer.generate_square_subsequent_mask(5)).std())
mha = nn.MultiheadAttention(16, 4, batch_first=True)
o, w = mha(x, x, x)
print(o.mean(), w.shape)


class PositionalEncoding(nn.Module):
    def __init__(self, d, max_len=50):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
        pe = torch.zeros(max_len, 1, d)
        pe[:, 0, 0::2] = torch.sin(position * div)
        pe[:, 0, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(0)]


print(PositionalEncoding(16)(x).sum())
print(F.scaled_dot_product_attention(x, x, x, is_causal=True).sum())
