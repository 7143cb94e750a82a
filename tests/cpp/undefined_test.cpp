// Undefined tensors, wrong kinds of values and wrong calls: an exception that a program can catch, never a signal.
#include <gtest/gtest.h>
#include <torch/script.h>

#include <sstream>

namespace {

// What f throws, or "" if it doesn't.
template <class F>
std::string thrown(F&& f) {
  try {
    f();
  } catch (const c10::Error& e) { return e.what(); }
  return "";
}
#define EXPECT_NAMES(expression, name)                                                         \
  do {                                                                                         \
    std::string text = thrown([&] { (void)(expression); });                                    \
    EXPECT_NE(text.find(name), std::string::npos) << #expression << " threw '" << text << "'"; \
  } while (false)

const char* const kLinear = R"(
def forward(self, x : Tensor, n : int = 1) -> Tensor:
  return torch.mul(torch.matmul(x, self.w), n)
def pick(self, xs : List[Tensor], d : Dict[str, Tensor], o : Optional[Tensor], f : float, t : Tuple[int, str]) -> int:
  return torch.len(xs)
)";
torch::jit::Module linear() {
  torch::jit::Module m("Linear");
  m.register_parameter("w", torch::ones({3, 2}, torch::requires_grad()), false);
  m.define(kLinear);
  return m;
}

}  // namespace

TEST(UndefinedTest, OperatorsNameThemselvesAndTheArgument) {
  torch::Tensor u, a = torch::ones({2, 2});
  EXPECT_NAMES(a + u, "other");
  EXPECT_NAMES(u + a, "self");
  EXPECT_NAMES(u + 1, "add");
  EXPECT_NAMES(1 - u, "sub");
  EXPECT_NAMES(-u, "neg");
  EXPECT_NAMES(!u, "logical_not");
  EXPECT_NAMES(u == a, "eq");
  EXPECT_NAMES(a += u, "add_");
  EXPECT_NAMES(u += a, "add_");
  EXPECT_NAMES(u.matmul(a), "matmul");
  EXPECT_NAMES(torch::linear(a, u), "weight");
  EXPECT_NAMES(u.sum(), "sum");
  EXPECT_NAMES(u.clone(), "clone");
  EXPECT_NAMES(a.copy_(u), "copy_");
  EXPECT_NAMES(u.to(torch::kDouble), "to");
  EXPECT_NAMES(u.view({1}), "view");
  EXPECT_NAMES(u.item(), "item");
  EXPECT_NAMES(u.detach(), "detach");
  EXPECT_NAMES(torch::where(u, a, a), "condition");
  EXPECT_NAMES(torch::zeros_like(u), "zeros_like");
  EXPECT_NAMES(torch::add_out(u, a, a), "out");
  EXPECT_NAMES(torch::equal(u, a), "equal");
}

TEST(UndefinedTest, ListsMayHoldNone) {
  torch::Tensor u, a = torch::ones({2});
  EXPECT_NAMES(torch::cat({a, u}), "cat");
  EXPECT_NAMES(torch::stack({u, a}), "stack");
  EXPECT_NAMES(torch::autograd::grad({u}, {a}), "grad");
  EXPECT_NAMES(torch::autograd::grad({a}, {u}), "grad");
  EXPECT_NAMES(torch::autograd::backward({u}), "backward");
}

TEST(UndefinedTest, OptionalArgumentsMayBeUndefined) {
  torch::Tensor u, x = torch::ones({1, 2}), w = torch::ones({3, 2});
  EXPECT_EQ(torch::linear(x, w, u).size(1), 3);
  EXPECT_EQ(torch::linear(x, w, {}).size(1), 3);
  EXPECT_EQ(torch::linear(x, w, std::nullopt).size(1), 3);
}

