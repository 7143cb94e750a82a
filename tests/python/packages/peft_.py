# needs: peft transformers accelerate huggingface_hub safetensors psutil regex
import torch
from peft import IA3Config, LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

ids = torch.randint(0, 90, (2, 7))


def base():
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=100,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=64,
        )
    )


model = get_peft_model(base(), LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
trained = [p for p in model.parameters() if p.requires_grad]
assert sum(p.numel() for p in trained) == 896
optimizer = torch.optim.AdamW(trained, 1e-2)
for _ in range(3):
    optimizer.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
model.eval().save_pretrained("lora")
read = PeftModel.from_pretrained(base(), "lora").eval()
assert torch.allclose(model(ids).logits, read(ids).logits, atol=1e-5)
assert torch.allclose(read.merge_and_unload()(ids).logits, model(ids).logits, atol=1e-4)
for config in (
    IA3Config(
        task_type="CAUSAL_LM", target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]
    ),
    PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    LoraConfig(r=4, target_modules=["q_proj"], use_dora=True, task_type="CAUSAL_LM"),
):
    get_peft_model(base(), config)(input_ids=ids, labels=ids).loss.backward()
print("ran")
