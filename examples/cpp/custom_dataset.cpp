// A data set of one's own, pictures in a folder for each class, and a transform of one's own: custom_dataset FOLDER [EPOCHS]
// FOLDER/cat/1.png, FOLDER/dog/2.jpg, ...: PNG, JPEG, BMP or PNM files of any size. Every fifth is held out.
#include <torch/torch.h>

#include <iostream>

namespace F = torch::nn::functional;

// A part of the pictures, all of one size. A picture is read when a worker asks for it, so that only batches are in memory.
class Pictures : public torch::data::datasets::Dataset<Pictures> {
 public:
  enum class Part { Train, HeldOut };
  Pictures(const torch::data::datasets::ImageFolder& folder, Part part) : folder_(folder) {
    for (size_t i = 0; i < *folder.size(); i++)
      if ((i % 5 == 4) == (part == Part::HeldOut)) chosen_.push_back(i);
  }
  torch::data::Example<> get(size_t i) override {
    auto [pixels, label] = folder_.get(chosen_.at(i));
    auto small = F::InterpolateFuncOptions().size(std::vector<int64_t>{32, 32}).mode(torch::kBilinear).antialias(true);
    torch::Tensor x = pixels.unsqueeze(0).to(torch::kFloat32) / 255;
    return {F::interpolate(x, small.align_corners(false)).squeeze(0), label};
  }
  std::optional<size_t> size() const override { return chosen_.size(); }

 private:
  torch::data::datasets::ImageFolder folder_;
  std::vector<size_t> chosen_;
};

// Mirrors every other picture, by chance.
struct Mirror : torch::data::transforms::TensorTransform<> {
  torch::Tensor operator()(torch::Tensor x) override { return torch::rand({1}).item<float>() < 0.5 ? x.flip(2) : x; }
};

int main(int argc, char** argv) try {
  if (argc < 2 || argc > 3) throw std::runtime_error("usage: custom_dataset FOLDER [EPOCHS]");
  torch::manual_seed(0);
  torch::data::datasets::ImageFolder folder(argv[1]);
  if (*folder.size() < 5)
    throw std::runtime_error("custom_dataset: fewer than five pictures in " + std::string(argv[1]));
  torch::data::transforms::Normalize<> normalize(0.5, 0.5);
  torch::data::transforms::Stack<> stack;
  Pictures train(folder, Pictures::Part::Train), held_out(folder, Pictures::Part::HeldOut);
  auto train_loader = torch::data::make_data_loader(train.map(Mirror()).map(normalize).map(stack),
                                                    torch::data::DataLoaderOptions(16).workers(2));
  auto test_loader =
      torch::data::make_data_loader<torch::data::samplers::SequentialSampler>(held_out.map(normalize).map(stack), 64);

  torch::nn::Sequential net(
      torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 8, 3).stride(2).padding(1)), torch::nn::ReLU(),
      torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 16, 3).stride(2).padding(1)), torch::nn::ReLU(),
      torch::nn::Flatten(), torch::nn::Linear(16 * 8 * 8, int64_t(folder.classes().size())));
  torch::optim::AdamW optimizer(net->parameters(), torch::optim::AdamWOptions(2e-3));
  int epochs = argc == 3 ? std::stoi(argv[2]) : 5;
  for (int epoch = 1; epoch <= epochs; epoch++) {
    double loss = 0;
    for (auto& batch : *train_loader) {
      optimizer.zero_grad();
      torch::Tensor step = F::cross_entropy(net->forward(batch.data), batch.target);
      step.backward();
      optimizer.step();
      loss += step.item<double>() * double(batch.target.size(0));
    }
    torch::NoGradGuard no_grad;
    int64_t right = 0;
    for (auto& batch : *test_loader) {
      right += (net->forward(batch.data).argmax(1) == batch.target).sum().item<int64_t>();
    }
    std::cout << "epoch " << epoch << ": loss " << loss / double(*train.size()) << ", held out " << right << " of "
              << *held_out.size() << " right\n";
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
