// Small names of c10 and at that programs use, and how they print.
#include <ATen/Dispatch_v2.h>
#include <ATen/MetaFunctions.h>
#include <ATen/NamedTensorUtils.h>
#include <ATen/Operators.h>
#include <ATen/core/boxing/impl/test_helpers.h>
#include <ATen/record_function.h>
#include <c10/core/TensorImpl.h>
#include <c10/util/Logging.h>
#include <c10/util/tempfile.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/mobile/import.h>
#include <torch/fft.h>
#include <torch/linalg.h>
#include <torch/script.h>
#include <torch/special.h>

#include <fstream>
#include <thread>

TEST(FrontEndNamesTest, SmallTypes) {
  c10::SmallVector<int64_t, 4> v = {1, 2};
  v.append({3, 4});
  EXPECT_EQ(v.pop_back_val(), 4);
  EXPECT_EQ(c10::str(v), "[1, 2, 3]");
  EXPECT_EQ(torch::ones(v).dim(), 3);
  EXPECT_EQ(at::infer_size({2, 1}, {1, 3}), (std::vector<int64_t>{2, 3}));
  EXPECT_THROW(at::infer_size({-1, 4}, 6), c10::Error);
  EXPECT_EQ(at::scalar_to_tensor(2.5).scalar_type(), at::kDouble);
  EXPECT_TRUE(c10::GetAllocator(c10::kCPU)->allocate(16).get());
  EXPECT_EQ(c10::Join(",", std::vector<int>{1, 2}), "1,2");
  EXPECT_EQ(c10::DeviceTypeName(c10::kCPU), "CPU");
  EXPECT_EQ(c10::to_string(3) + c10::guts::to_string(2.5), "32.5");
}

TEST(FrontEndNamesTest, KernelsForNamedTensors) {
  torch::Tensor x = torch::ones({2}), y;
  {
    at::NoNamesGuard guard;
    y = x + 1;
  }
  EXPECT_FALSE(at::has_names({x, y}));
  EXPECT_TRUE(at::namedinference::propagate_names(y, x).is_same(y));
}

TEST(FrontEndNamesTest, OperatorsAreCalledBoxedAndUnboxed) {
  auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::add", "Tensor");
  torch::Tensor x = torch::ones({2});
  auto results = callOp(op, x, x, at::Scalar(2));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].toTensor().equal(x * 3));
  auto sum = callOpUnboxed<torch::Tensor, const torch::Tensor&, const torch::Tensor&, const at::Scalar&>(op, x, x, 2);
  EXPECT_TRUE(sum.equal(x * 3));
}

TEST(FrontEndNamesTest, ChecksTakeMoreText) {
  try {
    TORCH_CHECK_EQ(1, 2) << "more";
    FAIL();
  } catch (const c10::Error& e) { EXPECT_EQ(e.msg(), "Check failed: 1 == 2 (1 vs. 2). more"); }
  EXPECT_THROW(CAFFE_ENFORCE(false, "no"), c10::Error);
}

TEST(FrontEndNamesTest, IndicesAndValuesPrint) {
  using namespace torch::indexing;
  EXPECT_EQ(c10::str(Slice(1, 2, 3)), "1:2:3");
  EXPECT_EQ(Slice().stop(), INDEX_MAX);
  EXPECT_THROW(Slice(0, 1, 0), c10::Error);
  EXPECT_EQ(c10::str(std::vector<TensorIndex>{None, "...", 1, true}), "(None, ..., 1, true)");
  EXPECT_EQ(c10::str(torch::IValue(3.0)), "3.");
  EXPECT_EQ(torch::IValue(3).type()->str(), "int");
}

TEST(FrontEndNamesTest, NamespacesAndOverloads) {
  torch::Tensor a = torch::eye(2) * 2;
  EXPECT_EQ(torch::linalg::det(a).item<float>(), 4);
  EXPECT_EQ(torch::fft::fft(torch::ones({4})).size(0), 4);
  EXPECT_EQ(torch::special::expit(torch::zeros({1})).item<float>(), 0.5f);
  EXPECT_EQ(at::_ops::add_Tensor::call(a, a, 1).sum().item<float>(), 8);
  auto schema = torch::jit::parseSchema("foo::bar(Tensor x, int y=3) -> Tensor");
  EXPECT_EQ(schema.arguments()[1].default_value()->toInt(), 3);
  size_t size = 0;
  AT_DISPATCH_V2(at::kInt, "size", AT_WRAP([&] { size = sizeof(scalar_t); }), AT_EXPAND(AT_ALL_TYPES), at::kBool);
  EXPECT_EQ(size, 4u);
}

