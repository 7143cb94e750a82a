// Operators that run nets: If, While, Do and the scopes that it keeps; and what only says something about gradients.
#include <algorithm>
#include <set>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::caffe2 {
namespace {

// A net of an argument, made at the first run.
struct KeptNet final : RefCounted { std::unique_ptr<Net> net; };

Net& inner_net(const Op& op, const char* arg, Workspace& ws) {
  Ref<RefCounted>& kept = op.kept[arg];
  if (!kept) {
    MessageRef def = op.args.net(arg);
    C2_ENFORCE(def, op.type, ": argument ", arg, " should be a net");
    auto k = make_ref<KeptNet>();
    k->net = std::make_unique<Net>(*def, ws);
    kept = k;
  }
  return *static_cast<KeptNet*>(kept.get())->net;
}

bool condition(const Call& c, const Value& v) {
  C2_ENFORCE(v.is_tensor() && Tensor(v.tensor()).numel() == 1, c.op.type,
             ": Invalid condition tensor: expected one bool");
  return Tensor(v.tensor()).reshape({}).to(torch::kBool).item<bool>();
}

Workspace& workspace_of(const Call& c) {
  C2_ENFORCE(c.ws, c.op.type, " runs in workspaces only");
  return *c.ws;
}

// How deep nets may run each other: each level takes some of the stack.
thread_local int depth = 0;
struct Deeper {
  Deeper() {
    C2_ENFORCE(depth < 200, "nets run each other more than 200 deep");
    depth++;
  }
  ~Deeper() { depth--; }
};

// The workspaces that Do used, for its gradient.
struct Stack final : Object {
  const char* type_name() const override { return "detail::WorkspaceStack"; }
  struct Used {
    std::shared_ptr<Workspace> ws;
    std::set<std::string> own;  // blobs of the outer workspace that were copied
  };
  std::vector<Used> all;
};

std::vector<std::pair<std::string, std::string>> bindings(const Call& c) {
  std::vector<std::string> inner = c.op.args.strings("inner_blobs");
  std::vector<int64_t> at = c.ints("outer_blobs_idx");
  C2_ENFORCE(inner.size() == at.size(), "inner_blobs and outer_blobs_idx should have the same length");
  std::vector<std::pair<std::string, std::string>> pairs;
  // The last of the inputs and of the outputs is the workspaces', which isn't counted.
  auto n_in = int64_t(c.op.inputs.size()) - 1, n_out = int64_t(c.op.outputs.size()) - 1;
  for (size_t k = 0; k < inner.size(); k++) {
    int64_t i = at[k];
    C2_ENFORCE(i >= 0 && i < n_in + n_out, "Invalid blob bindings: index ", i);
    pairs.emplace_back(inner[k], i < n_in ? c.op.inputs[size_t(i)] : c.op.outputs[size_t(i - n_in)]);
  }
  return pairs;
}

// Runs the net of Do in a workspace that has the outer blobs under their inner names.
void run_scope(const Call& c) {
  Deeper deeper;
  Workspace& ws = workspace_of(c);
  Stack& stack = c.object<Stack>(c.inputs() - 1);
  bool gradient = c.op.def->whole("is_gradient_op") != 0, again = c.b("reuse_workspace") && !stack.all.empty();
  MessageRef def = c.op.args.net("net");
  C2_ENFORCE(def, "net argument must be specified in Do operator");
  Stack::Used used;
  if (gradient) {
    C2_ENFORCE(!stack.all.empty(), "Do: no workspace of a forward run is left");
    used = std::move(stack.all.back());
    stack.all.pop_back();
  } else if (again) {
    used = stack.all.back();
  } else {
    used.ws = std::make_shared<Workspace>(ws.root(), nullptr);
  }
  Workspace& inner = *used.ws;
  std::vector<std::pair<std::string, std::string>> bound = bindings(c);
  for (auto& [in, out] : bound)
    if (!gradient || !used.own.count(in)) inner.share(in, ws.create(out));
  Net(*def, inner).run(inner);
  if (gradient) return;
  if (c.b("copy_external_blobs"))  // what later rounds overwrite is as it was, for the gradient of this one
    for (auto& [in, out] : bound) {
      auto kept = std::make_shared<Blob>();
      kept->value = inner.blob(in);
      inner.share(in, kept);
      used.own.insert(in);
    }
  if (!again) stack.all.push_back(std::move(used));
}

// What the nets of If or Do write is in the workspace already.
void keep_outputs(Call& c) {
  for (size_t k = 0; k < c.out.size(); k++) c.out[k] = {};
}

void run_foreign(Call& c) {
  C2_ENFORCE(foreign_function(), c.op.type, ": there is no Python in this process");
  foreign_function()(c);
}

}  // namespace

