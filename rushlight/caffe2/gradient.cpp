#include "rushlight/caffe2/gradient.h"

#include <algorithm>
#include <set>

namespace rushlight::caffe2 {

// ---- arguments -------------------------------------------------------------------------------------------------------

static MessageRef named_arg(const std::string& name) {
  MessageRef a = make_message("Argument");
  a->set("name", name);
  return a;
}
MessageRef int_arg(const std::string& name, int64_t v) {
  MessageRef a = named_arg(name);
  a->set("i", v);
  return a;
}
MessageRef float_arg(const std::string& name, double v) {
  MessageRef a = named_arg(name);
  a->set("f", v);
  return a;
}
MessageRef text_arg(const std::string& name, std::string v) {
  MessageRef a = named_arg(name);
  a->set("s", std::move(v));
  return a;
}
MessageRef ints_arg(const std::string& name, std::vector<int64_t> v) {
  MessageRef a = named_arg(name);
  a->mutable_wholes("ints") = std::move(v);
  return a;
}

// ---- specs -----------------------------------------------------------------------------------------------------------

GradientSpec::GradientSpec(std::string_view text) {
  size_t colon = text.find(": ");
  type = text.substr(0, colon);
  text.remove_prefix(colon + 2);
  std::vector<Token>* side = &inputs;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    std::string_view w = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (w == "->") {
      side = &outputs;
      continue;
    }
    Token t{Token::In, -1, w.ends_with('?')};
    bool grad = w.starts_with('G');
    if (grad) w.remove_prefix(1);
    t.kind = w[0] == 'I' ? (grad ? Token::GradIn : Token::In) : (grad ? Token::GradOut : Token::Out);
    if (w[1] != '*') t.index = w[1] - '0';
    side->push_back(t);
  }
}

void GradientSpec::run(const OpType& forward, Call& c) const {
  // What each input of the gradient operator is; `*` takes those that the others leave.
  auto expand = [](const std::vector<Token>& tokens, size_t have) {
    size_t fixed = 0;
    for (const Token& t : tokens) fixed += t.index >= 0 && !t.optional;
    std::vector<Token> out;
    size_t more = have - std::min(have, fixed);
    for (Token t : tokens) {
      if (t.index < 0) {
        for (int k = 0; more > 0; k++, more--) out.push_back({t.kind, k, false});
      } else if (!t.optional || more > 0) {
        if (t.optional) more--;
        out.push_back(t);
      }
    }
    return out;
  };
  std::vector<Token> in = expand(inputs, c.inputs()), out = expand(outputs, c.outputs());
  C2_ENFORCE(in.size() == c.inputs() && out.size() >= c.outputs(), type, ": ", c.inputs(), " inputs and ", c.outputs(),
             " outputs");
  out.resize(c.outputs());
  std::vector<Value> values;
  std::vector<Tensor> grads(size_t(forward.max_out < 8 ? std::max(forward.max_out, 1) : 8));
  for (size_t k = 0; k < in.size(); k++) {
    if (in[k].kind == Token::In) {
      if (values.size() <= size_t(in[k].index)) values.resize(size_t(in[k].index) + 1);
      values[size_t(in[k].index)] = c.in[k];
    } else if (in[k].kind == Token::GradOut) {
      grads[size_t(in[k].index)] = c.X(k);
    }
  }
  std::vector<size_t> wanted;
  for (const Token& t : out) {
    auto k = size_t(t.index);
    // An input that its own gradient doesn't need (a bias) is as the one before it.
    if (values.size() <= k) values.resize(k + 1);
    if (values[k].is_none() && k > 0)
      values[k] = Value(rushlight::Tensor(torch::zeros_like(Tensor(values[k - 1].tensor()))));
    wanted.push_back(k);
  }
  std::vector<Tensor> got = derive(forward, c.op, values, wanted, grads);
  for (size_t k = 0; k < got.size(); k++) c.set(k, got[k]);
}

// ---- makers ----------------------------------------------------------------------------------------------------------

