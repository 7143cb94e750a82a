# needs: sentence_transformers transformers tokenizers huggingface_hub safetensors regex tqdm httpx2
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer, models, util
from transformers import BertConfig, BertModel, BertTokenizer

letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters)]
Path("bert").mkdir()
Path("bert/vocab.txt").write_text("\n".join(words))
config = BertConfig(
    vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
)
BertModel(config).save_pretrained("bert")
BertTokenizer("bert/vocab.txt").save_pretrained("bert")
tokens = models.Transformer("bert", max_seq_length=16)
model = SentenceTransformer(modules=[tokens, models.Pooling(tokens.get_word_embedding_dimension())], device="cpu")
found = model.encode(["hello world", "good day", "hello world"], convert_to_tensor=True)
near = util.cos_sim(found, found)
torch.testing.assert_close(near[0, 2], torch.tensor(1.0))
assert near[0, 1] < 1
print("ran")
