// What extensions and larger programs use besides tensors: registries and flags of c10, checks of arguments, types of before TensorOptions.
#include <ATen/ATen.h>
#include <ATen/AccumulateType.h>
#include <ATen/NumericUtils.h>
#include <c10/util/Array.h>
#include <c10/util/CallOnce.h>
#include <c10/util/Flags.h>
#include <c10/util/Registry.h>
#include <c10/util/ThreadLocal.h>
#include <c10/util/accumulate.h>
#include <c10/util/overloaded.h>
#include <gtest/gtest.h>
#include <torch/library.h>
#include <torch/optim/serialize.h>

#include <future>
#include <variant>

C10_DEFINE_int(rl_test_level, 3, "a number");

namespace {

struct Shape {
  explicit Shape(int n) : sides(n) {}
  virtual ~Shape() = default;
  virtual int area() const { return sides; }
  int sides;
};
struct Square : Shape {
  using Shape::Shape;
  int area() const override { return sides * sides; }
};
C10_DECLARE_REGISTRY(ShapeRegistry, Shape, int);
C10_DEFINE_REGISTRY(ShapeRegistry, Shape, int)
C10_REGISTER_CLASS(ShapeRegistry, square, Square);
C10_DEFINE_TLS_static(std::string, own_text);

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const c10::Error& e) { return e.what(); }
  return "no error";
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST(FrontEndToolsTest, ClassesAreMadeByName) {
  EXPECT_EQ(ShapeRegistry()->Create("square", 3)->area(), 9);
  EXPECT_EQ(ShapeRegistry()->Create("circle", 3), nullptr);
  EXPECT_EQ(ShapeRegistry()->Keys(), (std::vector<std::string>{"square"}));
  auto again = [] { C10_REGISTER_CLASS(ShapeRegistry, square, Shape); };
  EXPECT_THROW(again(), std::runtime_error);
  EXPECT_EQ(FLAGS_rl_test_level, 3);
}

TEST(Tools, ThreadsOfForks) {
  int before = at::get_num_interop_threads();
  at::set_num_interop_threads(3);
  EXPECT_EQ(torch::get_num_interop_threads(), 3);
  EXPECT_THROW(at::set_num_interop_threads(0), c10::Error);
  EXPECT_EQ(at::get_num_interop_threads(), 3);
  at::set_num_interop_threads(before);
}

TEST(FrontEndToolsTest, ThreadsHaveValuesOfTheirOwnAndCallOnce) {
  *own_text = "here";
  EXPECT_EQ(std::async(std::launch::async, [] { return own_text->size(); }).get(), 0u);
  EXPECT_EQ(*own_text, "here");
  c10::once_flag flag;
  int calls = 0;
  EXPECT_THROW(c10::call_once(flag, [&] { throw std::runtime_error(std::to_string(++calls)); }), std::runtime_error);
  for (int i = 0; i < 2; i++) c10::call_once(flag, [&] { calls++; });
  EXPECT_EQ(calls, 2);
  std::promise<int> done;
  at::launch([&] { done.set_value(5); });
  EXPECT_EQ(done.get_future().get(), 5);
}

TEST(FrontEndToolsTest, SizesAreMultiplied) {
  auto sizes = torch::ones({2, 3, 4}).sizes();
  EXPECT_EQ(c10::multiply_integers(sizes), 24);
  EXPECT_EQ(c10::numelements_from_dim(1, sizes), 12);
  EXPECT_EQ(c10::numelements_between_dim(2, 0, sizes), 6);
  EXPECT_THROW(c10::numelements_to_dim(4, sizes), c10::Error);
}

TEST(FrontEndToolsTest, ArgumentsAreCheckedByNameAndNumber) {
  auto a = torch::ones({2, 3}), b = torch::ones({2, 3}, torch::kDouble), none = torch::Tensor();
  at::TensorArg x{a, "input", 1}, y{b, "rois", 2}, z{none, "bias", 3};
  at::checkAllSameSize("mine", {x, z, y});
  std::string text = error_of([&] { at::checkAllSameType("mine", {x, z, y}); });
  EXPECT_TRUE(has(text, "argument #1 'input'") && has(text, "argument #2 'rois'") && has(text, "CPUDoubleType") &&
              has(text, "(while checking arguments for mine)"))
      << text;
  EXPECT_TRUE(has(error_of([&] { at::checkDim("mine", x, 3); }), "Expected 3-dimensional tensor"));
  EXPECT_TRUE(has(error_of([&] { at::checkSize("mine", x, 1, 4); }), "size 4 at dimension 1, but got size 3"));
  EXPECT_TRUE(has(error_of([&] { at::checkAllDefined("mine", {x, z}); }), "undefined"));
  EXPECT_TRUE(has(error_of([&] { at::checkDeviceType("mine", {a, none}, at::kCUDA); }), "cuda"));
}

