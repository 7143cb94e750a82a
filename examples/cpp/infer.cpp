// Runs a model that Python saved: infer ARCHIVE [BATCH CHANNELS HEIGHT WIDTH]
//
//   torch.jit.trace(model.eval(), x).save("model.pt")
#include <torch/script.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: infer ARCHIVE [SIZES...]\n";
    return 2;
  }
  torch::jit::Module model = torch::jit::load(argv[1]);
  model.eval();
  std::vector<int64_t> sizes;
  for (int i = 2; i < argc; i++) sizes.push_back(std::stoll(argv[i]));
  if (sizes.empty()) sizes = {1, 3, 224, 224};

  torch::InferenceMode no_gradients;
  torch::manual_seed(0);
  torch::Tensor y = model.forward({torch::rand(sizes)}).toTensor();
  auto [values, classes] = torch::softmax(y, -1).topk(std::min<int64_t>(3, y.size(-1)));
  std::cout << y.sizes() << "\n";
  for (int64_t i = 0; i < classes.size(-1); i++)
    std::cout << classes.index({0, i}).item<int64_t>() << " " << values.index({0, i}).item<float>() << "\n";
} catch (const c10::Error& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
