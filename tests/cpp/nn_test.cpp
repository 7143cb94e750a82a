#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>
#include <thread>

// A program's own part of torch::nn, which sees what is in it without a prefix.
namespace torch {
namespace nn {
struct TwiceImpl : Cloneable<TwiceImpl> {
  void reset() override {}
  Tensor forward(const Tensor& x) { return functional::relu(x) * 2; }
};
TORCH_MODULE(Twice);
}  // namespace nn
}  // namespace torch

namespace {

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const c10::Error& e) { return e.what(); }
  return "no error";
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct NetImpl : torch::nn::Cloneable<NetImpl> {
  explicit NetImpl(int64_t width = 4) : width(width) { reset(); }
  void reset() override {
    fc1 = register_module("fc1", torch::nn::Linear(3, width));
    norm = register_module("norm", torch::nn::BatchNorm1d(width));
    fc2 = register_module("fc2", torch::nn::Linear(torch::nn::LinearOptions(width, 2).bias(false)));
    scale = register_parameter("scale", torch::ones({2}));
  }
  torch::Tensor forward(torch::Tensor x) { return fc2(torch::relu(norm(fc1(x)))) * scale; }
  int64_t width;
  torch::nn::Linear fc1 = nullptr, fc2 = nullptr;
  torch::nn::BatchNorm1d norm = nullptr;
  torch::Tensor scale;
};
TORCH_MODULE(Net);

std::vector<std::string> keys(const torch::OrderedDict<std::string, torch::Tensor>& d) { return d.keys(); }

}  // namespace

TEST(ModuleTest, ProgramsAddToTheNamespace) {
  torch::nn::Sequential both(torch::nn::Linear(2, 2), torch::nn::Twice());
  EXPECT_EQ(both->forward(torch::ones({1, 2})).size(1), 2);
  EXPECT_EQ(torch::nn::Twice()->name(), "torch::nn::TwiceImpl");
}

