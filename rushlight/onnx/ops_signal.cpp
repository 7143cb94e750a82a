// Fourier transforms, windows, pictures.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kSignalText = R"py(
def _dft(x, axis: int, length: Any, inverse: Any, onesided: Any):
    a = axis if axis >= 0 else axis + rank(x)
    n = x.size(a)
    if length is not None:
        n = ints(length)[0]
    elif onesided == 1 and inverse == 1:
        n = 2 * (n - 1)
    if onesided == 1 and inverse == 1:
        half = torch.view_as_complex(x.contiguous()) if x.size(-1) == 2 else torch.complex(x.squeeze(-1), torch.zeros_like(x.squeeze(-1)))
        return torch.fft_irfft(half, n, a).unsqueeze(-1)
    if onesided == 1:
        real = x.select(-1, 0)
        return torch.view_as_real(torch.fft_rfft(real, n, a))
    c = torch.complex(x, torch.zeros_like(x)).squeeze(-1)
    if x.size(-1) == 2:
        c = torch.view_as_complex(x.contiguous())
    if inverse == 1:
        return torch.view_as_real(torch.fft_ifft(c, n, a))
    return torch.view_as_real(torch.fft_fft(c, n, a))

def ImageDecoder_20(encoded_stream, pixel_format: Any = "RGB"):
    return ops.onnx.decoded_image(encoded_stream, pixel_format)

def DFT_17(input, dft_length: Any = None, axis: Any = 1, inverse: Any = 0, onesided: Any = 0):
    return _dft(input, axis, dft_length, inverse, onesided)

def DFT_20(input, dft_length: Any = None, axis: Any = None, inverse: Any = 0, onesided: Any = 0):
    a = -2
    if axis is not None:
        a = ints(axis)[0]
    return _dft(input, a, dft_length, inverse, onesided)

def STFT_17(signal, frame_step, window: Any = None, frame_length: Any = None, onesided: Any = 1):
    step = ints(frame_step)[0]
    n = signal.size(1)
    if frame_length is not None:
        n = ints(frame_length)[0]
    elif window is not None:
        n = window.size(0)
    frames = signal.unfold(1, n, step)
    # [batch, frames, parts, n] -> [batch, frames, n]
    if rank(signal) == 2:
        x = frames
    else:
        x = frames.select(2, 0)
    if window is not None:
        x = x * window
    if rank(signal) == 3 and signal.size(2) == 2:
        y = frames.select(2, 1)
        if window is not None:
            y = y * window
        return torch.view_as_real(torch.fft_fft(torch.complex(x, y), n, -1))
    if onesided == 1:
        return torch.view_as_real(torch.fft_rfft(x, n, -1))
    return torch.view_as_real(torch.fft_fft(torch.complex(x, torch.zeros_like(x)), n, -1))

def _window(size, a: float, b: float, c: float, output_datatype: Any, periodic: Any):
    n = ints(size)[0]
    m = n
    if periodic == 0:
        m = n - 1
    t = torch.arange(n).to(torch.float64) * (2 * math.pi / m)
    return (a - b * torch.cos(t) + c * torch.cos(2 * t)).to(scalar_type(output_datatype))

def HannWindow_17(size, output_datatype: Any = 1, periodic: Any = 1):
    return _window(size, 0.5, 0.5, 0.0, output_datatype, periodic)

def HammingWindow_17(size, output_datatype: Any = 1, periodic: Any = 1):
    return _window(size, 25.0 / 46.0, 1.0 - 25.0 / 46.0, 0.0, output_datatype, periodic)

def BlackmanWindow_17(size, output_datatype: Any = 1, periodic: Any = 1):
    return _window(size, 0.42, 0.5, 0.08, output_datatype, periodic)

def MelWeightMatrix_17(num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz, output_datatype: Any = 1):
    bands = ints(num_mel_bins)[0]
    n = ints(dft_length)[0]
    rate = ints(sample_rate)[0]
    bins = n // 2 + 1
    low = 2595.0 * math.log10(1.0 + float(lower_edge_hertz) / 700.0)
    high = 2595.0 * math.log10(1.0 + float(upper_edge_hertz) / 700.0)
    step = (high - low) / (bands + 2)
    mel = torch.arange(bands + 2).to(torch.float64) * step + low
    edges = ops.onnx.ints(torch.floor((700.0 * (torch.pow(10.0, mel / 2595.0) - 1.0)) * (n + 1) / rate))
    out = torch.zeros([bins, bands], dtype=torch.float64)
    for i in range(bands):
        a = edges[i]
        b = edges[i + 1]
        c = edges[i + 2]
        if b == a:
            if b < bins:
                out[b, i] = 1.0
        else:
            for j in range(a, min(b + 1, bins)):
                out[j, i] = float(j - a) / float(b - a)
        if c != b:
            for j in range(b, min(c, bins)):
                out[j, i] = float(c - j) / float(c - b)
    return out.to(scalar_type(output_datatype))
)py";

}  // namespace rushlight::onnx
