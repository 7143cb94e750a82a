// Graphs as text: printing and parsing, every pass by the cases in tests/graph/*.txt, and runs of the executor.
//
// A case:  "pass NAME", a graph, "becomes", a graph (or "same"); cases are set apart by lines of "====". Methods of classes that the
// graphs name stand before the pass, and what the pass made of them behind the graph: "method NAME of __torch__.Class", a graph.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "rushlight/fn/ones.h"
#include "rushlight/graph/executor/executor.h"
#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

void optimize_pass(Graph& g) { optimize(g); }
void constants_pass(Graph& g) {
  propagate_constants(g);
  eliminate_dead(g);
}
template <bool (*pass)(Graph&)>
void one(Graph& g) {
  pass(g);
}
void peephole_pass(Graph& g) {
  peephole(g, true);
  eliminate_dead(g);
}

const std::map<std::string, void (*)(Graph&)> kPasses = {
    {"peephole", peephole_pass},       {"constants", constants_pass},     {"pool", one<pool_constants>},
    {"common", one<eliminate_common>}, {"dead", one<eliminate_dead>},     {"optimize", optimize_pass},
    {"inline", one<inline_calls>},     {"outline", outline_traced_calls}, {"mutation", one<remove_mutation>},
    {"networks", one<form_networks>},  {"checks", one<settle_checks>},    {"pointwise", one<fuse_pointwise>},
    {"forks", one<inline_forks>},      {"tuples", one<lower_tuples>},
};

std::vector<std::string> split(const std::string& text, const std::string& line) {
  std::vector<std::string> parts{""};
  std::istringstream in(text);
  for (std::string l; std::getline(in, l);) {
    if (l.starts_with(line)) parts.push_back(l.substr(line.size()) + "\n");
    else if (!l.starts_with("#")) parts.back() += l + "\n";
  }
  return parts;
}

// The classes of one side of a case, by name: in parsed graphs each mention of one is a class of its own.
class Classes {
 public:
  std::shared_ptr<Graph> graph(const std::string& text) {
    auto g = parse_graph(text);
    settle(*g->block());
    return g;
  }
  // "forward of __torch__.Net\n", graph
  void method(const std::string& text) {
    std::istringstream in(text);
    auto f = std::make_shared<Function>();
    std::string of, cls, rest;
    in >> f->name >> of >> cls;
    std::getline(in, rest, '\0');
    f->graph = graph(rest);
    named(cls)->add_method(f);
  }
  // All methods, as method() reads them.
  std::string text() {
    std::string out;
    for (const auto& [name, c] : classes_)
      for (const auto& f : c->methods) out += "method " + f->name + " of " + name + "\n" + f->made()->text();
    return out;
  }

 private:
  std::shared_ptr<ClassType>& named(const std::string& name) {
    auto& c = classes_[name];
    if (!c) c = std::make_shared<ClassType>(name, true);
    return c;
  }
  void settle(const std::vector<Value*>& values) {
    for (Value* v : values)
      if (const ClassType* c = as_class(v->type())) v->set_type(named(c->name()));
  }
  void settle(Block& b) {
    settle(b.inputs());
    for (Node* n : b) {
      settle(n->outputs());
      for (Block* inner : n->blocks()) settle(*inner);
    }
  }
  std::map<std::string, std::shared_ptr<ClassType>> classes_;
};

TEST(Graph, Passes) {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/graph")) {
    std::ifstream file(entry.path());
    std::stringstream all;
    all << file.rdbuf();
    for (const std::string& text : split(all.str(), "====")) {
      size_t start = text.find("pass ");
      ASSERT_NE(start, std::string::npos) << entry.path() << ": " << text;
      size_t end = text.find('\n', start);
      std::string name = text.substr(start + 5, end - start - 5);
      ASSERT_TRUE(kPasses.contains(name)) << entry.path() << ": no pass " << name;
      auto sides = split(text.substr(end), "becomes");
      ASSERT_EQ(sides.size(), 2u) << text;
      Classes given, expected;
      for (const std::string& m : split(text.substr(0, start), "method "))
        if (m.find("graph(") != std::string::npos) given.method(m), expected.method(m);
      auto graph = given.graph(sides[0]);
      bool same = sides[1].find("same") < 2;
      auto made = split(same ? sides[0] : sides[1], "method ");
      auto wanted = expected.graph(made[0]);
      for (size_t i = 1; i < made.size(); i++) expected.method(made[i]);
      if (name != "outline") graph->lint();  // a trace uses values of inside a call behind it
      kPasses.at(name)(*graph);
      graph->lint();
      EXPECT_EQ(graph->text(), wanted->text()) << entry.path() << ": pass " << name << " of\n" << sides[0];
      EXPECT_EQ(given.text(), expected.text()) << entry.path() << ": methods after pass " << name;
      cases++;
    }
  }
  EXPECT_GT(cases, 20);
}

