// torch::data::make_data_loader: batches of a data set, made by worker threads, and data sets that are read in chunks.
#pragma once
#include <exception>
#include <thread>

#include "rushlight/data/datasets.h"
#include "rushlight/data/shuttle.h"

namespace torch {
inline namespace rl {
namespace data {

struct DataLoaderOptions {
  DataLoaderOptions() = default;
  DataLoaderOptions(size_t batch_size) : batch_size_(batch_size) {}
  TORCH_ARG(size_t, batch_size) = 1;
  TORCH_ARG(size_t, workers) = 0;              // threads; 0: batches are made where they are asked for
  TORCH_ARG(std::optional<size_t>, max_jobs);  // batches ahead; 2 * workers by default
  TORCH_ARG(std::optional<std::chrono::milliseconds>, timeout);
  TORCH_ARG(bool, enforce_ordering) = true;
  TORCH_ARG(bool, drop_last) = false;
};
struct FullDataLoaderOptions {
  explicit FullDataLoaderOptions(const DataLoaderOptions& o)
      : batch_size(o.batch_size()),
        workers(o.workers()),
        max_jobs(o.max_jobs().value_or(2 * workers)),
        timeout(o.timeout()),
        enforce_ordering(o.enforce_ordering()),
        drop_last(o.drop_last()) {}
  size_t batch_size, workers, max_jobs;
  std::optional<std::chrono::milliseconds> timeout;
  bool enforce_ordering, drop_last;
};

// What a worker thread threw, thrown where the batch is asked for.
struct WorkerException : std::exception {
  explicit WorkerException(std::exception_ptr original);
  const char* what() const noexcept override { return message.c_str(); }
  std::exception_ptr original_exception;
  std::string message;
};

namespace detail {
[[noreturn]] void fail_iterator(const char* what);
}  // namespace detail

// One pass over a loader's batches; copies share it.
template <class Batch>
class Iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = Batch;
  using pointer = Batch*;
  using reference = Batch&;
  using iterator_category = std::input_iterator_tag;
  using Producer = std::function<std::optional<Batch>()>;
  Iterator() = default;  // past the end
  explicit Iterator(Producer next) : pass_(std::make_shared<Pass>(Pass{std::move(next), {}, false})) {}
  Iterator& operator++() {
    if (!pass_) detail::fail_iterator("Incrementing the DataLoader's past-the-end iterator is not allowed");
    start();
    if (!pass_->batch) detail::fail_iterator("Attempted to increment iterator past the end");
    pass_->batch = pass_->next();
    return *this;
  }
  Batch& operator*() { return get(); }
  Batch* operator->() { return &get(); }
  bool operator==(const Iterator& o) const { return pass_ == o.pass_ || (at_end() && o.at_end()); }
  bool operator!=(const Iterator& o) const { return !(*this == o); }

 private:
  struct Pass {
    Producer next;
    std::optional<Batch> batch;
    bool started;
  };
  void start() const {
    if (!pass_->started) {
      pass_->started = true;
      pass_->batch = pass_->next();
    }
  }
  bool at_end() const {
    if (!pass_) return true;
    start();
    return !pass_->batch;
  }
  Batch& get() {
    if (!pass_) detail::fail_iterator("Dereferencing the DataLoader's past-the-end iterator is not allowed");
    start();
    if (!pass_->batch) detail::fail_iterator("Attempted to dereference iterator that was past the end");
    return *pass_->batch;
  }
  std::shared_ptr<Pass> pass_;
};

template <class Dataset, class Batch, class BatchRequest>
class DataLoaderBase {
 public:
  using BatchType = Batch;
  using BatchRequestType = BatchRequest;
  explicit DataLoaderBase(DataLoaderOptions options, std::unique_ptr<Dataset> main_thread_dataset = nullptr)
      : options_(options), main_thread_dataset_(std::move(main_thread_dataset)) {
    if (options_.workers > 0 && options_.max_jobs == 0)
      detail::fail_iterator(
          "DataLoader: expected max_jobs > 0 for a loader with workers, got 0; leave it out for 2 * workers");
    if (options_.batch_size == 0) detail::fail_iterator("DataLoader: expected batch_size > 0, got 0");
  }
  DataLoaderBase(const DataLoaderBase&) = delete;
  DataLoaderBase& operator=(const DataLoaderBase&) = delete;
  virtual ~DataLoaderBase() { join(); }

  // Throws RuntimeError while another iterator is not at its end.
  Iterator<Batch> begin() {
    if (shuttle_.in_flight_jobs() != 0)
      detail::fail_iterator("Attempted to get a new DataLoader iterator while another iterator is not yet exhausted");
    reset();
    return Iterator<Batch>([this] { return next(); });
  }
  Iterator<Batch> end() { return {}; }
  // Ends the workers.
  void join() {
    if (joined_) return;
    joined_ = true;
    shuttle_.drain();
    for (size_t i = 0; i < workers_.size(); i++) shuttle_.push_job({});
    for (std::thread& t : workers_) t.join();
  }
  const FullDataLoaderOptions& options() const noexcept { return options_; }

 protected:
  virtual std::optional<BatchRequest> get_batch_request() = 0;
  virtual void reset() {
    shuttle_.drain();
    asked_ = 0;
    if (options_.enforce_ordering)
      sequencer_ = std::make_unique<detail::sequencers::OrderedSequencer<Result>>(options_.max_jobs);
    else sequencer_ = std::make_unique<detail::sequencers::NoSequencer<Result>>();
    prefetch(options_.max_jobs);
  }
  void worker_thread(Dataset& dataset) {
    for (;;) {
      Job job = shuttle_.pop_job();
      if (!job.request) return;
      Result result;
      result.sequence_number = job.sequence_number;
      try {
        result.batch = dataset.get_batch(std::move(*job.request));
      } catch (...) { result.exception = std::current_exception(); }
      shuttle_.push_result(std::move(result));
    }
  }
  const FullDataLoaderOptions options_;
  std::unique_ptr<Dataset> main_thread_dataset_;
  std::vector<std::thread> workers_;

 private:
  struct Job {
    size_t sequence_number = 0;
    std::optional<BatchRequest> request;  // nothing: the worker ends
  };
  struct Result {
    size_t sequence_number = 0;
    std::optional<Batch> batch;
    std::exception_ptr exception;
  };
  void prefetch(size_t jobs) {
    for (; jobs > 0; jobs--) {
      auto request = get_batch_request();
      if (!request) return;
      shuttle_.push_job({asked_++, std::move(request)});
    }
  }
  std::optional<Batch> next() {
    if (options_.workers == 0) {
      auto request = get_batch_request();
      if (!request) return std::nullopt;
      return main_thread_dataset_->get_batch(std::move(*request));
    }
    while (auto result = sequencer_->next([this] { return shuttle_.pop_result(options_.timeout); })) {
      if (result->exception) throw WorkerException(result->exception);
      if (!result->batch) continue;  // a stateful data set's end; those asked for besides are waited for
      prefetch(1);
      return std::move(result->batch);
    }
    return std::nullopt;
  }

  detail::DataShuttle<Job, Result> shuttle_;
  std::unique_ptr<detail::sequencers::Sequencer<Result>> sequencer_;
  size_t asked_ = 0;
  bool joined_ = false;
};

// Each worker has a copy of the data set; a sampler says what is in a batch.
template <class Dataset, class Sampler>
class StatelessDataLoader
    : public DataLoaderBase<Dataset, typename Dataset::BatchType, typename Sampler::BatchRequestType> {
 public:
  using Base = DataLoaderBase<Dataset, typename Dataset::BatchType, typename Sampler::BatchRequestType>;
  StatelessDataLoader(Dataset dataset, Sampler sampler, DataLoaderOptions options)
      : Base(options), sampler_(std::move(sampler)) {
    for (size_t i = 0; i < this->options_.workers; i++)
      this->workers_.emplace_back([this, dataset]() mutable { this->worker_thread(dataset); });
    if (this->options_.workers == 0) this->main_thread_dataset_ = std::make_unique<Dataset>(std::move(dataset));
  }
  ~StatelessDataLoader() override { this->join(); }

 private:
  void reset() override {
    sampler_.reset();
    Base::reset();
  }
  std::optional<typename Sampler::BatchRequestType> get_batch_request() override {
    auto indices = sampler_.next(this->options_.batch_size);
    if (!indices || (indices->size() < this->options_.batch_size && this->options_.drop_last)) return std::nullopt;
    return indices;
  }
  Sampler sampler_;
};
template <class Dataset>
class StatefulDataLoader
    : public DataLoaderBase<Dataset, typename Dataset::BatchType::value_type, typename Dataset::BatchRequestType> {
 public:
  using Base = DataLoaderBase<Dataset, typename Dataset::BatchType::value_type, typename Dataset::BatchRequestType>;
  StatefulDataLoader(Dataset dataset, DataLoaderOptions options)
      : Base(options, std::make_unique<Dataset>(std::move(dataset))) {
    for (size_t i = 0; i < this->options_.workers; i++)
      this->workers_.emplace_back([this] { this->worker_thread(*this->main_thread_dataset_); });
  }
  ~StatefulDataLoader() override { this->join(); }

 private:
  void reset() override {
    this->main_thread_dataset_->reset();
    Base::reset();
  }
  std::optional<typename Dataset::BatchRequestType> get_batch_request() override { return this->options_.batch_size; }
};

template <class Dataset, class Sampler>
std::enable_if_t<!Dataset::is_stateful, std::unique_ptr<StatelessDataLoader<Dataset, Sampler>>> make_data_loader(
    Dataset dataset, Sampler sampler, DataLoaderOptions options) {
  return std::make_unique<StatelessDataLoader<Dataset, Sampler>>(std::move(dataset), std::move(sampler), options);
}
// In random order, unless a sampler's class is given. Throws RuntimeError for a data set of unknown size.
template <class Sampler = samplers::RandomSampler, class Dataset>
std::enable_if_t<!Dataset::is_stateful && std::is_constructible_v<Sampler, size_t>,
                 std::unique_ptr<StatelessDataLoader<Dataset, Sampler>>>
make_data_loader(Dataset dataset, DataLoaderOptions options = {}) {
  auto size = dataset.size();
  if (!size) detail::fail_iterator("Expected the dataset to be sized in order to construct the Sampler");
  return data::make_data_loader(std::move(dataset), Sampler(*size), options);
}
template <class Dataset, class = std::enable_if_t<Dataset::is_stateful>>
std::unique_ptr<StatefulDataLoader<Dataset>> make_data_loader(Dataset dataset, DataLoaderOptions options = {}) {
  return std::make_unique<StatefulDataLoader<Dataset>>(std::move(dataset), options);
}

// ---- chunks ----------------------------------------------------------------------------------------------------------

namespace datasets {

// Reads a chunk of examples, such as a file of them.
template <class ExampleType_, class ChunkType_ = std::vector<ExampleType_>>
class ChunkDataReader {
 public:
  using ChunkType = ChunkType_;
  using ExampleType = ExampleType_;
  virtual ~ChunkDataReader() = default;
  virtual ChunkType read_chunk(size_t chunk_index) = 0;
  virtual size_t chunk_count() = 0;
  virtual void reset() = 0;
};

struct ChunkDatasetOptions {
  ChunkDatasetOptions(size_t preloader_count, size_t batch_size, size_t cache_size = 2048,
                      size_t cross_chunk_shuffle_count = 1);
  TORCH_ARG(size_t, preloader_count);  // threads that read
  TORCH_ARG(size_t, batch_size);
  TORCH_ARG(size_t, cache_size) = 2048;              // examples ahead
  TORCH_ARG(size_t, cross_chunk_shuffle_count) = 1;  // chunks that are shuffled together
};

template <class ChunkReader, class ChunkSampler = samplers::RandomSampler,
          class ExampleSampler = samplers::RandomSampler>
class ChunkDataset final : public StatefulDataset<ChunkDataset<ChunkReader, ChunkSampler, ExampleSampler>,
                                                  typename ChunkReader::ChunkType, size_t> {
 public:
  using UnwrappedBatchType = typename ChunkReader::ChunkType;
  using BatchType = std::optional<UnwrappedBatchType>;
  using BatchRequestType = size_t;
  using ChunkSamplerType = ChunkSampler;
  using ExampleSamplerType = ExampleSampler;

  ChunkDataset(ChunkReader reader, ChunkSampler chunk_sampler, ExampleSampler example_sampler,
               ChunkDatasetOptions options, std::function<void(UnwrappedBatchType&)> preprocess = nullptr)
      : reader_(std::move(reader)),
        chunk_sampler_(std::move(chunk_sampler)),
        example_sampler_(std::move(example_sampler)),
        options_(options),
        preprocess_(std::move(preprocess)) {}
  ~ChunkDataset() override { stop(); }

  // Throws RuntimeError before the first reset(), and for another size than the options'; WorkerException for what a reader threw.
  BatchType get_batch(size_t batch_size) override {
    if (!started_) data::detail::fail_iterator("Dataset needs to call reset() before calling get_batch().");
    TORCH_CHECK(
        batch_size == options_.batch_size(),
        "The requested batch size does not match with the initialized batch size.\n The requested batch size is ",
        batch_size, ", while the dataset is created with batch size equal to ", options_.batch_size());
    std::unique_lock lock(mutex_);
    // A batch that is not full waits for the next chunk, which fills it.
    has_data_.wait(lock, [&] {
      return running_ == 0 || ready_.size() > 1 ||
             (!ready_.empty() && (ready_[0].exception || ready_[0].batch.size() >= batch_size));
    });
    if (ready_.empty()) return std::nullopt;
    Ready next = std::move(ready_.front());
    ready_.pop_front();
    cached_ -= next.batch.size();
    has_room_.notify_all();
    lock.unlock();
    if (next.exception) throw WorkerException(next.exception);
    return std::move(next.batch);
  }
  BatchType get_batch() { return get_batch(options_.batch_size()); }
  // Begins an epoch: the threads read chunks until there are no more.
  void reset() override {
    stop();
    if (!loaded_) {
      reader_.reset();
      chunk_sampler_.reset(reader_.chunk_count());
    }
    loaded_ = false;
    ready_.clear();
    cached_ = 0;
    quit_ = false;
    started_ = true;
    running_ = options_.preloader_count();
    for (size_t i = 0; i < options_.preloader_count(); i++) threads_.emplace_back([this] { read_chunks(); });
  }
  std::optional<size_t> size() const override { return std::nullopt; }
  ChunkSamplerType& chunk_sampler() { return chunk_sampler_; }
  void save(serialize::OutputArchive& archive) const override {
    std::lock_guard lock(chunk_mutex_);
    chunk_sampler_.save(archive);
  }
  void load(serialize::InputArchive& archive) override {
    std::lock_guard lock(chunk_mutex_);
    chunk_sampler_.load(archive);
    loaded_ = true;
  }

 private:
  struct Ready {
    UnwrappedBatchType batch;
    std::exception_ptr exception;
  };
  void stop() {
    {
      std::lock_guard lock(mutex_);
      quit_ = true;
    }
    has_room_.notify_all();
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }
  void read_chunks() {
    while (!quitting()) {
      try {
        std::vector<size_t> chunks;
        {
          std::lock_guard lock(chunk_mutex_);
          if (auto next = chunk_sampler_.next(options_.cross_chunk_shuffle_count())) chunks = *next;
        }
        if (chunks.empty()) break;
        UnwrappedBatchType data = reader_.read_chunk(chunks[0]);
        for (size_t i = 1; i < chunks.size(); i++) {
          UnwrappedBatchType more = reader_.read_chunk(chunks[i]);
          std::move(more.begin(), more.end(), std::back_inserter(data));
        }
        if (preprocess_) preprocess_(data);
        if (!data.empty()) add(std::move(data));
      } catch (...) {
        std::lock_guard lock(mutex_);
        ready_.push_back({{}, std::current_exception()});
        has_data_.notify_all();
      }
    }
    std::lock_guard lock(mutex_);
    running_--;
    has_data_.notify_all();
  }
  bool quitting() {
    std::lock_guard lock(mutex_);
    return quit_;
  }
  // Cuts a chunk into batches, in the sampler's order; a batch that is not full is filled first.
  void add(UnwrappedBatchType data) {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [&] { return quit_ || cached_ < options_.cache_size(); });
    if (quit_) return;
    size_t left = data.size();
    example_sampler_.reset(left);
    auto take = [&](UnwrappedBatchType& into, size_t n) {
      auto picked = example_sampler_.next(n);
      if (!picked || picked->empty()) data::detail::fail_iterator("the sampler of examples ended before the chunk");
      for (size_t i : *picked) into.push_back(std::move(data.at(i)));
      left -= std::min(left, picked->size());
      cached_ += picked->size();
    };
    if (!ready_.empty() && !ready_.back().exception && ready_.back().batch.size() < options_.batch_size())
      take(ready_.back().batch, std::min(left, options_.batch_size() - ready_.back().batch.size()));
    while (left > 0) {
      ready_.emplace_back();
      take(ready_.back().batch, std::min(left, options_.batch_size()));
    }
    has_data_.notify_all();
  }

  ChunkReader reader_;
  ChunkSampler chunk_sampler_;
  ExampleSampler example_sampler_;
  ChunkDatasetOptions options_;
  std::function<void(UnwrappedBatchType&)> preprocess_;
  std::vector<std::thread> threads_;
  mutable std::mutex chunk_mutex_;
  std::mutex mutex_;
  std::condition_variable has_data_, has_room_;
  std::deque<Ready> ready_;
  size_t cached_ = 0, running_ = 0;
  bool quit_ = true, started_ = false, loaded_ = false;
};

}  // namespace datasets
using datasets::BatchDataset;
using datasets::Dataset;

}  // namespace data
}  // namespace rl
}  // namespace torch