TEST(ModuleTest, NamesItsContentsInOrder) {
  Net net;
  EXPECT_EQ(keys(net->named_parameters()),
            (std::vector<std::string>{"scale", "fc1.weight", "fc1.bias", "norm.weight", "norm.bias", "fc2.weight"}));
  EXPECT_EQ(keys(net->named_buffers()),
            (std::vector<std::string>{"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}));
  EXPECT_EQ(net->children().size(), 3u);
  EXPECT_EQ(net->modules().size(), 4u);
  std::ostringstream text;
  text << *net->fc1;
  EXPECT_EQ(text.str(), "torch::nn::Linear(in_features=3, out_features=4, bias=true)");
}

TEST(ModuleTest, NamesAreUsedOnce) {
  Net net;
  EXPECT_TRUE(
      has(error_of([&] { net->register_parameter("scale", torch::ones({1})); }), "Parameter 'scale' already defined"));
  EXPECT_TRUE(
      has(error_of([&] { net->register_module("fc1", torch::nn::ReLU()); }), "Submodule 'fc1' already defined"));
  EXPECT_TRUE(has(error_of([&] { net->register_buffer("a.b", torch::ones({1})); }), "must not contain a dot"));
  EXPECT_TRUE(has(error_of([&] { net->register_module("", torch::nn::ReLU()); }), "must not be empty"));
  EXPECT_TRUE(has(error_of([&] { net->register_module("none", std::shared_ptr<NetImpl>()); }), "null"));
}

TEST(ModuleTest, CloneHasTensorsOfItsOwnAndDrawsNothing) {
  Net net;
  net->eval();
  torch::manual_seed(3);
  torch::Tensor expected = torch::rand({2});
  torch::manual_seed(3);
  auto copy = std::dynamic_pointer_cast<NetImpl>(net->clone());
  EXPECT_TRUE(torch::equal(torch::rand({2}), expected));
  torch::Tensor x = torch::randn({5, 3});
  EXPECT_TRUE(torch::equal(net->forward(x), copy->forward(x)));
  EXPECT_FALSE(copy->is_training());
  {
    torch::NoGradGuard no_grad;
    copy->fc1->weight.zero_();
  }
  EXPECT_GT(net->fc1->weight.abs().sum().item<float>(), 0);
}

TEST(ModuleTest, TypesChangeInPlace) {
  Net net;
  torch::Tensor weight = net->fc1->weight;
  net->to(torch::kFloat64);
  EXPECT_EQ(weight.dtype(), torch::kFloat64);
  EXPECT_EQ(net(torch::ones({2, 3}, torch::kFloat64)).dtype(), torch::kFloat64);
}

TEST(ModuleTest, GradientsAreForgotten) {
  Net net;
  net(torch::randn({4, 3})).sum().backward();
  EXPECT_TRUE(net->fc1->weight.grad().defined());
  net->zero_grad();
  EXPECT_FALSE(net->fc1->weight.grad().defined());
}

TEST(ModuleTest, ArchivesHoldAllOfIt) {
  Net net, other;
  net(torch::randn({8, 3}));
  std::stringstream file;
  torch::save(net, file);
  torch::load(other, file);
  net->eval();
  other->eval();
  torch::Tensor x = torch::randn({2, 3});
  EXPECT_TRUE(torch::equal(net(x), other(x)));
}

TEST(ModuleTest, AnArchiveOfAnotherModelNamesEachDifference) {
  struct OtherImpl : torch::nn::Module {
    OtherImpl() {
      register_module("fc1", torch::nn::Linear(3, 5));
      register_parameter("extra", torch::ones({1}));
      register_module("fc2", torch::nn::Linear(torch::nn::LinearOptions(4, 2).bias(false)));
    }
  };
  auto other = std::make_shared<OtherImpl>();
  std::stringstream file;
  torch::save(other, file);
  Net net;
  torch::Tensor before = net->fc2->weight.clone();
  std::string error = error_of([&] { torch::load(net, file); });
  for (const char* part : {"'scale'", "'norm.weight'", "'norm.running_var'", "unexpected tensor 'extra'",
                           "size mismatch for fc1.weight", "[5, 3]", "[4, 3]", "size mismatch for fc1.bias"})
    EXPECT_TRUE(has(error, part)) << part << " in " << error;
  EXPECT_TRUE(torch::equal(net->fc2->weight, before));  // which would have fitted
}

TEST(ModuleTest, ErrorsReachWorkerThreadsAsExceptions) {
  Net net;
  std::string error;
  std::thread([&] { error = error_of([&] { net(torch::ones({2, 7})); }); }).join();
  EXPECT_TRUE(has(error, "linear")) << error;
  struct Late {
    explicit Late(std::string& out) : out(out) {}
    ~Late() {
      out = error_of([] { torch::nn::Conv2d(1, 1, 3)(torch::ones({2, 2})); });
    }
    std::string& out;
  };
  std::string late;
  { Late l(late); }
  EXPECT_TRUE(has(late, "conv2d")) << late;
}

TEST(ModuleTest, AnyModuleChecksArguments) {
  torch::nn::AnyModule any(torch::nn::Linear(3, 2));
  EXPECT_EQ(any.forward(torch::ones({1, 3})).sizes(), torch::IntArrayRef({1, 2}));
  EXPECT_TRUE(has(error_of([&] { any.forward(3); }), "Expected argument #0"));
  EXPECT_TRUE(has(error_of([&] { any.forward<int>(torch::ones({1, 3})); }), "Attempted to cast AnyValue to int"));
  EXPECT_TRUE(has(error_of([&] { torch::nn::AnyModule().ptr(); }), "empty AnyModule"));
  EXPECT_TRUE(has(error_of([&] { torch::nn::Linear(nullptr)->weight.sum(); }), "Accessing empty ModuleHolder"));
  torch::nn::AnyModule pool(torch::nn::MaxUnpool1d(2));  // whose last argument has a default
  auto [y, where] = torch::nn::MaxPool1d(2)->forward_with_indices(torch::ones({1, 1, 4}));
  EXPECT_EQ(pool.forward(y, where).size(2), 4);
}

TEST(ContainerTest, SequentialPassesOn) {
  torch::nn::Sequential net({{"fc", torch::nn::Linear(3, 4)}, {"act", torch::nn::ReLU()}});
  net->push_back(torch::nn::Dropout(0.5));
  net->push_back(torch::nn::Functional(torch::softmax, 1, std::nullopt));
  net->eval();
  torch::Tensor y = net->forward(torch::randn({2, 3}));
  EXPECT_NEAR(y.sum().item<float>(), 2, 1e-5);
  EXPECT_EQ(keys(net->named_parameters()), (std::vector<std::string>{"fc.weight", "fc.bias"}));
  EXPECT_TRUE(has(error_of([] { torch::nn::Sequential()->forward(torch::ones({1})); }), "empty Sequential"));
}

TEST(ContainerTest, ListsAndDicts) {
  torch::nn::ModuleList list(torch::nn::Linear(1, 2), torch::nn::ReLU());
  list->insert(1, torch::nn::Tanh());
  EXPECT_EQ(list->size(), 3u);
  EXPECT_TRUE(list[1]->as<torch::nn::Tanh>());
  EXPECT_TRUE(has(error_of([&] { list->at<torch::nn::TanhImpl>(0); }), "Unable to cast module[0]"));
  torch::nn::ParameterDict dict;
  dict->insert("a", torch::ones({2}));
  EXPECT_TRUE(has(error_of([&] { dict["b"]; }), "Parameter 'b' is not defined"));
  EXPECT_TRUE(has(error_of([] { torch::OrderedDict<std::string, int>().front(); }), "empty OrderedDict"));
  auto copy = std::dynamic_pointer_cast<torch::nn::ParameterDictImpl>(dict->clone());
  EXPECT_FALSE(copy->get("a").is_same(dict->get("a")));
}

TEST(RecurrentTest, PackedInputGivesWhatPaddedDoes) {
  torch::manual_seed(1);
  torch::nn::LSTM lstm(torch::nn::LSTMOptions(3, 4).num_layers(2).bidirectional(true));
  torch::Tensor x = torch::randn({5, 2, 3});
  namespace rnn = torch::nn::utils::rnn;
  auto packed = rnn::pack_padded_sequence(x, torch::tensor({3, 5}), false, false);
  auto [y, state] = lstm->forward_with_packed_input(packed);
  auto [padded, lengths] = rnn::pad_packed_sequence(y);
  EXPECT_EQ(lengths[0].item<int64_t>(), 3);
  torch::Tensor alone = std::get<0>(lstm(x.slice(1, 0, 1).slice(0, 0, 3)));
  EXPECT_TRUE(torch::allclose(padded.slice(1, 0, 1).slice(0, 0, 3), alone, 1e-5, 1e-6));
  EXPECT_TRUE(has(error_of([&] { lstm(torch::ones({5, 2, 7})); }), "Expected 3, got 7"));
}

TEST(UtilsTest, GradientsAreClipped) {
  torch::Tensor w = torch::ones({2}).requires_grad_();
  (w * torch::tensor({3.0f, 4.0f})).sum().backward();
  EXPECT_NEAR(torch::nn::utils::clip_grad_norm_(w, 1.0), 5, 1e-5);
  EXPECT_NEAR(w.grad().norm().item<float>(), 1, 1e-4);
  torch::Tensor v = torch::nn::utils::parameters_to_vector({w, w});
  EXPECT_EQ(v.size(0), 4);
  torch::nn::utils::vector_to_parameters(torch::tensor({5.0f, 6.0f}), {w});
  EXPECT_EQ(w[1].item<float>(), 6);
  EXPECT_TRUE(has(error_of([&] { torch::nn::utils::vector_to_parameters(v, {w}); }), "expected a vector of 2"));
}

namespace {
template <class Make>
double train(const Make& make) {
  torch::manual_seed(0);
  Net net(8);
  auto optimizer = make(net->parameters());
  torch::Tensor x = torch::randn({32, 3}), y = x.slice(1, 0, 2) * 2 - 1;
  double loss = 0;
  for (int i = 0; i < 60; i++)
    loss = optimizer
               .step([&] {
                 optimizer.zero_grad();
                 torch::Tensor l = torch::mse_loss(net(x), y);
                 l.backward();
                 return l;
               })
               .template item<double>();
  std::stringstream file;
  torch::save(optimizer, file);
  auto loaded = make(net->parameters());
  torch::load(loaded, file);
  EXPECT_EQ(loaded.state().size(), optimizer.state().size());
  return loss;
}
}  // namespace

TEST(OptimTest, EveryAlgorithmLearnsAndIsLoaded) {
  using namespace torch::optim;
  EXPECT_LT(train([](auto p) { return SGD(p, SGDOptions(0.05).momentum(0.9)); }), 0.5);
  EXPECT_LT(train([](auto p) { return SGD(p, 0.1); }), 1);
  EXPECT_LT(train([](auto p) { return Adam(p, AdamOptions(0.05).amsgrad(true)); }), 0.5);
  EXPECT_LT(train([](auto p) { return AdamW(p, 0.05); }), 0.5);
  EXPECT_LT(train([](auto p) { return Adagrad(p, 0.2); }), 0.5);
  EXPECT_LT(train([](auto p) { return RMSprop(p, RMSpropOptions(0.02).momentum(0.5).centered(true)); }), 0.5);
  EXPECT_LT(train([](auto p) { return LBFGS(p, LBFGSOptions(1).line_search_fn("strong_wolfe")); }), 0.5);
}

namespace {
// As PyTorch wrote lists of tensors before 1.5.
void write_list(torch::serialize::OutputArchive& archive, const std::string& name,
                const std::vector<torch::Tensor>& items) {
  archive.write(name + "/size", torch::tensor(int64_t(items.size())));
  for (size_t i = 0; i < items.size(); i++) archive.write(name + "/" + std::to_string(i), items[i], true);
}
template <class Optimizer>
void load_from(Optimizer& optimizer, const torch::serialize::OutputArchive& archive) {
  std::stringstream file;
  archive.save_to(file);
  torch::load(optimizer, file);
}
}  // namespace

TEST(OptimTest, ArchivesOfBefore15AreRead) {
  using namespace torch::optim;
  std::vector<torch::Tensor> params = {torch::ones({2}), torch::ones({1}), torch::ones({3})};
  torch::serialize::OutputArchive adam, lbfgs, many;
  write_list(adam, "step_buffers", {torch::tensor(int64_t(7)), torch::tensor(int64_t(8))});
  write_list(adam, "exp_average_buffers", {torch::full({2}, 0.5), torch::full({1}, 0.25)});
  write_list(adam, "exp_average_sq_buffers", {torch::full({2}, 2.0), torch::full({1}, 3.0)});
  write_list(adam, "max_exp_average_sq_buffers", {});
  Adam a(params, AdamOptions(0.125));
  load_from(a, adam);
  ASSERT_EQ(a.state().size(), 2);  // the third parameter never had a gradient
  auto& second = static_cast<AdamParamState&>(*a.state().at(params[1].unsafeGetTensorImpl()));
  EXPECT_EQ(second.step(), 8);
  EXPECT_EQ(second.exp_avg().item<float>(), 0.25f);
  EXPECT_EQ(second.exp_avg_sq().item<float>(), 3.0f);
  EXPECT_FALSE(second.max_exp_avg_sq().defined());
  EXPECT_EQ(a.param_groups()[0].options().get_lr(), 0.125);

  lbfgs.write("d", torch::full({6}, 2.0), true);
  lbfgs.write("t", torch::tensor(0.5), true);
  lbfgs.write("prev_loss", torch::tensor(1.5), true);
  write_list(lbfgs, "old_dirs", {torch::ones({6}), torch::zeros({6})});
  LBFGS l(params, LBFGSOptions());
  load_from(l, lbfgs);
  auto& state = static_cast<LBFGSParamState&>(*l.state().at(params[0].unsafeGetTensorImpl()));
  EXPECT_EQ(state.t(), 0.5);
  EXPECT_EQ(state.prev_loss(), 1.5);
  EXPECT_EQ(state.old_dirs().size(), 2);

  write_list(many, "momentum_buffers", std::vector<torch::Tensor>(4, torch::ones({2})));
  SGD s(params, SGDOptions(0.1).momentum(0.9));
  EXPECT_TRUE(has(error_of([&] { load_from(s, many); }), "the state of 4 parameters"));
  torch::serialize::OutputArchive other;
  other.write("weight", torch::ones({2}));
  EXPECT_TRUE(has(error_of([&] { load_from(s, other); }), "state"));
  EXPECT_TRUE(s.state().empty());
}

TEST(OptimTest, RefusesWhatItCantDo) {
  torch::Tensor w = torch::ones({2}).requires_grad_();
  using namespace torch::optim;
  EXPECT_TRUE(has(error_of([&] { SGD({w * 2}, 0.1); }), "non-leaf"));
  EXPECT_TRUE(has(error_of([&] { SGD({w, w}, 0.1); }), "more than one parameter group"));
  EXPECT_TRUE(has(error_of([&] { Adam({w}, -1); }), "Invalid learning rate"));
  EXPECT_TRUE(has(error_of([&] { LBFGS({w}).step(); }), "closure"));
  std::stringstream file;
  torch::save(Adam({w}), file);
  Adam two({w, torch::ones({1})});
  EXPECT_TRUE(has(error_of([&] { torch::load(two, file); }), "different size"));
  SGD rate({w}, 1.0);
  StepLR schedule(rate, 2, 0.5);
  for (int i = 0; i < 3; i++) schedule.step();
  EXPECT_EQ(rate.param_groups()[0].options().get_lr(), 0.5);
}