TEST(FrontEndNamesTest, FrozenModulesHaveNoParameters) {
  torch::jit::Module m("M");
  m.register_parameter("w", torch::ones({2}), false);
  m.register_attribute("training", c10::BoolType::get(), true);
  m.define("def forward(self, x):\n  return x + self.w\n");
  EXPECT_THROW(torch::jit::freeze(m), c10::Error);
  m.eval();
  auto frozen = torch::jit::freeze(m);
  EXPECT_TRUE(frozen.parameters().empty());
  EXPECT_EQ(frozen.forward({torch::ones({2})}).toTensor().sum().item<float>(), 4);
}

namespace {
struct Collected : c10::WarningHandler {
  void process(const c10::Warning& warning) override { texts.push_back(warning.msg()); }
  std::vector<std::string> texts;
};
}  // namespace

TEST(FrontEndNamesTest, WarningsGoToTheThreadsHandler) {
  Collected own;
  {
    c10::WarningUtils::WarningHandlerGuard guard(&own);
    for (int i = 0; i < 3; i++) TORCH_WARN_ONCE("once ", 1);
    TORCH_WARN("each");
    torch::zeros({2}).index({torch::zeros({2}, torch::kByte)});  // the library's own
  }
  ASSERT_EQ(own.texts.size(), 3u);
  EXPECT_EQ(own.texts[0], "once 1");
  EXPECT_EQ(own.texts[1], "each");
  EXPECT_NE(own.texts[2].find("uint8"), std::string::npos);
  EXPECT_NE(c10::WarningUtils::get_warning_handler(), &own);
}

TEST(FrontEndNamesTest, HandlersOfPyTorch1AreToldToo) {
  struct Old : c10::WarningHandler {
    void process(const c10::SourceLocation& where, const std::string& text, bool) override {
      said = text + (std::string(where.file).empty() ? "" : " in a file");
    }
    std::string said;
  } old;
  auto* before = c10::Warning::get_warning_handler();
  c10::Warning::set_warning_handler(&old);
  TORCH_WARN("told");
  c10::Warning::set_warning_handler(before);
  EXPECT_EQ(old.said, "told in a file");
}

TEST(FrontEndNamesTest, TemporaryFilesGoAway) {
  std::string name;
  {
    auto file = c10::make_tempfile("rushlight-");
    name = file.name;
    torch::save(torch::arange(3), name);
    torch::Tensor back;
    torch::load(back, name);
    EXPECT_TRUE(torch::equal(back, torch::arange(3)));
  }
  EXPECT_FALSE(std::ifstream(name).good());
}

TEST(FrontEndNamesTest, PackedAccessorsOfAllKinds) {
  auto t = torch::arange(6, torch::kFloat).view({2, 3});
  auto restricted = t.packed_accessor32<float, 2, torch::RestrictPtrTraits>();
  torch::PackedTensorAccessor64<float, 2> kept = t.packed_accessor64<float, 2>();
  restricted[1][2] = 7;
  EXPECT_EQ(kept[1][2], 7);
  EXPECT_EQ(kept.transpose(0, 1)[2][1], 7);
  EXPECT_EQ((t.generic_packed_accessor<float, 2>().size(1)), 3);
  EXPECT_THROW((t.packed_accessor32<float, 1>()), c10::Error);
  EXPECT_THROW((t.generic_packed_accessor<float, 2, torch::DefaultPtrTraits, int8_t>().transpose(0, 2)), c10::Error);
  EXPECT_THROW((torch::zeros({200}).generic_packed_accessor<float, 1, torch::DefaultPtrTraits, int8_t>()), c10::Error);
}

