// Runs a scripted model on saved digits, with no Python in the process: digits_predict MODEL DATA
#include <torch/script.h>

#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: digits_predict MODEL DATA");
  torch::jit::Module model = torch::jit::load(argv[1]);
  std::ifstream file(argv[2], std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  auto data = torch::pickle_load(bytes).toGenericDict();

  torch::NoGradGuard no_grad;
  torch::Tensor scores = model.forward({data.at("images")}).toTensor();
  torch::Tensor predicted = scores.argmax(1), labels = data.at("labels").toTensor();
  std::cout << std::fixed << std::setprecision(2) << "accuracy "
            << 100.0 * (predicted == labels).sum().item<double>() / double(labels.numel()) << "%\n";
  for (int64_t i = 0; i < predicted.numel(); i++) std::cout << predicted[i].item<int64_t>() << ' ';
  std::cout << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
