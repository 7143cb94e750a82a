#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

namespace {

namespace data = torch::data;

struct Squares : data::datasets::Dataset<Squares> {
  explicit Squares(size_t n) : n(n) {}
  data::Example<> get(size_t i) override {
    if (i == bad) throw std::runtime_error("no example " + std::to_string(i));
    return {torch::full({2}, double(i)), torch::tensor(int64_t(i * i))};
  }
  std::optional<size_t> size() const override { return n; }
  size_t n, bad = size_t(-1);
};

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) { return e.what(); }
  return "no error";
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<int64_t> targets_of(size_t workers, bool ordered, bool drop_last) {
  auto loader = data::make_data_loader<data::samplers::SequentialSampler>(
      Squares(10).map(data::transforms::Stack<>()),
      data::DataLoaderOptions(4).workers(workers).enforce_ordering(ordered).drop_last(drop_last));
  std::vector<int64_t> out;
  for (auto& batch : *loader) {
    EXPECT_EQ(batch.data.size(0), batch.target.size(0));
    for (int64_t i = 0; i < batch.target.size(0); i++) out.push_back(batch.target[i].item<int64_t>());
  }
  return out;
}

}  // namespace

TEST(DataLoaderTest, AllExamplesComeOnce) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < 10; i++) all.push_back(i * i);
  EXPECT_EQ(targets_of(0, true, false), all);
  EXPECT_EQ(targets_of(3, true, false), all);
  std::vector<int64_t> any = targets_of(3, false, false);
  std::sort(any.begin(), any.end());
  EXPECT_EQ(any, all);
  EXPECT_EQ(targets_of(2, true, true).size(), 8u);
}

TEST(DataLoaderTest, ErrorsOfWorkersReachTheCaller) {
  Squares squares(10);
  squares.bad = 5;
  auto loader = data::make_data_loader<data::samplers::SequentialSampler>(squares.map(data::transforms::Stack<>()),
                                                                          data::DataLoaderOptions(2).workers(2));
  EXPECT_TRUE(has(error_of([&] {
                    for (auto& batch : *loader) (void)batch;
                  }),
                  "Original message: no example 5"));
  // Shapes that don't fit are errors of the operator.
  struct Ragged : data::datasets::Dataset<Ragged, data::TensorExample> {
    data::TensorExample get(size_t i) override { return torch::ones({int64_t(i)}); }
    std::optional<size_t> size() const override { return 4; }
  };
  auto ragged = data::make_data_loader<data::samplers::SequentialSampler>(
      Ragged().map(data::transforms::Stack<data::TensorExample>()), data::DataLoaderOptions(2).workers(1));
  EXPECT_TRUE(has(error_of([&] { (void)*ragged->begin(); }), "stack"));
}

TEST(DataLoaderTest, IteratorsSayWhatIsWrong) {
  const int64_t batch_size = 2;  // a number stands for options
  EXPECT_EQ((*data::make_data_loader(Squares(2), batch_size)->begin()).size(), 2u);
  auto loader = data::make_data_loader(Squares(2), data::DataLoaderOptions(1).workers(1));
  auto it = loader->begin();
  EXPECT_TRUE(has(error_of([&] { loader->begin(); }), "not yet exhausted"));
  ++it;
  ++it;
  EXPECT_TRUE(it == loader->end());
  EXPECT_TRUE(has(error_of([&] { ++it; }), "past the end"));
  auto end = loader->end();
  EXPECT_TRUE(has(error_of([&] { *end; }), "past-the-end"));
}

TEST(DataLoaderTest, ChunksAreReadByThreads) {
  struct Reader : data::datasets::ChunkDataReader<int> {
    std::vector<int> read_chunk(size_t i) override {
      std::vector<int> out(5);
      std::iota(out.begin(), out.end(), int(i) * 5);
      return out;
    }
    size_t chunk_count() override { return 4; }
    void reset() override {}
  };
  namespace samplers = data::samplers;
  using Chunks = data::datasets::ChunkDataset<Reader, samplers::RandomSampler, samplers::SequentialSampler>;
  auto set =
      data::datasets::make_shared_dataset<Chunks>(Reader(), samplers::RandomSampler(0), samplers::SequentialSampler(0),
                                                  data::datasets::ChunkDatasetOptions(2, 3).cache_size(6));
  auto loader = data::make_data_loader(set, data::DataLoaderOptions(3).workers(0));
  for (int epoch = 0; epoch < 2; epoch++) {
    std::multiset<int> seen;
    for (auto& batch : *loader) seen.insert(batch.begin(), batch.end());
    EXPECT_EQ(seen.size(), 20u);
    EXPECT_EQ(*seen.rbegin(), 19);
  }
  EXPECT_TRUE(
      has(error_of([] { data::datasets::ChunkDatasetOptions(1, 5, 2); }), "Cache size is less than batch size"));
}