// Convolution, sum, function and pool are one; a check that only raises goes before them, what looks at their shapes behind. Text can't say
// weights.
TEST(Graph, NetworksOfConvolutions) {
  auto graph = parse_graph(
      "graph(%x : Tensor, %y : Tensor, %w : Tensor):\n"
      "  %f : bool = prim::Constant[value=0]()\n"
      "  %1 : int = prim::Constant[value=1]()\n"
      "  %4 : int = prim::Constant[value=4]()\n"
      "  %text : str = prim::Constant[value=\"expected 4 dimensions\"]()\n"
      "  %none : NoneType = prim::Constant()\n"
      "  %one : int[] = prim::Constant[value=[1, 1]]()\n"
      "  %zero : int[] = prim::Constant[value=[0, 0]]()\n"
      "  %a : Tensor = aten::conv2d(%x, %w, %none, %one, %one, %one, %1)\n"
      "  %dim : int = aten::dim(%y)\n"
      "  %ne : bool = aten::ne(%dim, %4)\n"
      "   = prim::If(%ne)\n"
      "    block0():\n"
      "       = prim::RaiseException(%text)\n"
      "      -> ()\n"
      "    block1():\n"
      "      -> ()\n"
      "  %b : Tensor = aten::add(%a, %y, %1)\n"
      "  %sizes : int[] = aten::size(%b)\n"
      "  %c : Tensor = aten::relu(%b)\n"
      "  %d : Tensor = aten::max_pool2d(%c, %one, %one, %zero, %one, %f)\n"
      "  %e : Tensor = aten::view(%d, %sizes)\n"
      "  return (%e)\n");
  Value* weight = graph->inputs()[2];
  graph->set_insert_point(graph->block()->first());
  weight->replace_all_uses_with(graph->insert_constant(IValue(ones({4, 3, 3, 3})), Type::tensor()));
  EXPECT_TRUE(find_pass("optimize")->run(*graph));
  EXPECT_TRUE(form_networks(*graph));
  graph->lint();
  graph->check();
  std::string text = graph->text(false);
  size_t raises = text.find("prim::RaiseException"), network = text.find("prim::Network(%x, %y)"),
         pool = text.find("max_pool2d"), sizes = text.find("aten::size"), view = text.find("aten::view");
  EXPECT_TRUE(raises < network && network < pool && pool < sizes && sizes < view && view != std::string::npos) << text;
  EXPECT_FALSE(form_networks(*graph));  // nothing is left
}

// Linear layers are a group of their own, with the functions behind them; small ones stay what they are.
TEST(Graph, NetworksOfLinearLayers) {
  auto graph = parse_graph(
      "graph(%x : Tensor, %w : Tensor, %small : Tensor):\n"
      "  %none : NoneType = prim::Constant()\n"
      "  %a : Tensor = aten::linear(%x, %w, %none)\n"
      "  %b : Tensor = aten::relu(%a)\n"
      "  %c : Tensor = aten::linear(%b, %w, %none)\n"
      "  %d : Tensor = aten::tanh(%c)\n"
      "  %e : Tensor = aten::linear(%d, %small, %none)\n"
      "  return (%e)\n");
  graph->set_insert_point(graph->block()->first());
  for (auto [input, rows] : {std::pair(1, 160), std::pair(2, 8)})
    graph->inputs()[size_t(input)]->replace_all_uses_with(
        graph->insert_constant(IValue(ones({rows, 160})), Type::tensor()));
  EXPECT_TRUE(form_networks(*graph));
  graph->lint();
  std::string text = graph->text(false);
  size_t group = text.find("prim::Network(%x)"), last = text.find("aten::tanh"), given = text.find("-> (", last),
         small = text.find("aten::linear(", given);
  EXPECT_TRUE(group < last && last < given && given < small && small != std::string::npos) << text;
  EXPECT_FALSE(form_networks(*graph));
}

TEST(Graph, PrintsWhatItParses) {
  const char* text =
      "graph(%x : Float(2, 3, strides=[3, 1], requires_grad=0, device=cpu),\n"
      "      %n : int):\n"
      "  %2 : int = prim::Constant[value=1]() # net.py:3:4\n"
      "  %3 : bool = prim::Constant[value=1]()\n"
      "  %y : Tensor = prim::Loop(%n, %3, %x)\n"
      "    block0(%i : int, %y.1 : Tensor):\n"
      "      %y.2 : Tensor = aten::add(%y.1, %y.1, %2)\n"
      "      -> (%3, %y.2)\n"
      "  return (%y)\n";
  auto graph = parse_graph(text);
  graph->lint();
  EXPECT_EQ(graph->text(false), parse_graph(graph->text(false))->text(false));
  EXPECT_EQ(graph->copy()->text(), graph->text());
}

TEST(Graph, RefusesWhatIsNoGraph) {
  for (const char* text : {"", "graph(", "graph(%x : Tensor):\n  return (%y)",
                           "graph(%x : Tensor):\n  %x : Tensor = aten::t(%x)\n  return (%x)"})
    EXPECT_THROW(parse_graph(text), RuntimeError) << text;
}

TEST(Graph, RunsLoopsAndBranches) {
  auto graph = parse_graph(R"(graph(%n : int):
  %zero : int = prim::Constant[value=0]()
  %two : int = prim::Constant[value=2]()
  %true : bool = prim::Constant[value=1]()
  %sum : int = prim::Loop(%n, %true, %zero)
    block0(%i : int, %s : int):
      %m : int = aten::remainder(%i, %two)
      %even : bool = aten::eq(%m, %zero)
      %next : int = prim::If(%even)
        block0():
          %a : int = aten::add(%s, %i)
          -> (%a)
        block1():
          -> (%s)
      -> (%true, %next)
  return (%sum))");
  Executable program(graph);
  for (int n : {0, 1, 5, 10}) {
    int64_t wanted = 0;
    for (int i = 0; i < n; i += 2) wanted += i;
    EXPECT_EQ(program.run({IValue(n)})[0].to_int(), wanted);
  }
}

}  // namespace
}  // namespace rushlight::graph
