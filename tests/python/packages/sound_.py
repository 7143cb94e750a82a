# needs: speechbrain hyperpyyaml ruamel nnAudio soxr
import torch
from nnAudio import features
from speechbrain.lobes.features import MFCC, Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

sound = torch.randn(2, 16000)
assert Fbank()(sound).shape == (2, 101, 40) and MFCC()(sound).shape == (2, 101, 660)
speaker = ECAPA_TDNN(80, channels=[16, 16, 16, 16, 48], attention_channels=8, lin_neurons=12)
speaker(Fbank(n_mels=80)(sound)).sum().backward()
assert all(p.grad is not None for p in speaker.parameters())
second = torch.randn(1, 22050)
assert features.MelSpectrogram(verbose=False)(second).shape == (1, 128, 44)
assert features.STFT(verbose=False)(second).shape == (1, 1025, 44, 2)
assert features.CQT1992v2(verbose=False)(second).shape == (1, 84, 44)
print("ran")