TEST(FrontEndToolsTest, TypesOfBeforeTensorOptions) {
  at::DeprecatedTypeProperties& type = at::CPU(at::kInt);
  auto x = at::ones({2}, type);
  EXPECT_EQ(&x.type(), &type);
  EXPECT_EQ(x.type().backend(), at::Backend::CPU);
  EXPECT_EQ(at::zeros({1}, x.type().toScalarType(at::kDouble)).toString(), "CPUDoubleType");
  EXPECT_EQ(at::getDeprecatedTypeProperties(at::Backend::SparseCPU, at::kFloat).options().layout(), at::kSparse);
  EXPECT_EQ(at::eye(2).to_sparse().type().toString(), "SparseCPUFloatType");
  at::TensorOptions options("cpu:0");
  EXPECT_EQ(options.device().index(), 0);
  EXPECT_EQ(at::TensorOptions({at::kCUDA, 1}).device().str(), "cuda:1");
  EXPECT_THROW(at::TensorOptions("nowhere"), c10::Error);
}

TEST(FrontEndToolsTest, SmallNames) {
  auto x = at::arange(4);
  EXPECT_TRUE(x.index(x > 1).equal(at::arange(2, 4)));
  EXPECT_EQ(c10::str(L"\u00ec", L'w', std::wstring(L"\u20ac")), "\u00ecw\u20ac");
  EXPECT_TRUE(torch::autograd::any_variable_requires_grad({x, at::ones({1}).requires_grad_()}));
  EXPECT_FALSE(torch::autograd::any_variable_requires_grad({x}));
  EXPECT_EQ(c10::str(at::Half(1.5f), at::BFloat16(2)), "1.52");
  EXPECT_EQ(float(std::numeric_limits<at::Half>::lowest()), -65504.f);
  EXPECT_EQ(float(std::numeric_limits<at::BFloat16>::epsilon()), 0.0078125f);
  EXPECT_TRUE(at::tensor(std::numeric_limits<at::BFloat16>::quiet_NaN()).isnan().item<bool>());
  EXPECT_EQ(at::full({1}, INFINITY, at::kHalf).item<at::Half>(), std::numeric_limits<at::Half>::infinity());
  EXPECT_THROW(x[at::Scalar(1.5)], c10::IndexError);
  EXPECT_EQ(at::Scalar(c10::complex<double>(1, 2)).conj().toComplexDouble().imag(), -2);
  EXPECT_EQ(x.m([](const at::Tensor& t, int64_t by) { return t + by; }, 2)[0].item<int64_t>(), 2);
  uint32_t version = x.unsafeGetTensorImpl()->version_counter().current_version();
  x.unsafeGetTensorImpl()->bump_version();
  EXPECT_EQ(x._version(), version + 1);
  c10::InferenceMode on;
  EXPECT_THROW(at::ones({1}).unsafeGetTensorImpl()->version_counter(), c10::Error);
}

TEST(FrontEndToolsTest, DictsTellWhereAndWhether) {
  c10::Dict<int64_t, std::string> dict;
  for (int64_t i = 0; i < 3; i++) EXPECT_TRUE(dict.insert(i, std::to_string(i)).second);
  auto [kept, is_new] = dict.insert(1, "other");
  EXPECT_EQ(kept->value() + c10::str(is_new), "10");
  EXPECT_EQ(dict.insert_or_assign(2, "two").first->value(), "two");
  dict.erase(kept);
  EXPECT_EQ(dict.find(1), dict.end());
  EXPECT_EQ(dict.find(2)->value(), "two");
}

