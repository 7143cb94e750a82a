// Parts of the C++ front end that programs reach into: the loader's queues, the graph behind a tensor, addresses, what torch::tensor takes.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/functions/basic_ops.h>
#include <torch/csrc/utils/tensor_flatten.h>
#include <torch/detail/static.h>
#include <torch/nn/parallel/data_parallel.h>
#include <torch/torch.h>

#include <cmath>
#include <sstream>
#include <thread>

namespace {

using namespace std::chrono_literals;
namespace parts = torch::data::detail;

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) { return e.what(); }
  return "no error";
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(FrontEndPartsTest, QueuesAndShuttlesBetweenThreads) {
  parts::Queue<std::string> queue;
  std::thread later([&] { queue.push("late"); });
  EXPECT_EQ(queue.pop(), "late");
  later.join();
  EXPECT_TRUE(has(error_of([&] { queue.pop(2ms); }), "timeout was 2 ms"));
  queue.push("a");
  EXPECT_EQ(queue.clear(), 1u);

  parts::DataShuttle<int, std::string> shuttle;
  EXPECT_FALSE(shuttle.pop_result());
  for (int job : {7, 8, 9}) shuttle.push_job(job);
  std::thread worker([&] { shuttle.push_result(std::to_string(shuttle.pop_job())); });
  worker.join();
  EXPECT_EQ(shuttle.in_flight_jobs(), 3u);
  shuttle.drain();  // two that nobody began, and the one that is done
  EXPECT_EQ(shuttle.in_flight_jobs(), 0u);
}

TEST(FrontEndPartsTest, SequencersPutResultsInOrder) {
  struct Numbered { size_t sequence_number; };
  std::vector<size_t> arriving = {2, 0, 1};
  size_t at = 0;
  auto producer = [&]() -> std::optional<Numbered> {
    if (at == arriving.size()) return std::nullopt;
    return Numbered{arriving[at++]};
  };
  parts::sequencers::OrderedSequencer<Numbered> ordered(3);
  for (size_t i = 0; i < 3; i++) EXPECT_EQ(ordered.next(producer)->sequence_number, i);
  EXPECT_FALSE(ordered.next(producer));
  at = 0;
  parts::sequencers::NoSequencer<Numbered> as_they_come;
  EXPECT_EQ(as_they_come.next(producer)->sequence_number, 2u);
}

TEST(FrontEndPartsTest, ALoaderWithoutJobsIsRefused) {
  auto set = [] { return torch::data::datasets::TensorDataset(torch::arange(4)); };
  auto options = torch::data::DataLoaderOptions(1).workers(1).max_jobs(0);
  EXPECT_TRUE(has(error_of([&] { torch::data::make_data_loader(set(), options); }), "expected max_jobs > 0"));
}

TEST(FrontEndPartsTest, BatchesOfNothingAndPartsOfNoneAreRefused) {
  namespace data = torch::data;
  auto set = [] { return data::datasets::TensorDataset(torch::arange(4)); };
  EXPECT_TRUE(has(error_of([&] { data::make_data_loader(set(), 0); }), "expected batch_size > 0, got 0"));
  EXPECT_TRUE(has(error_of([] { data::samplers::DistributedRandomSampler(10, 0, 0); }), "num_replicas=0"));
  EXPECT_TRUE(has(error_of([] { data::samplers::DistributedSequentialSampler(10, 2, 2); }), "rank=2"));
}

TEST(FrontEndPartsTest, WhatTensorTakesSaysWhatItIs) {
  using torch::detail::TensorDataContainer;
  auto text = [](const TensorDataContainer& data) {
    std::ostringstream out;
    out << data;
    return out.str();
  };
  EXPECT_EQ(text({{1.5, 2.5}, {3.0, 4.0}}), "{{1.5, 2.5}, {3, 4}}");
  EXPECT_EQ(text(std::vector<int>{1, 2}), "{1, 2}");
  TensorDataContainer number(7), list({1, 2});
  EXPECT_EQ(number.scalar().toInt(), 7);
  EXPECT_EQ(list.init_list().size(), 2u);
  EXPECT_TRUE(TensorDataContainer(std::vector<float>{1}).is_tensor());
  EXPECT_TRUE(has(error_of([&] { list.scalar(); }), "is_scalar() == true"));
  EXPECT_TRUE(has(error_of([&] { number.init_list(); }), "is_init_list() == true"));
  EXPECT_TRUE(has(error_of([&] { number.tensor(); }), "is_tensor() == true"));
}

