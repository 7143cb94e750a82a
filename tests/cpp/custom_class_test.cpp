// Classes of C++ in scripts and archives, and the pointers that hold their objects.
#include <gtest/gtest.h>
#include <torch/custom_class.h>
#include <torch/script.h>

#include <sstream>
#include <thread>

namespace {

int gone = 0;
struct Counted : c10::intrusive_ptr_target {
  explicit Counted(int v) : value(v) {}
  ~Counted() override { gone++; }
  int value;
};

struct Bag : torch::CustomClassHolder {
  explicit Bag(std::vector<std::string> items) : items(std::move(items)) {}
  void put(std::string item) { items.push_back(std::move(item)); }
  std::string take() {
    TORCH_CHECK_INDEX(!items.empty(), "the bag is empty");
    std::string last = items.back();
    items.pop_back();
    return last;
  }
  int64_t size() const { return int64_t(items.size()); }
  void pour(const c10::intrusive_ptr<Bag>& from) {
    for (const std::string& i : from->items) put(i);
    from->items.clear();
  }
  std::vector<std::string> items;
  double weight = 1.5;
};
auto registered =
    torch::class_<Bag>("bags", "Bag")
        .def(torch::init<std::vector<std::string>>())
        .def("put", &Bag::put)
        .def("take", &Bag::take)
        .def("size", &Bag::size)
        .def("pour", &Bag::pour)
        .def("copy", [](const c10::intrusive_ptr<Bag>& self) { return c10::make_intrusive<Bag>(self->items); })
        .def("scaled", [](const c10::intrusive_ptr<Bag>& self, double by) { return self->weight * by; }, "",
             {torch::arg("by") = 2.0})
        .def("up_to",
             [](const c10::intrusive_ptr<Bag>& self, std::optional<int64_t> n) { return n.value_or(self->size()); }, "",
             {torch::arg("n") = torch::arg::none()})
        .def("halves",
             [](const c10::intrusive_ptr<Bag>& self) { return std::make_tuple(self->size() / 2, self->weight / 2); })
        .def("named",
             [](const c10::intrusive_ptr<Bag>& self) {
               return std::make_tuple(std::make_tuple(std::string("weight"), self->weight));
             })
        .def_readwrite("weight", &Bag::weight)
        .def_static("empty", [] { return c10::make_intrusive<Bag>(std::vector<std::string>()); })
        .def_pickle([](const c10::intrusive_ptr<Bag>& self) { return self->items; },
                    [](std::vector<std::string> items) { return c10::make_intrusive<Bag>(std::move(items)); });

int64_t bag_size(const c10::intrusive_ptr<Bag>& bag) { return bag->size(); }
TORCH_LIBRARY(bags, m) { m.def("bag_size", &bag_size); }

torch::jit::Module scripted(const std::string& text) {
  torch::jit::Module m("M");
  m.define(text);
  return m;
}

}  // namespace

TEST(IntrusivePtrTest, OwnersAreCounted) {
  gone = 0;
  auto p = c10::make_intrusive<Counted>(3);
  c10::intrusive_ptr<Counted> q = p;
  EXPECT_EQ(p.use_count(), 2u);
  EXPECT_TRUE(p == q && p.defined() && !p.unique());
  q.reset();
  EXPECT_TRUE(p.unique() && !q);
  c10::weak_intrusive_ptr<Counted> weak(p);
  EXPECT_EQ(weak.lock()->value, 3);
  Counted* raw = p.release();
  EXPECT_FALSE(p);
  p = c10::intrusive_ptr<Counted>::reclaim(raw);
  c10::intrusive_ptr<c10::intrusive_ptr_target> base = p;
  EXPECT_EQ(c10::static_intrusive_pointer_cast<Counted>(base)->value, 3);
  EXPECT_EQ(c10::dynamic_intrusive_pointer_cast<Counted>(base)->value, 3);
  base.reset();
  p.reset();
  EXPECT_TRUE(weak.expired() && !weak.lock());
  weak.reset();
  EXPECT_EQ(gone, 1);
}

TEST(IntrusivePtrTest, ThreadsMayShareOne) {
  gone = 0;
  {
    auto p = c10::make_intrusive<Counted>(1);
    c10::weak_intrusive_ptr<Counted> weak(p);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
      threads.emplace_back([p, weak] {
        for (int i = 0; i < 1000; i++) {
          auto mine = weak.lock();
          EXPECT_TRUE(mine && mine->value == 1);
        }
      });
    for (auto& t : threads) t.join();
    EXPECT_TRUE(p.unique());
  }
  EXPECT_EQ(gone, 1);
}

