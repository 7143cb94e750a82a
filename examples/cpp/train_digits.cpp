// Trains a small network on digits, without Python: train_digits DATA MODEL
// DATA is what examples/digits/data.py saves, or any {"images": (N, 1, 8, 8), "labels": (N)} of Python's torch.save; MODEL is written.
#include <torch/torch.h>

#include <fstream>
#include <iostream>
#include <iterator>

// A data set of one's own: what an example is, and how many there are.
struct Digits : torch::data::datasets::Dataset<Digits> {
  explicit Digits(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    auto saved = torch::pickle_load(bytes).toGenericDict();
    images = saved.at("images").toTensor().to(torch::kFloat32);
    labels = saved.at("labels").toTensor();
  }
  torch::data::Example<> get(size_t i) override { return {images[int64_t(i)], labels[int64_t(i)]}; }
  std::optional<size_t> size() const override { return size_t(labels.size(0)); }
  torch::Tensor images, labels;
};

struct NetImpl : torch::nn::Module {
  NetImpl()
      : conv(register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(1, 16, 3).padding(1)))),
        fc1(register_module("fc1", torch::nn::Linear(16 * 4 * 4, 32))),
        fc2(register_module("fc2", torch::nn::Linear(32, 10))) {}
  torch::Tensor forward(torch::Tensor x) {
    x = torch::max_pool2d(torch::relu(conv(x)), 2).flatten(1);
    return torch::log_softmax(fc2(torch::relu(fc1(x))), 1);
  }
  torch::nn::Conv2d conv;
  torch::nn::Linear fc1, fc2;
};
TORCH_MODULE(Net);

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: train_digits DATA MODEL");
  torch::manual_seed(0);
  Digits digits(argv[1]);
  auto loader = torch::data::make_data_loader(digits.map(torch::data::transforms::Stack<>()),
                                              torch::data::DataLoaderOptions(32).workers(2));
  Net net;
  torch::optim::Adam optimizer(net->parameters(), torch::optim::AdamOptions(3e-3));
  for (int epoch = 0; epoch < 8; epoch++) {
    for (auto& batch : *loader) {
      optimizer.zero_grad();
      torch::nll_loss(net(batch.data), batch.target).backward();
      optimizer.step();
    }
  }
  torch::NoGradGuard no_grad;
  torch::Tensor right = net(digits.images).argmax(1) == digits.labels;
  std::cout << "accuracy " << 100.0 * right.to(torch::kFloat64).mean().item<double>() << "%\n";
  torch::save(net, argv[2]);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