TEST(FrontEndNamesTest, InsidesOfTensors) {
  auto x = torch::ones({2, 2}, torch::requires_grad());
  auto of = [](const torch::Tensor& t) {
    auto* meta = static_cast<torch::autograd::DifferentiableViewMeta*>(t.unsafeGetTensorImpl()->autograd_meta());
    EXPECT_TRUE(meta && meta->has_bw_view());
    return meta->get_creation_meta();
  };
  EXPECT_EQ(of(x.view({4})), torch::autograd::CreationMeta::DEFAULT);
  {
    torch::NoGradGuard off;
    EXPECT_EQ(of(x.view({4})), torch::autograd::CreationMeta::NO_GRAD_MODE);
  }
  EXPECT_EQ(of(x.unbind()[0]), torch::autograd::CreationMeta::MULTI_OUTPUT_NODE);
  EXPECT_EQ(torch::ones({1}).unsafeGetTensorImpl()->autograd_meta(), nullptr);
  EXPECT_EQ(x.unsafeGetTensorImpl()->sizes(), x.sizes());
  EXPECT_FALSE(c10::impl::tls_is_dispatch_keyset_excluded(c10::autograd_dispatch_keyset));
  torch::InferenceMode guard;
  EXPECT_TRUE(c10::impl::tls_is_dispatch_keyset_excluded(c10::autograd_dispatch_keyset));
}

TEST(FrontEndNamesTest, BackendsKeepWhatTheyNeedWithATensor) {
  struct Placement : c10::BackendMeta {
    mutable int copies = 0;
    c10::intrusive_ptr<c10::BackendMeta> clone(const c10::intrusive_ptr<c10::BackendMeta>& held) const override {
      copies++;
      return c10::BackendMeta::clone(held);
    }
  };
  auto x = torch::ones({2, 3}), y = torch::zeros({1});
  auto placement = c10::make_intrusive<Placement>();
  EXPECT_FALSE(x.unsafeGetTensorImpl()->get_backend_meta_intrusive_ptr());
  x.unsafeGetTensorImpl()->set_backend_meta(placement);
  EXPECT_EQ(x.unsafeGetTensorImpl()->get_backend_meta(), placement.get());
  EXPECT_EQ(x.detach().unsafeGetTensorImpl()->get_backend_meta(), placement.get());
  EXPECT_EQ(torch::add(x, x).unsafeGetTensorImpl()->get_backend_meta(), nullptr);

  y.unsafeGetTensorImpl()->shallow_copy_from(x.getIntrusivePtr());
  EXPECT_TRUE(y.is_alias_of(x) && y.sizes() == x.sizes());
  EXPECT_EQ(y.unsafeGetTensorImpl()->get_backend_meta_intrusive_ptr(), placement);
  EXPECT_EQ(placement->copies, 1);
  y.unsafeGetTensorImpl()->shallow_copy_from(torch::ones({4}).getIntrusivePtr());
  EXPECT_EQ(y.unsafeGetTensorImpl()->get_backend_meta(), nullptr);
  EXPECT_THROW(x.to_sparse().unsafeGetTensorImpl()->set_backend_meta(placement), c10::Error);
  EXPECT_THROW(y.unsafeGetTensorImpl()->shallow_copy_from(x.to_sparse().getIntrusivePtr()), c10::Error);

  c10::intrusive_ptr<at::TensorImpl> owner = x.getIntrusivePtr();
  EXPECT_TRUE(owner.use_count() == 2 && owner.get() == x.unsafeGetTensorImpl() && torch::Tensor(owner).is_same(x));
}

TEST(FrontEndNamesTest, UndefinedTensorsHaveInsidesThatStayAsTheyAre) {
  torch::Tensor none;
  EXPECT_EQ(none.unsafeGetTensorImpl(), torch::Tensor().unsafeGetTensorImpl());
  EXPECT_EQ(none.unsafeGetTensorImpl()->numel(), 0);
  EXPECT_FALSE(none.getIntrusivePtr().defined());
  auto x = torch::ones({2});
  EXPECT_THROW(none.unsafeGetTensorImpl()->shallow_copy_from(x.getIntrusivePtr()), c10::Error);
  EXPECT_THROW(x.unsafeGetTensorImpl()->shallow_copy_from(none.getIntrusivePtr()), c10::Error);
  EXPECT_THROW(none.unsafeGetTensorImpl()->bump_version(), c10::Error);
}