// A new folder of that name under the tests' own.
std::string new_folder(const std::string& name) {
  std::string folder = testing::TempDir() + name + "/";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}
void write_bytes(const std::string& path, const std::vector<unsigned char>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
}

TEST(DataLoaderTest, MnistFiles) {
  std::string folder = new_folder("mnist_files");
  auto write = [&](const char* name, const std::vector<unsigned char>& bytes) { write_bytes(folder + name, bytes); };
  write("t10k-images-idx3-ubyte", {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 51, 0});
  write("t10k-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 2, 7, 3});
  data::datasets::MNIST set(folder, data::datasets::MNIST::Mode::kTest);
  EXPECT_EQ(*set.size(), 2u);
  EXPECT_EQ(set.get(0).data.sizes(), torch::IntArrayRef({1, 1, 2}));
  EXPECT_EQ(set.get(0).data[0][0][1].item<float>(), 1);
  EXPECT_EQ(set.get(1).target.item<int64_t>(), 3);
  EXPECT_TRUE(has(error_of([&] { data::datasets::MNIST("/nowhere"); }), "train-images"));
  write("t10k-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 3, 7, 3, 1});
  EXPECT_TRUE(has(error_of([&] { data::datasets::MNIST(folder, data::datasets::MNIST::Mode::kTest); }),
                  "2 images and 3 labels"));
}

TEST(DataLoaderTest, CifarFiles) {
  std::string folder = new_folder("cifar_files");
  std::vector<unsigned char> record(3073, 51);
  record[0] = 9;
  for (int i = 1; i <= 5; i++) write_bytes(folder + "data_batch_" + std::to_string(i) + ".bin", record);
  data::datasets::CIFAR10 train(folder);
  EXPECT_EQ(*train.size(), 5u);
  EXPECT_TRUE(train.is_train());
  EXPECT_EQ(train.get(4).data.sizes(), torch::IntArrayRef({3, 32, 32}));
  EXPECT_FLOAT_EQ(train.get(4).data[2][31][31].item<float>(), 0.2f);
  EXPECT_EQ(train.get(4).target.item<int64_t>(), 9);
  EXPECT_TRUE(
      has(error_of([&] { data::datasets::CIFAR10(folder, data::datasets::CIFAR10::Mode::kTest); }), "test_batch"));
  record[0] = 10;
  write_bytes(folder + "data_batch_3.bin", record);
  EXPECT_TRUE(has(error_of([&] { data::datasets::CIFAR10 spoiled(folder); }), "data_batch_3.bin"));

  record.insert(record.begin(), 4);  // the coarse class
  record[1] = 77;
  write_bytes(folder + "test.bin", record);
  data::datasets::CIFAR100 test(folder, data::datasets::CIFAR100::Mode::kTest);
  EXPECT_EQ(test.get(0).target.item<int64_t>(), 77);
  EXPECT_FALSE(test.is_train());
}

TEST(DataLoaderTest, PicturesInFolders) {
  std::string folder = new_folder("pictures_in_folders");
  for (const char* name : {"b", "a"}) std::filesystem::create_directory(folder + name);
  write_bytes(folder + "a/1.ppm", {'P', '6', ' ', '2', ' ', '1', ' ', '2', '5', '5', '\n', 1, 2, 3, 4, 5, 6});
  write_bytes(folder + "b/2.pgm", {'P', '5', ' ', '1', ' ', '1', ' ', '2', '5', '5', '\n', 7});
  write_bytes(folder + "b/notes.txt", {'x'});
  data::datasets::ImageFolder set(folder);
  EXPECT_EQ(*set.size(), 2u);
  EXPECT_EQ(set.classes(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(set.get(0).data.sizes(), torch::IntArrayRef({3, 1, 2}));
  EXPECT_EQ(set.get(0).data[2][0][1].item<int>(), 6);
  EXPECT_EQ(set.get(1).data.sum().item<int>(), 21);  // gray as three channels
  EXPECT_EQ(set.get(1).target.item<int64_t>(), 1);
  EXPECT_TRUE(has(error_of([&] { set.get(2); }), "index 2 is out of range for 2 pictures"));
  write_bytes(folder + "a/1.ppm", {'P', '6', ' ', '2'});
  EXPECT_TRUE(has(error_of([&] { set.get(0); }), "a/1.ppm"));
  EXPECT_TRUE(has(error_of([] { data::datasets::ImageFolder("/nowhere"); }), "/nowhere"));
}
