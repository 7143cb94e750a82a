"""A word language model: an LSTM with tied embeddings learns to go on with a text.

word_language_model.py [--text FILE...] [--steps 600] [--seed 0]; default: the documents of this repository
"""

import argparse
import math
import re
from pathlib import Path

import torch
import torch.nn as nn

DOCS = sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md"))


class Corpus:
    def __init__(self, text, least=2):
        words = re.findall(r"[A-Za-z]+|\d+|[^\sA-Za-z\d]", text)
        counts = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        self.words = ["<unk>"] + sorted(word for word, n in counts.items() if n >= least)
        self.index = {word: i for i, word in enumerate(self.words)}
        self.ids = torch.tensor([self.index.get(word, 0) for word in words])


class RNNModel(nn.Module):
    def __init__(self, vocabulary, size=64, layers=2, dropout=0.2):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, size)
        self.rnn = nn.LSTM(size, size, layers, dropout=dropout)
        self.decoder = nn.Linear(size, vocabulary)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden=None):
        output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
        return self.decoder(self.drop(output)), hidden


def batchify(data, columns):
    length = data.size(0) // columns
    return data.narrow(0, 0, length * columns).view(columns, -1).t().contiguous()


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", nargs="+", type=Path, default=DOCS)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    corpus = Corpus("\n".join(path.read_text() for path in args.text))
    split = len(corpus.ids) * 9 // 10
    train, valid = batchify(corpus.ids[:split], 16), batchify(corpus.ids[split:], 4)
    model = RNNModel(len(corpus.words))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=max(1, args.steps // 4), gamma=0.5)
    bptt, position, hidden = 24, 0, None
    for step in range(1, args.steps + 1):
        if position + bptt + 1 > len(train):
            position, hidden = 0, None
        input = train[position : position + bptt]
        target = train[position + 1 : position + 1 + bptt].reshape(-1)
        position += bptt
        model.zero_grad()
        output, hidden = model(input, hidden)
        hidden = repackage_hidden(hidden)
        loss = criterion(output.view(-1, len(corpus.words)), target)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        scheduler.step()
        print(f"step {step} loss {loss.item():.8g} norm {norm.item():.8g}")

    model.eval()
    with torch.no_grad():
        output, _ = model(valid[:-1])
        loss = criterion(output.flatten(0, 1), valid[1:].flatten()).item()
        print(f"held-out perplexity {math.exp(loss):.1f}, of {len(corpus.words)} words")
        word, hidden, said = torch.randint(len(corpus.words), (1, 1)), None, []
        for _ in range(30):
            output, hidden = model(word, hidden)
            weights = output.squeeze().div(0.8).exp()
            weights[0] = 0  # unknown words are not said
            word = torch.multinomial(weights, 1).view(1, 1)
            said.append(corpus.words[word.item()])
    print(" ".join(said))


if __name__ == "__main__":
    main()
