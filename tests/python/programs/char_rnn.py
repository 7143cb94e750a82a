"""Recurrent cells of our own and of torch.nn, trained on characters; packed sequences."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
text = "the quick brown fox jumps over the lazy dog. " * 4
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}


class LSTMCell(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.ih = nn.Linear(i, 4 * h)
        self.hh = nn.Linear(h, 4 * h, bias=False)
        self.h = h
        for n, p in self.named_parameters():
            if "weight" in n:
                nn.init.orthogonal_(p) if False else nn.init.xavier_uniform_(p)
            else:
                nn.init.zeros_(p)

    def forward(self, x, state):
        h, c = state
        i, f, g, o = (self.ih(x) + self.hh(h)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class GRUCell(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, i, h) * 0.1)
        self.u = nn.Parameter(torch.randn(3, h, h) * 0.1)
        self.b = nn.Parameter(torch.zeros(3, h))

    def forward(self, x, state):
        h = state[0]
        z = torch.sigmoid(x @ self.w[0] + h @ self.u[0] + self.b[0])
        r = torch.sigmoid(x @ self.w[1] + h @ self.u[1] + self.b[1])
        n = torch.tanh(x @ self.w[2] + r * (h @ self.u[2]) + self.b[2])
        h = (1 - z) * n + z * h
        return h, (h,)


class Model(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.emb = nn.Embedding(len(chars), 16)
        self.cell = cell
        self.out = nn.Linear(32, len(chars))

    def forward(self, idx, state):
        outs = []
        for t in range(idx.shape[1]):
            h, state = self.cell(self.emb(idx[:, t]), state)
            outs.append(self.out(h))
        return torch.stack(outs, 1), state


data = torch.tensor([stoi[c] for c in text])
for cell, n in ((LSTMCell(16, 32), 2), (GRUCell(16, 32), 1)):
    m = Model(cell)
    opt = torch.optim.Adam(m.parameters(), 1e-2)
    for step in range(30):
        ix = torch.randint(len(data) - 17, (8,))
        x = torch.stack([data[i : i + 16] for i in ix])
        y = torch.stack([data[i + 1 : i + 17] for i in ix])
        logits, _ = m(x, tuple(torch.zeros(8, 32) for _ in range(n)))
        loss = F.cross_entropy(logits.view(-1, len(chars)), y.view(-1))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        gn = nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        opt.step()
        if step % 10 == 9:
            print(step, f"{loss.item():.4f} {gn.item():.4f}")
    m.eval()
    s = tuple(torch.zeros(1, 32) for _ in range(n))
    i = torch.tensor([[0]])
    out = ""
    with torch.inference_mode():
        for _ in range(20):
            l, s = m(i, s)
            p = F.softmax(l[:, -1] / 0.8, -1)
            i = torch.multinomial(p, 1)
            out += chars[i.item()]
    print(repr(out))
rnn = nn.LSTM(10, 20, 2, batch_first=True, bidirectional=True, dropout=0.0)
x = torch.randn(3, 5, 10)
o, (h, c) = rnn(x)
print(o.shape, h.shape, round(o.sum().item(), 4))
print(rnn)
packed = nn.utils.rnn.pack_padded_sequence(x, [5, 3, 2], batch_first=True)
o, _ = rnn(packed)
o, l = nn.utils.rnn.pad_packed_sequence(o, batch_first=True)
print(o.shape, l, round(o.sum().item(), 4))
print(nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(3)], batch_first=True))
gru = nn.GRU(4, 5)
print(round(gru(torch.randn(2, 3, 4))[0].sum().item(), 4))
print(nn.RNNCell(3, 4)(torch.ones(1, 3)), nn.LSTMCell(3, 4)(torch.ones(1, 3))[0])
