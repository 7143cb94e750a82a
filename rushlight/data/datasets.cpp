#include "rushlight/data/datasets.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <tuple>

#include "rushlight/api/lowered.h"
#include "rushlight/core/generator.h"
#include "rushlight/data/dataloader.h"
#include "rushlight/data/image.h"
#include "rushlight/data/sets.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/randperm.h"
#include "rushlight/fn/stack.h"
#include "rushlight/io/file.h"

namespace torch {
inline namespace rl {
namespace data {

namespace io = rushlight::io;
using rushlight::make_ref;
using rushlight::OsError;
using rushlight::Ref;

namespace detail {
void fail_iterator(const char* what) { throw RuntimeError(what); }
void fail_timeout(std::chrono::milliseconds waited) {
  throw RuntimeError(
      str("Timeout in DataLoader queue while waiting for next batch (timeout was ", waited.count(), " ms)"));
}
}  // namespace detail

WorkerException::WorkerException(std::exception_ptr original)
    : original_exception(std::move(original)), message("Caught exception in DataLoader worker thread.") {
  try {
    std::rethrow_exception(original_exception);
  } catch (const std::exception& e) {
    message += " Original message: ";
    message += e.what();
  } catch (...) {}
}

// ---- samplers --------------------------------------------------------------------------------------------------------

namespace samplers {

namespace {
void write_number(serialize::OutputArchive& archive, const char* key, size_t n) {
  archive.write(key, tensor(int64_t(n)), true);
}
size_t read_number(serialize::InputArchive& archive, const char* key) {
  Tensor t;
  archive.read(key, t, true);
  return size_t(t.item<int64_t>());
}
}  // namespace

void SequentialSampler::reset(std::optional<size_t> new_size) {
  size_ = new_size.value_or(size_);
  index_ = 0;
}
std::optional<std::vector<size_t>> SequentialSampler::next(size_t batch_size) {
  if (index_ >= size_) return std::nullopt;
  std::vector<size_t> out(std::min(batch_size, size_ - index_));
  std::iota(out.begin(), out.end(), index_);
  index_ += out.size();
  return out;
}
void SequentialSampler::save(serialize::OutputArchive& archive) const { write_number(archive, "index", index_); }
void SequentialSampler::load(serialize::InputArchive& archive) { index_ = read_number(archive, "index"); }

RandomSampler::RandomSampler(int64_t size, Dtype index_dtype) : indices_(rushlight::randperm(size, index_dtype)) {}
void RandomSampler::reset(std::optional<size_t> new_size) {
  indices_ = rushlight::randperm(new_size ? int64_t(*new_size) : indices_.numel(), indices_.scalar_type());
  index_ = 0;
}
std::optional<std::vector<size_t>> RandomSampler::next(size_t batch_size) {
  int64_t left = indices_.numel() - index_;
  if (left <= 0) return std::nullopt;
  int64_t n = std::min(int64_t(batch_size), left);
  Tensor part = indices_.slice(0, index_, index_ + n).to(kLong);
  const int64_t* first = part.data_ptr<int64_t>();
  index_ += n;
  return std::vector<size_t>(first, first + n);
}
void RandomSampler::save(serialize::OutputArchive& archive) const {
  write_number(archive, "index", size_t(index_));
  archive.write("indices", indices_, true);
}
void RandomSampler::load(serialize::InputArchive& archive) {
  index_ = int64_t(read_number(archive, "index"));
  Tensor indices;
  archive.read("indices", indices, true);
  indices_ = indices;
}

void StreamSampler::reset(std::optional<size_t> new_size) {
  epoch_size_ = new_size.value_or(epoch_size_);
  seen_ = 0;
}
std::optional<BatchSize> StreamSampler::next(size_t batch_size) {
  if (seen_ >= epoch_size_) return std::nullopt;
  BatchSize out(std::min(batch_size, epoch_size_ - seen_));
  seen_ += out.size();
  return out;
}
void StreamSampler::save(serialize::OutputArchive& archive) const {
  write_number(archive, "examples_retrieved_so_far", seen_);
}
void StreamSampler::load(serialize::InputArchive& archive) {
  seen_ = read_number(archive, "examples_retrieved_so_far");
}

DistributedRandomSampler::DistributedRandomSampler(size_t size, size_t num_replicas, size_t rank, bool allow_duplicates)
    : DistributedSampler(size, num_replicas, rank, allow_duplicates) {
  reset(size_);
}
void DistributedRandomSampler::reset(std::optional<size_t> new_size) {
  size_ = new_size.value_or(size_);
  populate();
  // Every process draws the same order, from the epoch.
  Ref<rushlight::Generator> drawn = make_ref<rushlight::Generator>(epoch_);
  for (size_t i = all_.size(); i > 1; i--) std::swap(all_[i - 1], all_[drawn->random() % i]);
  at_ = begin_;
}
void DistributedRandomSampler::populate() {
  size_t count = local_sample_count();
  all_.resize(count * num_replicas_);  // without the last ones, or with the first again
  for (size_t i = 0; i < all_.size(); i++) all_[i] = i % size_;
  begin_ = rank_ * count;
  end_ = begin_ + count;
  at_ = begin_;
}
std::optional<std::vector<size_t>> DistributedRandomSampler::next(size_t batch_size) {
  if (at_ == end_) return std::nullopt;
  size_t last = std::min(at_ + batch_size, end_);
  std::vector<size_t> out(all_.begin() + std::ptrdiff_t(at_), all_.begin() + std::ptrdiff_t(last));
  at_ = last;
  return out;
}
void DistributedRandomSampler::save(serialize::OutputArchive& archive) const {
  write_number(archive, "sample_index_", at_);
  write_number(archive, "epoch_", epoch_);
}
void DistributedRandomSampler::load(serialize::InputArchive& archive) {
  set_epoch(read_number(archive, "epoch_"));
  reset(size_);
  at_ = read_number(archive, "sample_index_");
}

DistributedSequentialSampler::DistributedSequentialSampler(size_t size, size_t num_replicas, size_t rank,
                                                           bool allow_duplicates)
    : DistributedSampler(size, num_replicas, rank, allow_duplicates) {
  populate();
}
void DistributedSequentialSampler::populate() {
  begin_ = rank_ * local_sample_count();
  end_ = begin_ + local_sample_count();
  at_ = begin_;
}
void DistributedSequentialSampler::reset(std::optional<size_t> new_size) {
  if (new_size && *new_size != size_) {
    size_ = *new_size;
    populate();
  } else {
    at_ = begin_;
  }
}
std::optional<std::vector<size_t>> DistributedSequentialSampler::next(size_t batch_size) {
  if (at_ == end_) return std::nullopt;
  std::vector<size_t> out(std::min(batch_size, end_ - at_));
  std::iota(out.begin(), out.end(), at_);
  for (size_t& i : out) i %= size_;  // duplicates of the first
  at_ += out.size();
  return out;
}
void DistributedSequentialSampler::save(serialize::OutputArchive& archive) const {
  write_number(archive, "sample_index_", at_);
}
void DistributedSequentialSampler::load(serialize::InputArchive& archive) {
  at_ = read_number(archive, "sample_index_");
}

}  // namespace samplers

// ---- transforms, data sets -------------------------------------------------------------------------------------------

Example<> transforms::Stack<Example<>>::apply_batch(std::vector<Example<>> examples) {
  std::vector<Tensor> data, targets;
  for (auto& e : examples) {
    data.push_back(std::move(e.data));
    targets.push_back(std::move(e.target));
  }
  return {rushlight::stack(lowered(TensorList(data))), rushlight::stack(lowered(TensorList(targets)))};
}
TensorExample transforms::Stack<TensorExample>::apply_batch(std::vector<TensorExample> examples) {
  std::vector<Tensor> data;
  for (auto& e : examples) data.push_back(std::move(e.data));
  return Tensor(rushlight::stack(lowered(TensorList(data))));
}

namespace datasets {

TensorDataset::TensorDataset(const std::vector<Tensor>& tensors)
    : tensor(rushlight::stack(lowered(TensorList(tensors)))) {}

ChunkDatasetOptions::ChunkDatasetOptions(size_t preloader_count, size_t batch_size, size_t cache_size,
                                         size_t cross_chunk_shuffle_count)
    : preloader_count_(preloader_count),
      batch_size_(batch_size),
      cache_size_(cache_size),
      cross_chunk_shuffle_count_(cross_chunk_shuffle_count) {
  RL_CHECK(ValueError, preloader_count > 0, "Preloader count is 0. At least one preloader needs to be specified.");
  RL_CHECK(ValueError, batch_size > 0, "Batch size is 0. A positive batch size needs to be specified.");
  RL_CHECK(ValueError, cache_size > 0, "Cache size is 0. A positive cache size needs to be specified.");
  RL_CHECK(ValueError, cache_size >= batch_size,
           "Cache size is less than batch size. Cache needs to be large enough to hold at least one batch.");
  RL_CHECK(ValueError, cross_chunk_shuffle_count > 0, "cross_chunk_shuffle_count needs to be greater than 0.");
}

namespace {
Tensor read_part(const std::string& root, const char* name, int64_t dims) {
  std::string path = (std::filesystem::path(root) / name).string();
  io::Bytes bytes;
  try {
    bytes = io::map_file(path);
  } catch (const OsError&) {
    path += ".gz";
    bytes = io::map_file(path);
  }
  Tensor t = rushlight::data::read_idx(bytes.data, "MNIST '" + path + "'");
  RL_CHECK(FileError, t.dim() == dims && t.scalar_type() == kByte, "MNIST '", path, "': expected uint8 of ", dims,
           " dimensions, got ", t.scalar_type(), " of shape ", t.sizes());
  return t;
}
}  // namespace

MNIST::MNIST(const std::string& root, Mode mode) : LabelledImages(mode) {
  Tensor images = read_part(root, is_train() ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte", 3);
  Tensor targets = read_part(root, is_train() ? "train-labels-idx1-ubyte" : "t10k-labels-idx1-ubyte", 1);
  RL_CHECK(FileError, images.size(0) == targets.size(0), "MNIST '", root, "': ", images.size(0), " images and ",
           targets.size(0), " labels");
  images_ = images.unsqueeze(1).to(kFloat).div_(255);
  targets_ = targets.to(kLong);
}

namespace {
// The pictures and labels of CIFAR's files `names` in `root`, of the binary version where there is one of the first.
std::pair<Tensor, Tensor> read_cifar(const std::string& root, const std::vector<std::string>& names,
                                     rushlight::data::CifarKind kind, const std::string& where) {
  std::filesystem::path folder(root);
  const char* ending = std::filesystem::exists(folder / (names.front() + ".bin")) ? ".bin" : "";
  std::vector<rushlight::Tensor> images, labels;
  for (const std::string& name : names) {
    std::string path = (folder / (name + ending)).string();
    rushlight::data::Cifar part = rushlight::data::read_cifar(io::map_file(path).data, kind, where + " '" + path + "'");
    images.push_back(part.images);
    labels.push_back(part.labels);
  }
  return {Tensor(rushlight::cat(images, 0)).to(kFloat).div_(255), rushlight::cat(labels, 0)};
}
}  // namespace

CIFAR10::CIFAR10(const std::string& root, Mode mode) : LabelledImages(mode) {
  std::vector<std::string> names{"test_batch"};
  if (is_train()) names = {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"};
  std::tie(images_, targets_) = read_cifar(root, names, rushlight::data::CifarKind::Ten, "CIFAR10");
}
CIFAR100::CIFAR100(const std::string& root, Mode mode) : LabelledImages(mode) {
  std::tie(images_, targets_) =
      read_cifar(root, {is_train() ? "train" : "test"}, rushlight::data::CifarKind::Hundred, "CIFAR100");
}

ImageFolder::ImageFolder(const std::string& root) {
  auto found =
      rushlight::data::scan_folder(root, {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm"}, "ImageFolder");
  classes_ = std::move(found.classes);
  files_ = std::move(found.files);
}
Example<> ImageFolder::get(size_t index) {
  RL_CHECK(IndexError, index < files_.size(), "ImageFolder: index ", index, " is out of range for ", files_.size(),
           " pictures");
  const auto& [path, label] = files_[index];
  rushlight::data::ImageOptions rgb;
  rgb.mode = rushlight::data::ImageMode::Rgb;
  return {rushlight::data::read_image(path, rgb), rushlight::full({}, label, kLong)};
}

}  // namespace datasets
}  // namespace data
}  // namespace rl
}  // namespace torch