std::string GradientMaker::GO(size_t k) {
  C2_ENFORCE(k < go_.size() && go_[k].defined(), "Gradient of output ", O(k), " is not provided!");
  C2_ENFORCE(!go_[k].sparse(), "Gradient of output ", O(k), " is sparse (expected dense).");
  return go_[k].dense;
}
std::string GradientMaker::GI(size_t k) {
  C2_ENFORCE(!gi_.at(k).sparse(), "Input ", I(k), " already set to sparse.");
  return gi_[k].dense = I(k) + "_grad";
}
std::string GradientMaker::GI_indices(size_t k) { return gi_.at(k).indices = I(k) + "_grad_indices"; }
std::string GradientMaker::GI_values(size_t k) { return gi_.at(k).values = I(k) + "_grad_values"; }

Message& GradientMaker::add(const std::string& type, std::vector<std::string> in, std::vector<std::string> out,
                            std::vector<MessageRef> args, bool copy) {
  MessageRef op_def = make_message("OperatorDef");
  op_def->set("name", "").set("type", type);
  op_def->mutable_texts("input") = std::move(in);
  op_def->mutable_texts("output") = std::move(out);
  for (MessageRef& a : args) op_def->append_message("arg", a);
  if (copy)
    for (const MessageRef& a : op.def->messages("arg")) op_def->append_message("arg", a->copy());
  ops.push_back(op_def);
  return *op_def;
}

void GradientMaker::from_spec(const GradientSpec& spec) {
  using T = GradientSpec::Token;
  std::vector<std::string> in, out;
  auto put = [&](std::vector<std::string>& to, const T& t) {
    size_t n = t.kind == T::In || t.kind == T::GradIn ? op.inputs.size() : op.outputs.size();
    size_t first = t.index < 0 ? 0 : size_t(t.index), last = t.index < 0 ? n : first + 1;
    for (size_t k = first; k < last; k++) {
      if (t.optional && k >= n) continue;
      to.push_back(t.kind == T::In ? I(k) : t.kind == T::Out ? O(k) : t.kind == T::GradIn ? GI(k) : GO(k));
    }
  };
  for (const T& t : spec.inputs) put(in, t);
  for (const T& t : spec.outputs) put(out, t);
  add(spec.type, in, out);
}

ForeignGradient& foreign_gradient() {
  static auto& made = *new ForeignGradient;
  return made;
}

static GradientMeta own_gradient_of(const Message& def, const std::vector<BlobGradient>& go) {
  Op op{MessageRef(const_cast<Message*>(&def))};
  C2_ENFORCE(op.record, "No gradient registered for ", op.type, ": there is no such operator");
  GradientMaker maker(op, go);
  if (op.record->never) C2_FAIL("One should not call gradient for operator ", op.type, ".");
  check_schema(op);
  if (op.record->no_gradient) return {{}, maker.gradients()};
  if (op.record->make_gradient) op.record->make_gradient(maker);
  else if (!op.record->grad_spec.empty()) maker.from_spec(GradientSpec(op.record->grad_spec));
  else C2_FAIL("No gradient registered for ", op.type, ".");
  for (const MessageRef& g : maker.ops) {
    if (const Message* d = def.message_or_null("device_option")) g->message("device_option")->copy_from(*d);
    if (def.has("engine") && !def.text("engine").empty()) g->set("engine", def.text("engine"));
    g->set("is_gradient_op", true);
  }
  return {maker.ops, maker.gradients()};
}

GradientMeta gradient_of(const Message& def, const std::vector<BlobGradient>& go) {
  try {
    return own_gradient_of(def, go);
  } catch (const Error&) {
    GradientMeta meta;
    if (!foreign_gradient() || !foreign_gradient()(def, go, meta)) throw;
    meta.gradients.resize(def.texts("input").size());
    return meta;
  }
}

// ---- the backward pass -----------------------------------------------------------------------------------------------------
//
// Each blob has versions, as operators may overwrite it. Where a version is read by several operators, the parts of its gradient are
// summed once the first of its readers has been gone back through.

namespace {

struct Part {
  Message* op = nullptr;  // that writes the gradient; null where the gradient is another blob's, passed on
  size_t output = 0;
  Message* indices_op = nullptr;
  size_t indices_output = 0;
  BlobGradient gradient;
  const Message* forward = nullptr;  // whose gradient it is

