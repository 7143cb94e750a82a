// Graphs as text: printing and parsing, every pass by the cases in tests/graph/*.txt, and runs of the executor.
//
// A case:  "pass NAME", a graph, "becomes", a graph (or "same"); cases are set apart by lines of "====".
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
template <bool (*pass)(Graph&)>
void one(Graph& g) {
  pass(g);
}
template <bool (*pass)(Graph&)>
void and_dead(Graph& g) {
  pass(g);
  eliminate_dead(g);
}

const std::map<std::string, void (*)(Graph&)> kPasses = {
    {"peephole", and_dead<peephole>}, {"constants", and_dead<propagate_constants>},
    {"pool", one<pool_constants>},    {"common", one<eliminate_common>},
    {"dead", one<eliminate_dead>},    {"optimize", optimize_pass},
};

std::vector<std::string> split(const std::string& text, const std::string& line) {
  std::vector<std::string> parts{""};
  std::istringstream in(text);
  for (std::string l; std::getline(in, l);) {
    if (l.starts_with(line)) parts.emplace_back();
    else if (!l.starts_with("#")) parts.back() += l + "\n";
  }
  return parts;
}

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
      auto graph = parse_graph(sides[0]);
      bool same = sides[1].find("same") == 0;
      auto wanted = parse_graph(same ? sides[0] : sides[1]);
      graph->lint();
      kPasses.at(name)(*graph);
      graph->lint();
      EXPECT_EQ(graph->text(), wanted->text()) << entry.path() << ": pass " << name << " of\n" << sides[0];
      cases++;
    }
  }
  EXPECT_GT(cases, 20);
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