TEST(FrontEndPartsTest, EdgesLeadThroughTheGraph) {
  torch::Tensor x = torch::ones({2}, torch::requires_grad());
  torch::Tensor y = (x * x).sum();
  auto edges = y.grad_fn()->next_edges();
  ASSERT_EQ(edges.size(), 1u);
  ASSERT_TRUE(edges[0].is_valid());
  EXPECT_TRUE(has(edges[0].function->name(), "Mul"));
  EXPECT_EQ(edges[0].function->next_edges().size(), 2u);
}

TEST(FrontEndPartsTest, UndefinedAndDelayedGradients) {
  torch::Tensor x = torch::ones({2}, torch::requires_grad());
  torch::Tensor y = torch::autograd::UndefinedGrad().apply({x * 2})[0];
  EXPECT_EQ(y.sum().item<float>(), 4);
  y.sum().backward();
  EXPECT_TRUE(!x.grad().defined() || x.grad().sum().item<float>() == 0);
  torch::Tensor z = torch::autograd::DelayedError("not twice", 1).apply({x})[0];
  EXPECT_TRUE(has(error_of([&] { z.sum().backward(); }), "not twice"));
}

TEST(FrontEndPartsTest, TensorsInARowAndBack) {
  std::vector<torch::Tensor> tensors = {torch::arange(4).view({2, 2}).t(), torch::empty({0}, torch::kLong),
                                        torch::arange(3)};
  torch::Tensor flat = torch::utils::flatten_dense_tensors(tensors);
  EXPECT_TRUE(torch::equal(flat, torch::tensor({0, 2, 1, 3, 0, 1, 2})));
  auto back = torch::utils::unflatten_dense_tensors(flat, tensors);
  EXPECT_TRUE(torch::equal(back[0], tensors[0]));
  EXPECT_EQ(back[1].data_ptr(), nullptr);
  EXPECT_TRUE(back[2].is_alias_of(flat));
}

struct Counts : torch::nn::Module {
  int forward(const torch::Tensor& t) { return int(t.numel()); }
};
static_assert(torch::detail::is_module<Counts>::value && !torch::detail::is_module<int>::value);
static_assert(std::is_same_v<torch::detail::return_type_of_forward_t<Counts, torch::Tensor>, int>);
static_assert(std::is_same_v<torch::detail::return_type_of_forward_t<torch::nn::Module>, void>);
static_assert(torch::all_of<true, true>::value && !torch::any_of<false>::value);
static_assert(!torch::detail::check_not_lvalue_references<int, float&>());

// Who has an address to write to must not reach other tensors that share the bytes until one is written.
TEST(FrontEndPartsTest, AddressesToWriteToAreOfOneTensorOnly) {
  torch::Tensor x = torch::zeros({3});
  torch::Tensor frozen = x._lazy_clone();
  EXPECT_EQ(x.const_data_ptr<float>(), frozen.const_data_ptr<float>());
  x.data_ptr<float>()[0] = 1;
  x.accessor<float, 1>()[1] = 1;
  static_cast<float*>(x.mutable_data_ptr())[2] = 1;
  EXPECT_EQ(x.sum().item<float>(), 3);
  EXPECT_EQ(frozen.sum().item<float>(), 0);

  torch::Tensor y = torch::zeros({3}), kept = y._lazy_clone();
  static_cast<float*>(y.storage().mutable_data())[0] = 1;
  EXPECT_EQ(kept.sum().item<float>(), 0);
}

TEST(FrontEndPartsTest, BorrowedMemoryHasNoContext) {
  float numbers[2] = {1, 2};
  EXPECT_EQ(torch::from_blob(numbers, {2}).storage().data_ptr().get_context(), nullptr);
  EXPECT_NE(torch::ones({2}).storage().data_ptr().get_context(), nullptr);
}

TEST(FrontEndPartsTest, SmallPicklesInMemory) {
  std::vector<torch::Tensor> table;
  auto bytes = torch::jit::pickle(torch::IValue(2.25), &table);
  EXPECT_EQ(torch::jit::unpickle(bytes.data(), bytes.size()).toDouble(), 2.25);
}