  const Message* device() const {
    const Message* of = op ? op : indices_op ? indices_op : forward;
    return of ? of->message_or_null("device_option") : nullptr;
  }
};

bool same_device(const Message* a, const Message* b) {
  int64_t x = a ? a->whole("device_type") : 0, y = b ? b->whole("device_type") : 0;
  if (!x || !y) return x == y;
  return a->whole("device_id") == b->whole("device_id");
}

struct Forward {
  MessageRef def;
  std::map<std::string, int> in, out;  // versions
};

class Backward {
 public:
  explicit Backward(const std::vector<MessageRef>& ops) {
    for (const MessageRef& def : ops) {
      Forward f{def, {}, {}};
      for (const std::string& i : def->texts("input")) {
        f.in[i] = frontier_[i];
        usages_[{i, frontier_[i]}].push_back(forward_.size());
      }
      for (const std::string& o : def->texts("output"))
        f.out[o] = seen_.count(o) || f.in.count(o) ? ++frontier_[o] : frontier_[o], seen_.insert(o);
      for (auto& [i, v] : f.in) seen_.insert(i);
      forward_.push_back(std::move(f));
    }
  }

  GradientMap run(const std::vector<std::pair<std::string, BlobGradient>>& ys, std::vector<MessageRef>& out) {
    GradientMap now, all;
    for (const Forward& f : forward_) {
      if (f.def->text("type") != "StopGradient" || f.def->texts("output").empty()) continue;
      const std::string& o = f.def->texts("output")[0];
      RL_CHECK(ValueError, std::any_of(usages_.begin(), usages_.end(), [&](auto& u) { return u.first.first == o; }),
               "StopGradient's output '", o,
               "' is orphan.\nYou typically want to specify same input and output for\nStopGradient. Op:\n\n",
               f.def->to_text());
    }
    for (auto& [y, g] : ys) {
      usages_[{y, frontier_[y]}].push_back(forward_.size());
      gradient_version_[y] = frontier_[y];
      if (g.defined()) {
        now[y] = g;
        continue;
      }
      MessageRef fill = make_message("OperatorDef");
      fill->set("name", "").set("type", "ConstantFill").add("input", y).add("output", y + "_autogen_grad");
      fill->append_message("arg", float_arg("value", 1));
      for (const Forward& f : forward_)
        if (f.out.count(y))
          if (const Message* d = f.def->message_or_null("device_option")) fill->message("device_option")->copy_from(*d);
      out.push_back(fill);
      now[y] = {y + "_autogen_grad", "", ""};
      parts_[{y, frontier_[y]}].push_back({fill.get(), 0, nullptr, 0, now[y], nullptr});
    }
    for (size_t k = forward_.size(); k-- > 0;) {
      step(k, now, all, out);
      accumulate(k, now, all, out);
    }
    for (auto& [y, g] : now) all.emplace(y, g);
    for (auto it = all.begin(); it != all.end();) it->second.defined() ? ++it : it = all.erase(it);
    return all;
  }

 private:
  void step(size_t k, GradientMap& now, GradientMap& all, std::vector<MessageRef>& out) {
    const Forward& f = forward_[k];
    std::vector<BlobGradient> go;
    bool any = false;
    for (const std::string& o : f.def->texts("output")) {
      auto found = now.find(o);
      go.push_back(found == now.end() ? BlobGradient() : found->second);
      any |= go.back().defined();
    }
    if (!any && f.def->text("type") != "ZeroGradient") return;
    GradientMeta meta;
    try {
      meta = gradient_of(*f.def, go);
    } catch (const Error& e) {
      throw RuntimeError(str("Exception when creating gradient for [", f.def->text("type"), "]:", e.text(), "\nOp: \n",
                             f.def->to_text()));
    }
    record(k, meta, go);
    const auto& inputs = f.def->texts("input");
    for (size_t i = 0; i < inputs.size(); i++) {
      const BlobGradient& g = meta.gradients[i];
      if (g.defined() || !now.count(inputs[i]) || f.out.count(inputs[i])) now[inputs[i]] = all[inputs[i]] = g;
    }
    out.insert(out.end(), meta.ops.begin(), meta.ops.end());
  }