TEST(FrontEndNamesTest, MetaFunctionsTellResultsWithoutComputingThem) {
  auto a = torch::ones({4}, torch::requires_grad()), b = torch::ones({3, 4}, torch::kDouble);
  auto sum = at::meta::add(a, b);
  EXPECT_TRUE(sum.is_meta() && sum.sizes() == b.sizes() && sum.dtype() == torch::kDouble && !sum.requires_grad());
  EXPECT_TRUE(a.is_cpu() && b.is_cpu());
  EXPECT_EQ(at::meta::linear(a, torch::ones({7, 4}), {}).sizes(), at::IntArrayRef({7}));
  EXPECT_EQ(at::meta::cat({b, b}, 1).sizes(), at::IntArrayRef({3, 8}));
  EXPECT_EQ(std::get<1>(at::meta::topk(b, 2)).dtype(), torch::kLong);
  EXPECT_THROW(at::meta::mm(b, b), c10::Error);
}

TEST(FrontEndNamesTest, CopiesOfValuesShareWhatTheOriginalsShare) {
  auto t = torch::zeros({2});
  c10::List<torch::Tensor> list({t, t, t.clone()});
  auto copy = c10::IValue(list).deepcopy().toTensorVector();
  EXPECT_TRUE(copy[0].is_same(copy[1]));
  EXPECT_FALSE(copy[0].is_alias_of(t) || copy[2].is_same(copy[0]));
  EXPECT_TRUE(c10::IValue(t).isAliasOf(t.view({1, 2})));
}

TEST(FrontEndNamesTest, NamesOfDimensionsAreRefused) {
  EXPECT_EQ(c10::Symbol::dimname("N").toUnqualString(), std::string("N"));
  EXPECT_THROW(torch::ones({1}).refine_names({at::Dimname::fromSymbol(at::Symbol::dimname("N"))}),
               c10::NotImplementedError);
}

TEST(FrontEndNamesTest, MobileModulesAndRanges) {
  torch::jit::Module m("M");
  m.register_parameter("w", torch::ones({2}), false);
  m.define("def forward(self, x):\n  return x + self.w\n");
  std::stringstream lite, plain;
  m._save_for_mobile(lite);
  m.save(plain);
  EXPECT_NE(lite.str().find("bytecode.pkl"), std::string::npos);
  EXPECT_EQ(plain.str().find("bytecode.pkl"), std::string::npos);
  RECORD_FUNCTION("mobile", std::vector<c10::IValue>());
  auto back = torch::jit::_load_for_mobile(lite);
  EXPECT_TRUE(torch::equal(back.forward({torch::ones({2})}).toTensor(), torch::full({2}, 2.0)));
  EXPECT_EQ(back.named_parameters().count("w"), 1u);
}

TEST(FrontEndNamesTest, DevicesOfEveryKindHaveTheirNames) {
  EXPECT_EQ(c10::DeviceType::MKLDNN, c10::DeviceType::Mkldnn);
  EXPECT_EQ(torch::Device("xla:1"), torch::Device(torch::kXLA, 1));
  EXPECT_TRUE(torch::Device(at::kMPS).is_mps() && torch::Device(c10::kXPU).is_xpu() && torch::Device("hip").is_hip());
  EXPECT_FALSE(torch::Device(torch::kXLA).supports_as_strided() || c10::isValidDeviceType(c10::DeviceType(99)));
  EXPECT_EQ(c10::str(torch::kHIP, " ", torch::kMkldnn), "hip Mkldnn");
  EXPECT_EQ(torch::IValue(torch::kCPU).toDevice(), torch::Device("cpu"));
  EXPECT_EQ(torch::getNumGPUs(), 0u);
  EXPECT_EQ(toString(torch::kHalf), std::string("Half"));  // found beside the type
  EXPECT_EQ(elementSize(promoteTypes(torch::kHalf, torch::kDouble)), 8u);
}

TEST(FrontEndNamesTest, ErrorsSayWhatWasBeingDone) {
  try {
    try {
      TORCH_CHECK(false, "no");
    } catch (c10::Error& e) {
      e.add_context("while reading x.pt");
      throw;
    }
  } catch (const c10::Error& e) { EXPECT_STREQ(e.what_without_backtrace(), "no (while reading x.pt)"); }
}

