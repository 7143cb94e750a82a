// Points on the line y = 2 x + 1.
#include <torch/torch.h>

#include <cstdio>

int main() {
  torch::Tensor x = torch::arange(4.0);
  torch::Tensor y = x * 2 + 1;
  for (int64_t i = 0; i < y.numel(); i++) std::printf("%g ", double(y.data<float>()[i]));
  std::printf("\n");
}