TEST(FrontEndToolsTest, TheOrderOfStridesTellsTheFormat) {
  auto x = at::rand({4, 4, 1, 1});  // contiguous either way
  EXPECT_EQ(x.suggest_memory_format(), at::MemoryFormat::Contiguous);
  x.resize_({4, 4, 1, 1}, at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(x.suggest_memory_format(), at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(x.resize_({4, 4, 1, 1}, at::MemoryFormat::Contiguous).strides(), (std::vector<int64_t>{4, 1, 1, 1}));
  auto y = at::rand({2, 3, 4, 6}).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(y.slice(3, 0, 6, 2).suggest_memory_format(), at::MemoryFormat::ChannelsLast);
}

TEST(FrontEndToolsTest, SchemasHaveTuples) {
  static const auto made = torch::RegisterOperators("rl_tools::pairs", [](std::vector<std::tuple<int64_t, double>> in) {
    std::tuple<int64_t, double> sum{0, 0};
    for (auto& [i, d] : in) std::get<0>(sum) += i, std::get<1>(sum) += d;
    return sum;
  });
  auto op = c10::Dispatcher::singleton().findSchemaOrThrow("rl_tools::pairs", "");
  std::vector<std::tuple<int64_t, double>> in = {{1, 0.5}, {2, 0.25}};
  torch::jit::Stack stack = {c10::IValue(in)};
  op.callBoxed(stack);
  EXPECT_EQ(stack.at(0).toInt(), 3);
  EXPECT_EQ(stack.at(1).toDouble(), 0.75);
}

// A holder of a program's own that reaches into its module, and an optimizer with options and state of its own.
namespace {
struct Scaled : torch::nn::ModuleHolder<torch::nn::LinearImpl> {
  using torch::nn::ModuleHolder<torch::nn::LinearImpl>::ModuleHolder;
  double norm() const { return this->impl_->weight.norm().template item<double>(); }
};

struct DownOptions : torch::optim::OptimizerCloneableOptions<DownOptions> {
  DownOptions(double lr) : lr_(lr) {}
  TORCH_ARG(double, lr);
  TORCH_ARG(bool, sign) = false;

 public:
  void serialize(torch::serialize::InputArchive& archive) override {
    _TORCH_OPTIM_DESERIALIZE_TORCH_ARG(double, lr);
    _TORCH_OPTIM_DESERIALIZE_TORCH_ARG(bool, sign);
  }
  void serialize(torch::serialize::OutputArchive& archive) const override {
    _TORCH_OPTIM_SERIALIZE_TORCH_ARG(lr);
    _TORCH_OPTIM_SERIALIZE_TORCH_ARG(sign);
  }
};
struct DownParamState : torch::optim::OptimizerCloneableParamState<DownParamState> {
  TORCH_ARG(int64_t, step) = 0;

 public:
  void serialize(torch::serialize::InputArchive& archive) override {
    _TORCH_OPTIM_DESERIALIZE_TORCH_ARG(int64_t, step);
  }
  void serialize(torch::serialize::OutputArchive& archive) const override { _TORCH_OPTIM_SERIALIZE_TORCH_ARG(step); }
};
class Down : public torch::optim::Optimizer {
 public:
  Down(std::vector<torch::Tensor> params, DownOptions defaults)
      : Optimizer({torch::optim::OptimizerParamGroup(std::move(params))}, std::make_unique<DownOptions>(defaults)) {}
  torch::Tensor step(LossClosure) override {
    torch::NoGradGuard off;
    for (auto& group : param_groups_)
      for (auto& p : group.params()) {
        auto& kept = state_[p.unsafeGetTensorImpl()];
        if (!kept) kept = std::make_unique<DownParamState>();
        auto& state = static_cast<DownParamState&>(*kept);
        state.step(state.step() + 1);
        p.sub_(static_cast<DownOptions&>(group.options()).lr());
      }
    return {};
  }
  void save(torch::serialize::OutputArchive& archive) const override { serialize(*this, archive); }
  void load(torch::serialize::InputArchive& archive) override { serialize(*this, archive); }

 private:
  template <class Self, class Archive>
  static void serialize(Self& self, Archive& archive) {
    _TORCH_OPTIM_SERIALIZE_WITH_TEMPLATE_ARG(Down);
  }
};
}  // namespace

TEST(FrontEndToolsTest, HoldersAndOptimizersOfAProgramsOwn) {
  Scaled layer(3, 2);
  EXPECT_NEAR(layer.norm(), layer->weight.norm().item<double>(), 1e-6);
  Down one(layer->parameters(), DownOptions(0.5).sign(true)), two(layer->parameters(), 1);
  one.step({});
  one.step({});
  std::stringstream file;
  torch::save(one, file);
  torch::load(two, file);
  auto& options = static_cast<DownOptions&>(two.param_groups()[0].options());
  EXPECT_EQ(options.lr(), 0.5);
  EXPECT_TRUE(options.sign());
  auto& state = static_cast<DownParamState&>(*two.state().at(layer->weight.unsafeGetTensorImpl()));
  EXPECT_EQ(state.step(), 2);
}

TEST(FrontEndToolsTest, WhatWritersOfKernelsUse) {
  EXPECT_TRUE(at::_isnan(NAN) && at::_isnan(at::Half(NAN)) && at::_isnan(c10::complex<float>(0, NAN)));
  EXPECT_TRUE(at::_isinf(-INFINITY) && at::_isinf(at::BFloat16(INFINITY)));
  EXPECT_FALSE(at::_isnan(7) || at::_isinf(7) || at::_isnan(1.5) || at::_isinf(c10::complex<double>(1, 2)));
  static_assert(std::is_same_v<at::acc_type<float, false>, double> && std::is_same_v<at::acc_type<float, true>, float>);
  static_assert(std::is_same_v<at::acc_type<at::Half, false>, float> && std::is_same_v<at::acc_type<bool, true>, bool>);
  static_assert(std::is_same_v<at::acc_type<uint8_t, false>, int64_t>);
  static_assert(std::is_same_v<at::acc_type<c10::complex<float>, false>, c10::complex<double>>);
  std::variant<int, std::string> v = "text";
  EXPECT_EQ(std::visit(c10::overloaded([](int) { return 1; }, [](const std::string&) { return 2; }), v), 2);
  EXPECT_EQ(c10::array_of<int64_t>(1, 2, 3)[2], 3);
}