TEST(FrontEndPartsTest, WhatIsWrittenToIsReturnedItself) {
  torch::Tensor x = torch::tensor({-1.0, 2.0}), out = torch::empty({2});
  torch::Tensor& sum = torch::add_out(out, x, x);
  EXPECT_EQ(&sum, &out);
  EXPECT_EQ(out[1].item<float>(), 4);
  EXPECT_EQ(&torch::relu_(x), &x);
  torch::Tensor inverse = torch::empty({2, 2});
  EXPECT_EQ(&torch::linalg::inv_out(inverse, torch::eye(2)), &inverse);
}

TEST(FrontEndPartsTest, IndicesInAListAsOperatorsTakeThem) {
  torch::Tensor x = torch::arange(6).view({2, 3});
  c10::List<std::optional<torch::Tensor>> indices;
  indices.push_back(std::nullopt);
  indices.push_back(torch::tensor({2, 0}));
  EXPECT_TRUE(torch::equal(at::index(x, indices), torch::tensor({{2, 0}, {5, 3}})));
  at::index_put_(x, indices, torch::tensor(9));
  EXPECT_TRUE(torch::equal(x, torch::tensor({{9, 1, 9}, {9, 4, 9}})));
}

TEST(FrontEndPartsTest, DispatchWithManyFurtherTypes) {
  auto size = [](torch::ScalarType t) {
    return AT_DISPATCH_SWITCH(t, "size", AT_DISPATCH_CASE_FLOATING_TYPES_AND3(at::kHalf, at::kBFloat16, at::kBool, [&] {
                                return sizeof(scalar_t);
                              }));
  };
  EXPECT_EQ(size(at::kBFloat16), 2u);
  EXPECT_EQ(size(at::kBool), 1u);
  EXPECT_EQ(size(at::kDouble), 8u);
  EXPECT_TRUE(has(error_of([&] { size(at::kLong); }), "size"));
  size_t n = 0;
  AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND1(at::kHalf, at::kComplexFloat, "n", [&] { n = sizeof(scalar_t); });
  EXPECT_EQ(n, 8u);
  AT_DISPATCH_REDUCED_FLOATING_TYPES(at::kHalf, "half", [&] {
    static_assert(std::is_same_v<at::opmath_type<scalar_t>, float>);
    n = 1;
  });
  EXPECT_EQ(n, 1u);
}

TEST(FrontEndPartsTest, SeveralValuesFromAStack) {
  std::vector<torch::IValue> stack;
  torch::jit::push(stack, "kept", 3, 2.5);
  int64_t whole;
  double half;
  torch::jit::pop(stack, whole, half);
  EXPECT_EQ(whole, 3);
  EXPECT_EQ(half, 2.5);
  EXPECT_EQ(stack.size(), 1u);
  EXPECT_TRUE(has(error_of([&] { torch::jit::pop(stack, whole, half); }), "expected at least 2 values"));
  EXPECT_TRUE(has(error_of([&] { torch::jit::drop(stack, 2); }), "expected at least 2 values"));
}

TEST(FrontEndPartsTest, ClassesHaveQualifiedNames) {
  torch::jit::Module m("Net");
  EXPECT_EQ(m.type()->name()->name(), "Net");
  EXPECT_TRUE(has(m.type()->name()->qualifiedName(), "Net"));
  EXPECT_FALSE(torch::IValue(3).type()->name());
}

// A part of the batch for each device, here twice the same one; the gradients are those of the module alone.
TEST(FrontEndPartsTest, DataParallelEqualsTheModuleAlone) {
  torch::nn::Linear net(3, 2);
  torch::Tensor x = torch::randn({5, 3});
  std::vector<torch::Device> devices(2, torch::kCPU);
  torch::Tensor apart = torch::nn::parallel::data_parallel(net, x, devices);
  apart.pow(2).sum().backward();
  torch::Tensor gradient = net->weight.grad().clone();
  net->zero_grad();
  torch::Tensor whole = net(x);
  whole.pow(2).sum().backward();
  EXPECT_TRUE(torch::allclose(apart, whole));
  EXPECT_TRUE(torch::allclose(gradient, net->weight.grad()));

  struct Fails : torch::nn::Cloneable<Fails> {
    void reset() override {}
    torch::Tensor forward(torch::Tensor) { throw std::runtime_error("of a thread"); }
  };
  auto fails = std::make_shared<Fails>();
  EXPECT_EQ(error_of([&] { torch::nn::parallel::data_parallel(fails, x, devices); }), "of a thread");
}