TEST(CustomClassTest, ValuesHoldObjects) {
  torch::IValue v = torch::make_custom_class<Bag>(std::vector<std::string>{"a", "b"});
  EXPECT_TRUE(v.isCustomClass() && v.isObject());
  EXPECT_EQ(v.toCustomClass<Bag>()->take(), "b");
  EXPECT_EQ(v.type()->str(), "__torch__.torch.classes.bags.Bag");
  EXPECT_THROW(torch::IValue(3).toCustomClass<Bag>(), c10::Error);
  EXPECT_THROW(torch::class_<Bag>("bags", "Bag"), c10::Error);      // taken
  EXPECT_THROW(torch::class_<Bag>("bags", "No name"), c10::Error);  // no name
}

TEST(CustomClassTest, ScriptsMakeAndCallThem) {
  auto m = scripted(
      "def forward(self, items : List[str]) -> Tuple[str, int, float, float]:\n"
      "  bag = torch.classes.bags.Bag(items)\n"
      "  bag.put('z')\n"
      "  other = bag.copy()\n"
      "  bag.pour(other)\n"
      "  half, weight = bag.halves()\n"
      "  bag.weight = 4.0\n"
      "  return bag.take(), half + torch.classes.bags.Bag.empty().size(), bag.scaled(), bag.scaled(3.0) + "
      "bag.weight\n");
  auto out = m.forward({std::vector<std::string>{"a", "b"}}).toTuple()->elements();
  EXPECT_EQ(out[0].toStringRef(), "z");
  EXPECT_EQ(out[1].toInt(), 3);
  EXPECT_EQ(out[2].toDouble(), 8);
  EXPECT_EQ(out[3].toDouble(), 16);
}

TEST(CustomClassTest, ErrorsOfMethodsComeThrough) {
  auto m = scripted("def forward(self) -> str:\n  return torch.classes.bags.Bag.empty().take()\n");
  try {
    m.forward({});
    FAIL() << "taken from an empty bag";
  } catch (const c10::Error& e) { EXPECT_NE(e.msg().find("the bag is empty"), std::string::npos); }
  EXPECT_THROW(scripted("def forward(self):\n  return torch.classes.bags.Sack()\n"), c10::Error);
  EXPECT_THROW(scripted("def forward(self):\n  return torch.classes.bags.Bag.empty().steal()\n"), c10::Error);
  EXPECT_THROW(scripted("def forward(self):\n  return torch.classes.bags.Bag(3)\n"), c10::Error);
}

TEST(CustomClassTest, ModulesKeepThemInArchives) {
  torch::jit::Module net("Net");
  net.register_attribute("bag", torch::getCustomClassType<c10::intrusive_ptr<Bag>>(),
                         torch::make_custom_class<Bag>(std::vector<std::string>{"a", "b"}));
  net.define(
      "def more(self, item : str) -> int:\n  self.bag.put(item)\n  return self.bag.size()\n"
      "def forward(self, bag : torch.classes.bags.Bag) -> int:\n  return bag.size() + self.bag.size()\n");
  std::stringstream file;
  net.save(file);
  auto back = torch::jit::load(file);
  EXPECT_EQ(back.run_method("more", std::string("c")).toInt(), 3);
  EXPECT_EQ(net.attr("bag").toCustomClass<Bag>()->size(), 2);
  EXPECT_EQ(back.forward({net.attr("bag")}).toInt(), 5);
}

TEST(CustomClassTest, OperatorsTakeThem) {
  auto bag = c10::make_intrusive<Bag>(std::vector<std::string>{"a"});
  auto op = c10::Dispatcher::singleton()
                .findSchemaOrThrow("bags::bag_size", "")
                .typed<int64_t(const c10::intrusive_ptr<Bag>&)>();
  EXPECT_EQ(op.call(bag), 1);
  auto m =
      scripted("def forward(self) -> int:\n  return torch.ops.bags.bag_size(torch.classes.bags.Bag(['a', 'b']))\n");
  EXPECT_EQ(m.forward({}).toInt(), 2);
}

TEST(CustomClasses, DefaultsOfNoneAndResultsThatAreOneTuple) {
  auto m = scripted(
      "def forward(self) -> Tuple[int, int, str]:\n"
      "  bag = torch.classes.bags.Bag(['a', 'b'])\n"
      "  return bag.up_to(), bag.up_to(1), bag.named()[0]\n");
  auto all = m.forward({}).toTuple()->elements();
  EXPECT_EQ(all[0].toInt(), 2);
  EXPECT_EQ(all[1].toInt(), 1);
  EXPECT_EQ(all[2].toStringRef(), "weight");
}
