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
  std::vector<std::shared_ptr<Workspace>> all;
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

void share_bound(const Call& c, Workspace& outer, Workspace& inner) {
  for (auto& [in, out] : bindings(c)) inner.share(in, outer.create(out));
}

// What the nets of If or Do write is in the workspace already.
void keep_outputs(Call& c) {
  for (size_t k = 0; k < c.out.size(); k++) c.out[k] = {};
}

// The gradient of a net inside of an operator: its backward pass, and the gradients by the names of the outer blobs.
MessageRef gradient_net(const Message& net, const std::map<std::string, std::string>& grads, GradientMap& got) {
  std::vector<MessageRef> ops, out;
  for (const MessageRef& o : net.messages("op")) ops.push_back(o);
  std::vector<std::pair<std::string, BlobGradient>> ys;
  for (auto& [y, g] : grads) ys.emplace_back(y, BlobGradient{g, "", ""});
  got = backward_pass(ops, ys, out);
  MessageRef m = make_message("NetDef");
  m->set("name", net.text("name") + "_grad");
  for (MessageRef& o : out) m->append_message("op", o);
  return m;
}

MessageRef net_arg(const std::string& name, const MessageRef& net) {
  MessageRef a = make_message("Argument");
  a->set("name", name);
  a->message("n")->copy_from(*net);
  a->message("n")->touch();
  return a;
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
      .grad([](GradientMaker& m) {
        std::map<std::string, std::string> grads;
        for (size_t k = 0; k < m.op.outputs.size(); k++)
          if (m.has_GO(k)) grads[m.O(k)] = m.GO(k);
        std::vector<MessageRef> args;
        std::map<std::string, std::string> made;
        std::vector<std::string> in{m.I(0)}, out;
        auto once = [](std::vector<std::string>& to, const std::string& s) {
          if (std::find(to.begin(), to.end(), s) == to.end()) to.push_back(s);
        };
        for (const char* name : {"then_net", "else_net"}) {
          MessageRef net = m.op.args.net(name);
          if (!net) continue;
          GradientMap got;
          MessageRef g = gradient_net(*net, grads, got);
          for (auto& [blob, b] : got)
            if (!b.sparse()) made[blob] = b.dense;
          std::set<std::string> local;
          for (const MessageRef& o : g->messages("op")) {
            for (const std::string& s : o->texts("input"))
              if (!local.count(s)) once(in, s);
            for (const std::string& s : o->texts("output")) local.insert(s);
          }
          args.push_back(net_arg(name, g));
        }
        for (size_t k = 1; k < m.op.inputs.size(); k++) {
          auto found = made.find(m.I(k));
          if (found == made.end() || found->second.empty()) continue;
          m.set_dense(k, found->second);
          once(out, found->second);
        }
        m.add("If", in, out, args, false);
      });
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
      .stop();
  r.op("CreateScope", "0 -> 1", [](Call& c) { c.set_value(0, object_value(make_ref<Stack>())); }).stateful().quiet();
  r.op("HasScope", "1 -> 1",
       [](Call& c) {
         c.set(torch::full({1}, !c.object<Stack>(0).all.empty(), torch::TensorOptions().dtype(torch::kBool)));
       })
      .stateful()
      .quiet();
  r.op("Do", "1+ -> 1+",
       [](Call& c) {
         Deeper deeper;
         Workspace& ws = workspace_of(c);
         Stack& stack = c.object<Stack>(c.inputs() - 1);
         bool gradient = c.op.def->whole("is_gradient_op") != 0, reuse = c.b("reuse_workspace");
         std::shared_ptr<Workspace> inner;
         if (gradient) {
           C2_ENFORCE(!stack.all.empty(), "Do: no workspace of a forward run is left");
           inner = stack.all.back();
           stack.all.pop_back();
         } else if (reuse && !stack.all.empty()) {
           inner = stack.all.back();
         } else {
           inner = std::make_shared<Workspace>(ws.root(), nullptr);
         }
         share_bound(c, ws, *inner);
         MessageRef def = c.op.args.net("net");
         C2_ENFORCE(def, "net argument must be specified in Do operator");
         Net(*def, *inner).run(*inner);
         if (!gradient && (!reuse || stack.all.empty())) stack.all.push_back(inner);
         keep_outputs(c);
       })
      .stateful()
      .grad([](GradientMaker& m) {
        MessageRef net = m.op.args.net("net");
        C2_ENFORCE(net, "net argument must be specified in Do operator");
        std::vector<std::string> inner = m.op.args.strings("inner_blobs");
        std::vector<int64_t> at = m.op.args.ints("outer_blobs_idx");
        size_t n_in = m.op.inputs.size() - 1, n_out = m.op.outputs.size() - 1;
        std::map<std::string, std::string> outer_of, inner_of;
        for (size_t k = 0; k < inner.size() && k < at.size(); k++) {
          auto i = size_t(at[k]);
          C2_ENFORCE(i < n_in + n_out, "Invalid blob bindings: index ", at[k]);
          const std::string& o = i < n_in ? m.I(i) : m.O(i - n_in);
          outer_of[inner[k]] = o, inner_of[o] = inner[k];
        }
        std::map<std::string, std::string> grads, given;  // inner blob -> its gradient's name there -> the outer one
        for (size_t k = 0; k < n_out; k++) {
          if (!m.has_GO(k) || !inner_of.count(m.O(k))) continue;
          std::string g = inner_of[m.O(k)] + "/_DO_OPERATOR_INNER_GRAD_";
          grads[inner_of[m.O(k)]] = g;
          given[g] = m.GO(k);
        }
        GradientMap got;
        MessageRef g = gradient_net(*net, grads, got);
        std::vector<std::string> in, out;
        std::vector<std::pair<std::string, std::string>> bound;  // inner name, outer name
        std::vector<MessageRef> copies;
        for (size_t k = 0; k < n_in; k++) {
          auto i = inner_of.find(m.I(k));
          auto found = i == inner_of.end() ? got.end() : got.find(i->second);
          if (found == got.end() || found->second.dense.empty()) continue;
          MessageRef copy = make_message("OperatorDef");
          std::string name = i->second + "/_DO_OPERATOR_INNER_GRAD_COPY_";
          copy->set("type", "Copy").add("input", found->second.dense).add("output", name);
          copies.push_back(copy);
          out.push_back(m.GI(k));
          bound.emplace_back(name, m.GI(k));
        }
        std::set<std::string> overwritten, seen, local;
        for (const MessageRef& op : g->messages("op")) {
          for (const std::string& s : op->texts("input")) {
            if (overwritten.count(s)) continue;
            auto o = outer_of.find(s);
            auto d = given.find(s);
            if (o == outer_of.end() && d == given.end()) {
              local.insert(s);
              continue;
            }
            const std::string& name = o != outer_of.end() ? o->second : d->second;
            if (std::find(in.begin(), in.end(), name) == in.end()) in.push_back(name);
            if (seen.insert(s).second) bound.emplace_back(s, name);
          }
          overwritten.insert(op->texts("output").begin(), op->texts("output").end());
        }
        for (MessageRef& copy : copies) g->append_message("op", copy);
        MessageRef texts = make_message("Argument"), saved = make_message("Argument");
        texts->set("name", "inner_blobs");
        saved->set("name", "saved_fwd_blobs");
        saved->mutable_texts("strings").assign(local.begin(), local.end());
        std::vector<int64_t> places;
        for (auto& [i, o] : bound) {
          texts->add("strings", i);
          auto b = std::find(in.begin(), in.end(), o);
          places.push_back(b != in.end() ? b - in.begin()
                                         : int64_t(in.size()) + (std::find(out.begin(), out.end(), o) - out.begin()));
        }
        in.push_back(m.op.inputs.back());
        out.push_back(m.op.inputs.back());
        m.add("Do", in, out, {net_arg("net", g), texts, ints_arg("outer_blobs_idx", places), saved}, false);
      });
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
         out->items = workspace_of(c).names();
         out->sizes = {int64_t(out->items.size())};
         c.set_value(0, object_value(out));
       })
      .stateful()
      .quiet();
}

}  // namespace rushlight::caffe2