Run& foreign_function() {
  static auto& run = *new Run;
  return run;
}

void add_control(Registry& r) {
  r.op("If", "1+ -> 0+",
       [](Call& c) {
         Deeper deeper;
         Workspace& ws = workspace_of(c);
         if (condition(c, c.in[0])) inner_net(c.op, "then_net", ws).run(ws);
         else if (c.has_arg("else_net")) inner_net(c.op, "else_net", ws).run(ws);
         keep_outputs(c);
       })
      .stateful()
      .grad(if_gradient);
  r.op("While", "1+ -> 0+",
       [](Call& c) {
         Deeper deeper;
         Workspace& ws = workspace_of(c);
         Net& loop = inner_net(c.op, "loop_net", ws);
         Net* test = c.has_arg("cond_net") ? &inner_net(c.op, "cond_net", ws) : nullptr;
         const std::string& name = c.op.inputs[0];
         while (true) {
           if (test) test->run(ws);
           if (!condition(c, ws.blob(name))) break;
           loop.run(ws);
         }
         keep_outputs(c);
       })
      .stateful()
      .grad(while_gradient);
  r.op("CreateScope", "0 -> 1", [](Call& c) { c.set_value(0, object_value(make_ref<Stack>())); }).stateful().quiet();
  r.op("HasScope", "1 -> 1",
       [](Call& c) {
         c.set(torch::full({1}, !c.object<Stack>(0).all.empty(), torch::TensorOptions().dtype(torch::kBool)));
       })
      .stateful()
      .quiet();
  r.op("Do", "1+ -> 1+",
       [](Call& c) {
         run_scope(c);
         keep_outputs(c);
       })
      .stateful()
      .grad(do_gradient);
  // Inputs of the gradient: those of the operator, its outputs, and gradients of outputs.
  r.op("Python", "0+ -> 0+", run_foreign).stateful().grad([](GradientMaker& m) {
    auto places = [&](const char* name, size_t all) {
      std::vector<int64_t> at = m.op.args.ints(name);
      for (size_t k = 0; !m.op.args.has(name) && k < all; k++) at.push_back(int64_t(k));
      return at;
    };
    std::vector<std::string> in = m.op.inputs, out;
    in.insert(in.end(), m.op.outputs.begin(), m.op.outputs.end());
    for (int64_t k : places("grad_output_indices", m.op.outputs.size())) in.push_back(m.GO(size_t(k)));
    for (int64_t k : places("grad_input_indices", m.op.inputs.size())) out.push_back(m.GI(size_t(k)));
    m.add("PythonGradient", in, out);
  });
  r.op("PythonGradient", "0+ -> 0+", run_foreign).stateful();
  r.op("StopGradient", "1 -> 1", [](Call& c) { c.set_value(0, c.in[0]); }).quiet();
  r.op("ZeroGradient", "1 -> 0", [](Call&) {}).grad([](GradientMaker& m) {
    m.add("ConstantFill", {m.I(0)}, {m.GI(0)}, {}, true);
  });
  r.op("Free", "1+ -> 1+",
       [](Call& c) {
         Workspace& ws = workspace_of(c);
         for (const std::string& o : c.op.outputs) ws.create(o)->value = {};
       })
      .stateful()
      .quiet();
  r.op("Print", "1-2 -> 0", [](Call&) {}).stateful().quiet();
  r.op("Assert", "1 -> 0",
       [](Call& c) {
         std::string text = c.s("error_msg", "");
         C2_ENFORCE(c.X().to(torch::kBool).all().item<bool>(), "Assertion failed for element(s). ", text);
       })
      .stateful()
      .quiet();
  r.op("ThrowException", "0 -> 0", [](Call& c) { C2_FAIL(c.s("message", "Exception from ThrowExceptionOp")); })
      .stateful()
      .quiet();
  r.op("EnforceFinite", "1 -> 0",
       [](Call& c) {
         C2_ENFORCE(c.X().isfinite().all().item<bool>(), "Index is not finite (e.g., NaN, Inf): ", c.op.inputs[0]);
       })
      .stateful()
      .quiet();
  r.op("GetAllBlobNames", "0 -> 1",
       [](Call& c) {
         auto out = make_ref<StringTensor>();
         out->items = c.b("include_shared", true) ? workspace_of(c).names() : workspace_of(c).local_names();
         out->sizes = {int64_t(out->items.size())};
         c.set_value(0, object_value(out));
       })
      .stateful()
      .quiet();
}

}  // namespace rushlight::caffe2