TEST(FrontEndNamesTest, FunctionsOfScriptsHaveTheirOwnSchemas) {
  torch::jit::Module m("Named");
  m.define("def forward(self, x: Tensor, n: int = 3) -> Tensor:\n  return x + n\n");
  auto forward = m.get_method("forward");
  EXPECT_EQ(c10::str(forward.function().getSchema()), "forward(__torch__.Named self, Tensor x, int n=3) -> Tensor");
  EXPECT_EQ(forward.qualname().qualifiedName(), "__torch__.Named.forward");
  EXPECT_EQ(forward.num_inputs(), 3u);
  auto unit = torch::jit::compile("def f(a: Tensor, b: int) -> Tensor:\n  return a + b\n");
  EXPECT_EQ(c10::str(unit->get_function("f").getSchema()), "f(Tensor a, int b) -> Tensor");
  EXPECT_EQ(unit->get_function("f").num_inputs(), 2u);
  EXPECT_EQ(c10::IValue(std::vector<int64_t>{1}).tagKind(), "GenericList");
  EXPECT_EQ(torch::jit::ListType::create(torch::jit::FloatType::get())->annotation_str(), "List[float]");
  EXPECT_EQ(torch::getCustomClass("__torch__.torch.classes.nowhere.None"), nullptr);
  EXPECT_FALSE(torch::isCustomClass(c10::IValue(3)));
}

TEST(FrontEndNamesTest, ModulesAreHeldAsPyTorch1_0HeldThem) {
  torch::jit::Module made("M");
  made.register_parameter("w", torch::ones({2}), false);
  made.define("def forward(self, x):\n  return x + self.w\n");
  std::stringstream file;
  made.save(file);
  std::shared_ptr<torch::jit::script::Module> module = torch::jit::load(file);
  ASSERT_TRUE(module != nullptr);
  module->to(at::kCPU);
  EXPECT_EQ(module->forward({torch::ones({2})}).toTensor().sum().item<float>(), 4);
}

using c10::ivalue::Future;

TEST(FrontEndNamesTest, FuturesBringValuesAndErrors) {
  auto promised = c10::make_intrusive<Future>(c10::IntType::get());
  std::vector<int64_t> heard;
  promised->addCallback([&](Future& f) { heard.push_back(f.value().toInt()); });
  auto next = promised->then([](Future& f) { return c10::IValue(f.value().toInt() + 1); }, c10::IntType::get());
  auto last = next->thenAsync(
      [](Future& f) {
        auto inner = f.createInstance(c10::IntType::get());
        inner->markCompleted(f.value().toInt() * 10);
        return inner;
      },
      c10::IntType::get());
  EXPECT_FALSE(promised->completed() || promised->hasValue() || next->completed());
  EXPECT_THROW(promised->value(), c10::Error);
  std::thread([&] { promised->markCompleted(7); }).join();
  last->waitAndThrow();
  EXPECT_EQ(heard, std::vector<int64_t>{7});
  EXPECT_EQ(last->value().toInt(), 80);
  EXPECT_THROW(promised->markCompleted(8), c10::Error);
  EXPECT_EQ(c10::IValue(promised).toFuture()->value().toInt(), 7);
  EXPECT_EQ(c10::IValue(promised).tagKind(), "Future");
  EXPECT_THROW(c10::IValue(3).toFuture(), c10::Error);

  auto failed = c10::make_intrusive<Future>(c10::TensorType::get());
  auto after = failed->then([](Future& f) { return f.value(); }, c10::TensorType::get());
  failed->setError(std::make_exception_ptr(std::runtime_error("lost")));
  failed->setErrorIfNeeded(std::make_exception_ptr(std::runtime_error("again")));
  failed->wait();
  EXPECT_THROW(after->waitAndThrow(), std::runtime_error);
  EXPECT_TRUE(after->hasError() && after->tryRetrieveErrorMessage() == "lost");
}

TEST(FrontEndNamesTest, MethodsRunOnOtherThreads) {
  torch::jit::Module m("Async");
  m.define("def forward(self, x: Tensor) -> Tensor:\n  return x.view(3) + 1\n");
  auto good = m.get_method("forward").run_async({torch::ones({3})});
  EXPECT_EQ(good->elementType()->str(), "Tensor");
  good->waitAndThrow();
  EXPECT_EQ(good->value().toTensor().sum().item<float>(), 6);
  auto bad = m.get_method("forward").run_async({torch::ones({2})});
  EXPECT_THROW(bad->waitAndThrow(), c10::Error);
  EXPECT_TRUE(bad->hasError());
}
