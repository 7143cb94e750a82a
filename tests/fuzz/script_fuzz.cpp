// libFuzzer targets for the two texts that programs are made of: RL_FUZZ is `script`, the source of functions, or `graph`, a graph's own text.
// What compiles is optimised, printed and parsed again, and never run: it may loop for ever. Any end but an Error is a bug.
#include <string_view>

#include "rushlight/core/error.h"
#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

using namespace rushlight;

namespace {

class NoNames final : public script::Resolver {
 public:
  script::SugaredPtr resolve(const std::string&, const script::Range&) override { return nullptr; }
};

void optimised(graph::Graph& g) {
  g.check();
  graph::optimize(g);
  g.lint();
}

[[maybe_unused]] void read_script(std::string text) {
  auto source = std::make_shared<script::Source>(script::Source{std::move(text), "fuzz.py", 1});
  for (const script::StmtPtr& s : script::parse_module(source)) {
    if (s->kind != script::Stmt::Kind::Def) continue;
    auto f = script::lazy_function(s->text, s, std::make_shared<NoNames>());
    auto graph = f->made()->copy();
    std::vector<IValue> constants;
    script::TextOptions options{constants};
    script::function_code(*f, options);
    optimised(*graph);
  }
}

[[maybe_unused]] void read_graph(std::string text) {
  auto g = graph::parse_graph(text);
  g->check();
  graph::parse_graph(g->text());
  optimised(*g);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;  // the first byte chooses options where there are any
  try {
#define RL_READ(what) read_##what
#define RL_READER(what) RL_READ(what)
    RL_READER(RL_FUZZ)(std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Internal) throw;
  }
  return 0;
}