TEST(UndefinedTest, MethodsAnswerAsPyTorchOrThrow) {
  torch::Tensor u, a = torch::ones({2});
  EXPECT_FALSE(u.defined());
  EXPECT_EQ(u.numel(), 0);
  EXPECT_EQ(u.dim(), 1);
  EXPECT_EQ(u.sizes(), torch::IntArrayRef({0}));
  EXPECT_FALSE(u.requires_grad() || u.is_cuda() || u.is_floating_point() || u.has_storage());
  EXPECT_EQ(u.toString(), "UndefinedType");
  std::ostringstream out;
  out << u;
  EXPECT_EQ(out.str(), "[ Tensor (undefined) ]");
  EXPECT_NAMES(u.strides(), "strides");
  EXPECT_NAMES(u.dtype(), "dtype");
  EXPECT_NAMES(u.scalar_type(), "scalar_type");
  EXPECT_NAMES(u.device(), "device");
  EXPECT_NAMES(u.options(), "undefined");
  EXPECT_NAMES(u.data_ptr(), "data_ptr");
  EXPECT_NAMES(u.data_ptr<float>(), "data_ptr");
  EXPECT_NAMES((u.accessor<float, 1>()), "undefined");
  EXPECT_NAMES(u.storage(), "storage");
  EXPECT_NAMES(u.nbytes(), "nbytes");
  EXPECT_NAMES(u.grad(), "grad");
  EXPECT_NAMES(u.mutable_grad(), "mutable_grad");
  EXPECT_NAMES(u.grad_fn(), "grad_fn");
  EXPECT_NAMES(u.is_leaf(), "is_leaf");
  EXPECT_NAMES(u.set_requires_grad(true), "set_requires_grad");
  EXPECT_NAMES(u.retain_grad(), "retain_grad");
  EXPECT_NAMES(u.backward(), "backward");
  EXPECT_NAMES(u.register_hook([](torch::Tensor) {}), "register_hook");
  EXPECT_NAMES(u.set_data(a), "set_data");
  EXPECT_NAMES(a.set_data(u), "set_data");
  EXPECT_NAMES(u[0], "index");
  EXPECT_NAMES(u.index({0}), "index");
  EXPECT_NAMES(a.index({u}), "index");
  EXPECT_NAMES(u.index_put_({0}, 1), "index");
  EXPECT_NAMES(a.index_put_({0}, u), "index_put_");
  std::ostringstream file;
  EXPECT_NAMES(torch::save(u, file), "undefined");
}

TEST(UndefinedTest, MovedFromTensorsAreUndefined) {
  torch::Tensor a = torch::ones({2}), b = std::move(a);
  EXPECT_FALSE(a.defined());
  EXPECT_NAMES(a + b, "self");
  EXPECT_FALSE(b.grad().defined());
  EXPECT_NAMES(b.grad() + 1, "self");
}

TEST(UndefinedTest, IValuesOfAnotherKindSayBoth) {
  c10::IValue i(3), s("text"), none, undefined{torch::Tensor()};
  EXPECT_NAMES(i.toTensor(), "int");
  EXPECT_NAMES(s.toInt(), "str");
  EXPECT_NAMES(i.toDouble(), "float");
  EXPECT_NAMES(i.toBool(), "bool");
  EXPECT_NAMES(i.toStringRef(), "str");
  EXPECT_NAMES(none.toTensor(), "None");
  EXPECT_NAMES(undefined.toTensor(), "undefined");
  EXPECT_NAMES(i.toTuple(), "tuple");
  EXPECT_NAMES(i.toList(), "list");
  EXPECT_NAMES(i.toIntVector(), "list of ints");
  EXPECT_NAMES(i.toTensorVector(), "list of Tensors");
  EXPECT_NAMES(i.toGenericDict(), "dict");
  EXPECT_NAMES(i.toModule(), "module");
  EXPECT_NAMES(s.toScalar(), "number");
  EXPECT_NAMES((c10::IValue(std::make_tuple(1, 2)).to<std::tuple<int64_t, int64_t, int64_t>>()), "3");
  EXPECT_NAMES(c10::List<int64_t>({1, 2}).get(2), "range");
  EXPECT_NAMES((c10::Dict<std::string, int64_t>().at("key")), "key");
}