  void check(const std::string& s, const Forward& f, const std::vector<BlobGradient>& go,
             const std::set<std::string>& local) {
    for (size_t k = 0; k < go.size(); k++) {
      if (go[k].dense != s && go[k].indices != s && go[k].values != s) continue;
      const std::string& o = f.def->texts("output")[k];
      int wanted = f.out.at(o), is = gradient_version_[o];
      RL_CHECK(RuntimeError, wanted == is, "Gradient name \"", s, "\" is expected to correspond to version ", wanted,
               " of \"", o, "\", but currently we have version ", is, ".");
      return;
    }
    auto version = [&](const std::map<std::string, int>& versions, const char* what) {
      auto at = versions.find(s);
      if (at == versions.end()) return false;
      int now = frontier_[s];
      if (at->second != now)
        throw RuntimeError(str("Gradient operator needs ", what, " \"", s, "\" at version ", at->second,
                               ", but currently we have version ", now, ": an operator behind ", f.def->text("type"),
                               " overwrites it"));
      return true;
    };
    if (f.out.count(s) ? version(f.out, "output") : version(f.in, "input")) return;
    if (local.count(s)) return;
    throw RuntimeError(str("Blob name \"", s, "\" not in the scope of operator: ", f.def->to_text(),
                           "\nand is not generated by any of the local gradient operators."));
  }

  void record(size_t k, const GradientMeta& meta, const std::vector<BlobGradient>& go) {
    const Forward& f = forward_[k];
    const auto& inputs = f.def->texts("input");
    std::set<std::string> local;
    std::vector<Part> parts(inputs.size());
    for (const MessageRef& op : meta.ops) {
      for (const std::string& s : op->texts("input")) check(s, f, go, local);
      const auto& outs = op->texts("output");
      std::set<size_t> matched;
      for (size_t o = 0; o < outs.size(); o++) {
        local.insert(outs[o]);
        for (size_t i = 0; i < inputs.size(); i++) {
          const BlobGradient& g = meta.gradients[i];
          if (matched.count(i)) continue;
          if (g.sparse() ? g.values == outs[o] : g.dense == outs[o]) {
            parts[i].op = op.get(), parts[i].output = o;
            matched.insert(i);
            break;
          }
          if (g.sparse() && g.indices == outs[o]) {
            parts[i].indices_op = op.get(), parts[i].indices_output = o;
            break;
          }
        }
      }
    }
    for (size_t i = 0; i < inputs.size(); i++) {
      if (!meta.gradients[i].defined()) continue;
      parts[i].gradient = meta.gradients[i];
      parts[i].forward = f.def.get();
      gradient_version_[inputs[i]] = f.in.at(inputs[i]);
      parts_[{inputs[i], f.in.at(inputs[i])}].push_back(parts[i]);
    }
  }

  static std::string without(std::string s, std::string_view suffix) {
    if (s.ends_with(suffix)) s.resize(s.size() - suffix.size());
    return s;
  }

  void accumulate(size_t k, GradientMap& now, GradientMap& all, std::vector<MessageRef>& out) {
    const Forward& f = forward_[k];
    std::set<std::string> done;
    for (const std::string& name : f.def->texts("input")) {
      if (!done.insert(name).second) continue;
      auto at = std::pair(name, f.in.at(name));
      const std::vector<size_t>& readers = usages_[at];
      if (readers.size() <= 1 || readers[0] != k) continue;
      std::vector<Part>& parts = parts_[at];
      if (parts.empty()) continue;
      bool sparse = parts[0].gradient.sparse();
      for (const Part& p : parts)
        if (p.gradient.sparse() != sparse)
          throw RuntimeError(str("Gradients for param ''", name,
                                 "'' failed to verify: Automatic aggregation of a mix of sparse and dense gradients is "
                                 "not supported yet"));
      if (parts.size() < 2) continue;
      for (const Part& p : parts)
        RL_CHECK(RuntimeError, same_device(p.device(), parts[0].device()), "Gradients for param ''", name,
                 "'' failed to verify: Unexpected behavior: not all grad ops have the same device option.");
      std::string base = name + "_grad";
      for (const Part& p : parts) {
        if (p.op) base = sparse ? without(p.op->texts("output")[p.output], "_values") : p.op->texts("output")[p.output];
        else if (p.indices_op) base = without(p.indices_op->texts("output")[p.indices_output], "_indices");
        else continue;
        break;
      }
      BlobGradient g = sparse ? join(parts, base, out) : sum(parts, base, out);
      now[name] = g;
      all[name] = g;
    }
  }

