// The C++ front end's values: options, scalars, devices, indices, IValues, functions with a gradient of the user's own.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>

using torch::indexing::Ellipsis;
using torch::indexing::None;
using torch::indexing::Slice;

TEST(FrontEndValuesTest, TensorsFromBracesListsAndMemory) {
  EXPECT_EQ(torch::tensor(3).scalar_type(), torch::kLong);
  EXPECT_EQ(torch::tensor(2.5f).dim(), 0);
  torch::Tensor nested = torch::tensor({{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(nested.sizes(), torch::IntArrayRef({2, 3}));
  EXPECT_EQ(nested[1][2].item<int>(), 6);
  EXPECT_EQ(torch::tensor({}).sizes(), torch::IntArrayRef({0}));
  EXPECT_EQ(torch::tensor(std::vector<double>{0.1}, torch::kDouble).item<double>(), 0.1);
  EXPECT_EQ(torch::tensor(std::vector<int>{1}).scalar_type(), torch::kLong);
  EXPECT_EQ(torch::tensor(std::vector<uint8_t>{1}).scalar_type(), torch::kByte);
  EXPECT_EQ(torch::tensor(std::vector<bool>{true, false}).scalar_type(), torch::kBool);
  EXPECT_TRUE(torch::tensor({1.0}, torch::dtype(torch::kDouble).requires_grad(true)).requires_grad());
  EXPECT_THROW(torch::tensor({{1, 2}, {3}}), c10::Error);
  EXPECT_THROW(torch::tensor({torch::detail::TensorDataContainer(1), torch::detail::TensorDataContainer(1.5)}),
               c10::Error);

  int freed = 0;
  std::vector<float> data = {0, 1, 2, 3, 4, 5};
  {
    torch::Tensor t = torch::from_blob(data.data(), {3, 2}, {1, 3}, [&](void*) { freed++; }, torch::kFloat);
    EXPECT_EQ(t[2][1].item<float>(), 5);
    t[0][1] = 9;
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
  EXPECT_EQ(data[3], 9);
  EXPECT_THROW(torch::from_blob(data.data(), {-1}), c10::Error);
  EXPECT_THROW(torch::from_blob(data.data(), {int64_t(1) << 62, 4}), c10::Error);
}

TEST(FrontEndValuesTest, OptionsAreAddedUp) {
  auto o = torch::TensorOptions().dtype(torch::kDouble).device(torch::kCPU).layout(torch::kStrided).requires_grad(true);
  torch::Tensor t = torch::zeros({2}, o);
  EXPECT_TRUE(t.requires_grad() && t.dtype() == torch::kDouble);
  EXPECT_EQ(torch::ones({2}, t.options()).scalar_type(), torch::kDouble);
  EXPECT_FALSE(t.options().requires_grad());
  torch::Tensor last =
      torch::empty({1, 3, 2, 2}, torch::dtype(torch::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  EXPECT_EQ(last.stride(1), 1);
  std::ostringstream out;
  out << torch::dtype(torch::kDouble).requires_grad(true);
  EXPECT_EQ(out.str(),
            "TensorOptions(dtype=double, device=cpu (default), layout=Strided (default), requires_grad=true, "
            "pinned_memory=false (default), memory_format=(nullopt))");
}

TEST(FrontEndValuesTest, SmallTypesPrintAsInPyTorch) {
  std::ostringstream out;
  torch::Tensor t = torch::ones({2, 2});
  out << t.dtype() << ' ' << t.scalar_type() << ' ' << torch::Device("cuda:1") << ' ' << t.sizes() << ' '
      << torch::Scalar(2.5) << ' ' << t.layout() << ' ' << torch::kCPU << ' ' << t.toString();
  EXPECT_EQ(out.str(), "float Float cuda:1 [2, 2] 2.5 Strided cpu CPUFloatType");
}

TEST(FrontEndValuesTest, ScalarsRefuseWhatDoesNotFit) {
  EXPECT_EQ(torch::Scalar(3).to<double>(), 3);
  EXPECT_EQ(torch::Scalar(-1).to<uint8_t>(), 255);
  EXPECT_THROW(torch::Scalar(300).to<uint8_t>(), c10::Error);
  EXPECT_THROW(torch::Scalar(1e10).toInt(), c10::Error);
  EXPECT_THROW(torch::Scalar(1e40).toFloat(), c10::Error);
  EXPECT_THROW(torch::Scalar(std::nan("")).toLong(), c10::Error);
  EXPECT_THROW(torch::Scalar(std::complex<double>(0, 1)).toDouble(), c10::Error);
  EXPECT_EQ(torch::tensor(3.75).item<int>(), 3);
}

TEST(FrontEndValuesTest, IndicesAreThoseOfPython) {
  torch::Tensor x = torch::arange(24).view({2, 3, 4});
  EXPECT_EQ(x.index({Slice(), 1}).sizes(), torch::IntArrayRef({2, 4}));
  EXPECT_EQ(x.index({"...", Slice(None, None, 2)}).sizes(), torch::IntArrayRef({2, 3, 2}));
  EXPECT_EQ(x.index({Ellipsis, -1}).sizes(), torch::IntArrayRef({2, 3}));
  EXPECT_EQ(x.index({None, 0, Slice(1, None)}).sizes(), torch::IntArrayRef({1, 2, 4}));
  EXPECT_EQ(x.index({torch::tensor({0, 1}), 2}).sizes(), torch::IntArrayRef({2, 4}));
  EXPECT_EQ(x.index({x > 20}).numel(), 3);
  EXPECT_EQ(x.index({true}).sizes(), torch::IntArrayRef({1, 2, 3, 4}));
  EXPECT_EQ(x.index({1, 2, 3}).item<int>(), 23);
  x.index_put_({0, Slice(), 0}, -1);
  EXPECT_EQ(x[0][2][0].item<int>(), -1);
  x.index_put_({x == -1}, torch::tensor(7));
  EXPECT_EQ(x[0][0][0].item<int>(), 7);
  x.index_put_({torch::tensor({0, 0}), torch::tensor({1, 1}), torch::tensor({1, 1})}, torch::tensor({1, 1}), true);
  EXPECT_EQ(x[0][1][1].item<int>(), 7);
  x[1] = 0;
  x[0][0] = torch::tensor({1, 2, 3, 4});
  EXPECT_EQ(x[1].sum().item<int>(), 0);
  EXPECT_EQ(x[0][0].sum().item<int>(), 10);
  EXPECT_THROW(x[2], c10::IndexError);
  EXPECT_THROW(x.index({0, 0, 0, 0}), c10::IndexError);
  EXPECT_THROW(x.index({Slice(None, None, 0)}), c10::Error);
  EXPECT_THROW(x.index({".."}), c10::Error);
}

TEST(FrontEndValuesTest, AccessorsReadAndWrite) {
  torch::Tensor t = torch::zeros({2, 3});
  auto b = t.accessor<float, 2>();
  for (int64_t i = 0; i < b.size(0); i++)
    for (int64_t j = 0; j < b.size(1); j++) b[i][j] = float(i * 10 + j);
  EXPECT_EQ(t[1][2].item<float>(), 12);
  EXPECT_EQ((t.packed_accessor32<float, 2>()[1][2]), 12);
  EXPECT_THROW((t.accessor<float, 3>()), c10::Error);
  EXPECT_THROW((t.accessor<double, 2>()), c10::Error);
}

TEST(FrontEndValuesTest, IValuesHoldContainers) {
  c10::List<int64_t> l({1, 2});
  torch::IValue held(l);
  l.push_back(3);
  EXPECT_EQ(held.toIntVector(), (std::vector<int64_t>{1, 2, 3}));  // shared
  l[0] = 5;
  EXPECT_EQ(held.toIntList().get(0), 5);
  c10::Dict<std::string, torch::Tensor> d;
  d.insert("a", torch::ones({2}));
  EXPECT_FALSE(d.insert("a", torch::ones({3})).second);
  d.insert_or_assign("b", torch::ones({3}));
  int64_t total = 0;
  for (const auto& e : torch::IValue(d).toGenericDict()) total += e.value().toTensor().numel();
  EXPECT_EQ(total, 5);
  EXPECT_TRUE(d.find("c") == d.end());
  EXPECT_EQ(d.erase("a"), 1u);
  auto tuple = torch::IValue(std::make_tuple(1, 2.5, torch::ones({1}))).toTuple();
  EXPECT_EQ(tuple->elements()[1].toDouble(), 2.5);
  EXPECT_EQ((torch::IValue(std::vector<std::string>{"x"}).to<std::vector<std::string>>()[0]), "x");
  EXPECT_TRUE(torch::IValue(std::optional<int64_t>()).isNone());
  std::ostringstream out;
  out << torch::IValue(std::vector<int64_t>{1, 2}) << torch::IValue("x") << torch::IValue(std::make_tuple(1, 2.5));
  EXPECT_EQ(out.str(), "[1, 2]x(1, 2.5)");
}

namespace {

struct Scale : torch::autograd::Function<Scale> {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, torch::Tensor x, torch::Tensor w, double k) {
    EXPECT_FALSE(torch::GradMode::is_enabled());
    ctx->save_for_backward({x, w});
    ctx->saved_data["k"] = k;
    return x * w * k;
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::tensor_list g) {
    auto saved = ctx->get_saved_variables();
    double k = ctx->saved_data["k"].toDouble();
    EXPECT_TRUE(ctx->needs_input_grad(0));
    EXPECT_FALSE(ctx->needs_input_grad(1));
    return {g[0] * saved[1] * k, torch::Tensor(), torch::Tensor()};
  }
};
struct TooFew : torch::autograd::Function<TooFew> {
  static torch::Tensor forward(torch::autograd::AutogradContext*, torch::Tensor x, torch::Tensor y) { return x + y; }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext*, torch::autograd::tensor_list g) {
    return {g[0]};
  }
};

}  // namespace

TEST(FrontEndValuesTest, FunctionsBringTheirOwnGradient) {
  torch::Tensor x = torch::full({2}, 3.0, torch::requires_grad()), w = torch::full({2}, 4.0);
  torch::Tensor y = Scale::apply(x, w, 2.0);
  EXPECT_NE(y.grad_fn()->name().find("Scale"), std::string::npos);
  y.sum().backward();
  EXPECT_EQ(x.grad()[0].item<float>(), 8);
  EXPECT_THROW(TooFew::apply(x, w).sum().backward(), c10::Error);
  torch::NoGradGuard no_grad;
  EXPECT_FALSE(Scale::apply(x, w, 2.0).requires_grad());
}

TEST(FrontEndValuesTest, ModesEndWithTheirScope) {
  torch::Tensor x = torch::ones({1}, torch::requires_grad());
  {
    c10::InferenceMode guard;
    EXPECT_TRUE((x * 2).is_inference());
    EXPECT_FALSE((x * 2).requires_grad());
  }
  EXPECT_FALSE(c10::InferenceMode::is_enabled());
  EXPECT_TRUE((x * 2).requires_grad());
}

TEST(FrontEndValuesTest, ChecksJoinTheirText) {
  try {
    TORCH_CHECK(1 == 2, "expected ", 1, ", got ", 2.5);
    FAIL();
  } catch (const c10::Error& e) { EXPECT_STREQ(e.what_without_backtrace(), "expected 1, got 2.5"); }
  EXPECT_THROW(TORCH_CHECK(false), c10::Error);
  EXPECT_THROW(TORCH_CHECK_INDEX(false, "i"), c10::IndexError);
  EXPECT_THROW(AT_ERROR("bad"), c10::Error);
  EXPECT_THROW(TORCH_CHECK_EQ(1, 2), c10::Error);
  size_t bytes = 0;
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(torch::kHalf, "f", [&] { bytes = sizeof(scalar_t); });
  EXPECT_EQ(bytes, 2u);
  auto refused = [] { AT_DISPATCH_FLOATING_TYPES(torch::kLong, "my_kernel", [] {}); };
  EXPECT_THROW(refused(), c10::NotImplementedError);
}

TEST(FrontEndValuesTest, ParallelPiecesHaveNumbersOfTheirOwn) {
  int threads = torch::get_num_threads();
  torch::set_num_threads(4);
  std::atomic<int> running[4] = {};
  std::atomic<bool> shared{false};
  at::parallel_for(0, 4000, 1, [&](int64_t begin, int64_t end) {
    int n = at::get_thread_num();
    shared = shared || n >= 4 || running[n].fetch_add(1) != 0;
    volatile int64_t sum = 0;
    for (int64_t i = begin; i < end; i++) sum = sum + i;
    running[n].fetch_sub(1);
  });
  EXPECT_FALSE(shared);
  double total = at::parallel_reduce(
      0, 1000, 7, 0.0,
      [](int64_t begin, int64_t end, double start) {
        for (int64_t i = begin; i < end; i++) start += double(i);
        return start;
      },
      [](double a, double b) { return a + b; });
  EXPECT_EQ(total, 499500);
  torch::set_num_threads(threads);
}

TEST(FrontEndValuesTest, DtypesThatAreOnlyStored) {
  torch::Tensor t = torch::tensor({1.0, 2.5, 300.0}).to(torch::kFloat8_e4m3fn);
  EXPECT_EQ(t.itemsize(), 1);
  EXPECT_EQ(float(t.data_ptr<c10::Float8_e4m3fn>()[2]), 288);  // rounded to three bits
  EXPECT_TRUE(torch::equal(t.to(torch::kFloat), torch::tensor({1.0f, 2.5f, 288.0f})));
  EXPECT_EQ(t[1].item<float>(), 2.5f);
  torch::Tensor u = torch::full({2}, 65535, torch::kUInt16);
  EXPECT_EQ(u.data_ptr<uint16_t>()[1], 65535);
  EXPECT_EQ((u * u).data_ptr<uint16_t>()[0], 1);  // wraps
  EXPECT_EQ(u.sum().item<int64_t>(), 131070);
  std::ostringstream names;
  names << torch::kUInt64 << " " << torch::kQUInt4x2 << " " << torch::kComplexHalf << " " << t.dtype();
  EXPECT_EQ(names.str(), "UInt64 QUInt4x2 ComplexHalf c10::Float8_e4m3fn");
  EXPECT_THROW(u + u, c10::Error);
  EXPECT_THROW(torch::empty({2}, torch::kQInt8).to(torch::kFloat), c10::Error);
  bool seen = false;
  AT_DISPATCH_SWITCH(u.scalar_type(), "test",
                     AT_DISPATCH_CASE(torch::kUInt16, [&] { seen = std::is_same_v<scalar_t, uint16_t>; }));
  EXPECT_TRUE(seen);
}