TEST(UndefinedTest, ModulesCheckWhatTheyAreGiven) {
  torch::jit::Module m = linear();
  torch::Tensor u, x = torch::ones({1, 3});
  EXPECT_EQ(m.forward({x, 2}).toTensor()[0][0].item<float>(), 6);
  EXPECT_NAMES(m.forward({u}), "'x'");
  EXPECT_NAMES(m.forward({}), "'x'");
  EXPECT_NAMES(m.forward({1}), "Expected a value of type 'Tensor'");
  EXPECT_NAMES(m.forward({x, 2.5}), "'n'");
  EXPECT_NAMES(m.forward({x, x}), "'n'");
  EXPECT_NAMES(m.forward({x, 1, 1}), "at most 3");
  EXPECT_NAMES(m.forward({torch::ones({1, 4})}), "shapes");
  EXPECT_NAMES(m.forward({x}, {{"zzz", 1}}), "zzz");
  EXPECT_NAMES(m.forward({x}, {{"x", x}}), "'x'");
  EXPECT_EQ(m.forward({x}, {{"n", 3}}).toTensor()[0][0].item<float>(), 9);
  EXPECT_NAMES(m.run_method("none"), "none");
  EXPECT_NAMES(m.get_method("none"), "none");
  EXPECT_FALSE(m.find_method("none").has_value());
  EXPECT_NAMES(m.attr("none"), "none");
  EXPECT_NAMES(m.setattr("none", 1), "none");
  EXPECT_NAMES(m.setattr("w", 1), "'w'");
  EXPECT_NAMES(m.setattr("w", u), "'w'");
  EXPECT_NAMES(m.register_parameter("v", u, false), "'v'");
  EXPECT_NAMES(torch::jit::Module().forward({x}), "forward");
}

TEST(UndefinedTest, ListsAndDictsOfModulesAreChecked) {
  torch::jit::Module m = linear();
  torch::Tensor u, x = torch::ones({1});
  c10::Dict<std::string, torch::Tensor> d;
  d.insert("k", x);
  auto call = [&](c10::IValue xs, c10::IValue dict, c10::IValue o, c10::IValue f, c10::IValue t) {
    return m.run_method("pick", xs, dict, o, f, t).toInt();
  };
  auto t = std::make_tuple(1, std::string("s"));
  std::vector<torch::Tensor> xs = {x, x};
  EXPECT_EQ(call(xs, d, u, 1.5, t), 2);
  EXPECT_EQ(call(std::vector<c10::IValue>{x}, d, x, 1.5, t), 1);  // a list of anything that holds tensors
  EXPECT_NAMES(call(std::vector<torch::Tensor>{x, u}, d, u, 1.5, t), "xs'[1]");
  EXPECT_NAMES(call(std::vector<int64_t>{1}, d, u, 1.5, t), "xs'[0]");
  EXPECT_NAMES(call(xs, 1, u, 1.5, t), "'d'");
  EXPECT_NAMES(call(xs, c10::Dict<std::string, int64_t>(), 1, 1.5, t), "'o'");
  EXPECT_NAMES(call(xs, d, u, 1, t), "'f'");
  EXPECT_NAMES(call(xs, d, u, 1.5, std::make_tuple(1, 2)), "'t'[1]");
  EXPECT_NAMES(call(xs, d, u, 1.5, std::make_tuple(1)), "'t'");
}

TEST(UndefinedTest, FilesThatAreNoArchivesAreErrors) {
  EXPECT_NAMES(torch::jit::load("/nowhere/model.pt"), "/nowhere/model.pt");
  std::istringstream empty, words("not an archive"), bad_tensor("PK\3\4");
  EXPECT_NAMES(torch::jit::load(empty), "empty");
  EXPECT_NAMES(torch::jit::load(words), "archive");
  torch::Tensor t;
  EXPECT_NAMES(torch::load(t, bad_tensor), "load");
  EXPECT_NAMES(torch::load(t, "/nowhere/t.pt"), "/nowhere/t.pt");
}