TEST(FrontEndPartsTest, TensorsAsText) {
  auto text = [](const torch::Tensor& t, int width = 80) {
    std::ostringstream out;
    torch::print(out, t, width);
    return out.str();
  };
  EXPECT_EQ(text(torch::tensor(2.5)), "2.5\n[ CPUFloatType{} ]");
  EXPECT_EQ(text(torch::tensor(0.1, torch::kDouble)), "0.1\n[ CPUDoubleType{} ]");
  EXPECT_EQ(text(torch::tensor({1, -5, 10})), "  1\n -5\n 10\n[ CPULongType{3} ]");
  EXPECT_EQ(text(torch::tensor({{1, 2}, {3, 4}})), " 1  2\n 3  4\n[ CPULongType{2,2} ]");
  EXPECT_EQ(text(torch::tensor({{0.5, 2.0}})), " 0.5000  2.0000\n[ CPUFloatType{1,2} ]");
  EXPECT_EQ(text(torch::tensor({1e7, 0.5})), " 1.0000e+07\n 5.0000e-01\n[ CPUFloatType{2} ]");
  EXPECT_EQ(text(torch::tensor({0.001, 0.0025})), "0.001 *\n 1.0000\n 2.5000\n[ CPUFloatType{2} ]");
  EXPECT_EQ(text(torch::arange(4).view({2, 1, 2})), "(1,.,.) = \n 0  1\n\n(2,.,.) = \n 2  3\n[ CPULongType{2,1,2} ]");
  EXPECT_EQ(text(torch::ones({1, 3}), 6), "Columns 1 to 2 1  1\n\nColumns 3 to 3 1\n[ CPUFloatType{1,3} ]");
  EXPECT_EQ(text(torch::empty({2, 0})), "[ CPUFloatType{2,0} ]");
  EXPECT_EQ(text(torch::Tensor()), "[ Tensor (undefined) ]");
}

TEST(FrontEndPartsTest, ANumberGivenToVarAndStdIsADimension) {
  torch::Tensor x = torch::tensor({{1.0, 2.0}, {3.0, 6.0}});
  EXPECT_TRUE(torch::allclose(x.var(0), torch::tensor({2.0, 8.0})));
  EXPECT_TRUE(torch::allclose(x.std(1).pow(2), torch::tensor({0.5, 4.5})));
  EXPECT_EQ(torch::var(x, 1).dim(), 1);
  EXPECT_EQ(std::get<0>(torch::var_mean(x, 0)).dim(), 1);
  EXPECT_EQ(x.var(false).dim(), 0);
}

// Chunks of 5 examples, read slowly, in batches of 7.
struct SlowReader : torch::data::datasets::ChunkDataReader<int> {
  std::vector<int> read_chunk(size_t chunk) override {
    std::this_thread::sleep_for(5ms);
    return std::vector<int>(5, int(chunk));
  }
  size_t chunk_count() override { return 4; }
  void reset() override {}
};
TEST(FrontEndPartsTest, ChunksThatComeLateFillABatchFirst) {
  using torch::data::samplers::SequentialSampler;
  torch::data::datasets::ChunkDataset<SlowReader, SequentialSampler, SequentialSampler> set(
      SlowReader(), SequentialSampler(0), SequentialSampler(0), {1, 7, 14});
  set.reset();
  std::vector<size_t> sizes;
  while (auto batch = set.get_batch(7)) sizes.push_back(batch->size());
  EXPECT_EQ(sizes, (std::vector<size_t>{7, 7, 6}));
}

TEST(FrontEndPartsTest, BinaryCrossEntropyOfAColumnAndARow) {
  torch::Tensor x = torch::tensor({{0.25}, {0.5}}, torch::requires_grad()), target = torch::tensor({1.0, 0.0});
  torch::Tensor loss = torch::binary_cross_entropy(x, target);
  EXPECT_NEAR(loss.item<double>(), (std::log(4.0) + std::log(2.0)) / 2, 1e-6);
  loss.backward();
  EXPECT_TRUE(torch::allclose(x.grad(), torch::tensor({{-2.0}, {1.0}})));
  EXPECT_TRUE(has(error_of([&] { torch::binary_cross_entropy(x, torch::ones({3})); }), "binary_cross_entropy"));
}

TEST(FrontEndPartsTest, AttentionIsShownUnderItsHoldersName) {
  std::ostringstream out;
  out << torch::nn::MultiheadAttention(4, 2);
  EXPECT_EQ(out.str().substr(0, 30), "torch::nn::MultiheadAttention(");
}

}  // namespace