  static std::string split(Message& op, size_t output, int& count) {
    std::string before = op.texts("output")[output], name = str("_", before, "_autosplit_", count++);
    if (op.text("type") == "If") rename_if_output(op, before, name);
    op.mutable_texts("output")[output] = name;
    return name;
  }

  MessageRef operator_of(const char* type, std::vector<std::string> in, std::vector<std::string> out,
                         const std::vector<Part>& parts) {
    MessageRef op = make_message("OperatorDef");
    op->set("name", "").set("type", type);
    op->mutable_texts("input") = std::move(in);
    op->mutable_texts("output") = std::move(out);
    bool only_tag = false;
    for (const Part& p : parts)
      if (const Message* d = p.device())
        for (const std::string& s : d->texts("extra_info")) only_tag |= s == "only_keep_is_auto_gen_sum_ops_tag:1";
    if (const Message* d = parts[0].device(); d && !only_tag) op->message("device_option")->copy_from(*d);
    op->message("device_option")->add("extra_info", "is_auto_gen_sum_ops:1");
    return op;
  }

  BlobGradient sum(std::vector<Part>& parts, const std::string& base, std::vector<MessageRef>& out) {
    std::vector<std::string> in;
    int count = 0;
    bool first = true;
    for (Part& p : parts) {
      if (!p.op) {
        if (p.gradient.dense == base)
          throw RuntimeError(
              str("The gradient output of empty gradient op can not be the same as the normal name of the current "
                  "input gradient: ",
                  base));
        in.push_back(p.gradient.dense);
      } else if (first) {
        first = false;
        in.push_back(p.op->texts("output")[p.output]);
      } else {
        in.push_back(split(*p.op, p.output, count));
      }
    }
    auto own = std::find(in.begin(), in.end(), base);
    if (own != in.end()) std::swap(*own, in[0]);
    out.push_back(operator_of("Sum", in, {base}, parts));
    return {base, "", ""};
  }

  BlobGradient join(std::vector<Part>& parts, const std::string& base, std::vector<MessageRef>& out) {
    std::vector<std::string> indices, values;
    int i = 0, v = 0;
    for (Part& p : parts) {
      indices.push_back(p.indices_op ? split(*p.indices_op, p.indices_output, i) : p.gradient.indices);
      values.push_back(p.op ? split(*p.op, p.output, v) : p.gradient.values);
    }
    for (auto& [in, name] :
         {std::pair(indices, base + "_indices_concat"), std::pair(values, base + "_values_concat")}) {
      MessageRef op = operator_of("Concat", in, {name, name + "_split"}, parts);
      op->append_message("arg", int_arg("axis", 0));
      out.push_back(op);
    }
    return {"", base + "_indices_concat", base + "_values_concat"};
  }

  std::vector<Forward> forward_;
  std::map<std::string, int> frontier_, gradient_version_;
  std::set<std::string> seen_;
  std::map<std::pair<std::string, int>, std::vector<size_t>> usages_;
  std::map<std::pair<std::string, int>, std::vector<Part>> parts_;
};

}  // namespace

void rename_if_output(Message& op, const std::string& from, const std::string& to) {
  for (const MessageRef& a : op.messages("arg"))
    if (a->text("name") == "then_net" || a->text("name") == "else_net")
      for (const MessageRef& inner : a->message("n")->messages("op"))
        for (std::string& o : inner->mutable_texts("output"))
          if (o == from) o = to;
}

GradientMap backward_pass(const std::vector<MessageRef>& ops,
                          const std::vector<std::pair<std::string, BlobGradient>>& ys, std::vector<MessageRef>& out) {
  return Backward(ops).run(ys, out);
}

GradientMap add_gradients(Message& net, const std::vector<std::pair<std::string, BlobGradient>>& ys, size_t skip) {
  std::vector<MessageRef> ops(net.messages("op").begin() + int64_t(std::min(skip, net.messages("op").size())),
                              net.messages("op").end()),
      out;
  GradientMap all = backward_pass(ops, ys, out);
  for (MessageRef& op : out) net.append_message("op", op);
  return all;
}

}  // namespace rushlight::caffe2
