# needs: transformers tokenizers huggingface_hub safetensors regex
import torch
import transformers as t

torch.manual_seed(0)
ids = torch.randint(3, 90, (2, 7))
small = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}

bert = t.BertForSequenceClassification(t.BertConfig(**small, num_labels=3))
bert(ids, attention_mask=torch.ones_like(ids), labels=torch.tensor([0, 1])).loss.backward()

gpt2 = t.GPT2LMHeadModel(
    t.GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)
)
gpt2(ids, labels=ids).loss.backward()
gpt2.eval()
greedy = gpt2.generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=0)
with torch.no_grad():
    again = gpt2(greedy[:, :-1]).logits[:, 6:].argmax(-1)
assert all(a == b or b == 0 for a, b in zip(again.flatten().tolist(), greedy[:, 7:].flatten().tolist()))
gpt2.generate(ids, max_new_tokens=5, do_sample=True, top_k=5, top_p=0.9, temperature=0.7, pad_token_id=0)
gpt2.generate(ids, max_new_tokens=5, num_beams=3, pad_token_id=0)

llama = t.LlamaForCausalLM(t.LlamaConfig(**small, num_key_value_heads=2))
llama(ids, labels=ids).loss.backward()
llama.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)

t5 = t.T5ForConditionalGeneration(
    t.T5Config(vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0)
)
t5(input_ids=ids, labels=ids).loss.backward()
t5.generate(ids, max_new_tokens=3)

vit_size = {k: v for k, v in small.items() if k != "vocab_size"}
vit = t.ViTForImageClassification(t.ViTConfig(**vit_size, image_size=32, patch_size=8, num_labels=3))
vit(torch.randn(2, 3, 32, 32), labels=torch.tensor([0, 1])).loss.backward()

heads = {f"{part}_attention_heads": 4 for part in ("encoder", "decoder")} | {
    f"{p}_layers": 1 for p in ("encoder", "decoder")
}
whisper = t.WhisperForConditionalGeneration(
    t.WhisperConfig(vocab_size=100, d_model=32, **heads, encoder_ffn_dim=64, decoder_ffn_dim=64, max_source_positions=50,
                    max_target_positions=20, num_mel_bins=16, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                    decoder_start_token_id=3, suppress_tokens=None, begin_suppress_tokens=None)
)  # fmt: skip
whisper(torch.randn(2, 16, 100), labels=ids).loss.backward()

for model, config in (
    (t.RobertaForMaskedLM, t.RobertaConfig(**small)),
    (t.MistralForCausalLM, t.MistralConfig(**small, num_key_value_heads=2)),
    (t.Qwen2ForCausalLM, t.Qwen2Config(**small, num_key_value_heads=2)),
    (t.GemmaForCausalLM, t.GemmaConfig(**small, num_key_value_heads=2, head_dim=8)),
    (t.DebertaV2Model, t.DebertaV2Config(**small)),
    (t.ElectraModel, t.ElectraConfig(**small, embedding_size=32)),
):
    model(config)(ids)[0].square().mean().backward()

bert.eval().save_pretrained("bert")
read = t.BertForSequenceClassification.from_pretrained("bert").eval()
assert torch.equal(bert(ids).logits, read(ids).logits)
print("ran")
