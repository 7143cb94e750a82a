# needs: whisper tiktoken more_itertools tqdm
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

torch.manual_seed(0)
sizes = ModelDimensions(
    n_mels=80, n_audio_ctx=50, n_audio_state=32, n_audio_head=2, n_audio_layer=1, n_vocab=51865, n_text_ctx=16,
    n_text_state=32, n_text_head=2, n_text_layer=1,
)  # fmt: skip
model = Whisper(sizes)
assert whisper.log_mel_spectrogram(torch.randn(16000)).shape == (80, 100)
words = torch.randint(0, 100, (1, 6))
out = model(torch.randn(1, 80, 100), words[:, :-1])
torch.nn.functional.cross_entropy(out[0], words[0, 1:]).backward()
print("ran")
