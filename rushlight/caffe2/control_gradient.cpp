// Gradients of operators that run nets: If, While and Do, whose nets are gone back through by nets of their own.
//
// Do keeps the workspace of each of its runs; its gradient runs in the last one that is left, where the blobs of the forward run are. Names of
// blobs and operators are Caffe2's. Where a loop reads a blob that it doesn't write, its gradient is the sum over the rounds.
#include <algorithm>
#include <atomic>
#include <set>

#include "rushlight/caffe2/gradient.h"

namespace rushlight::caffe2 {
namespace {

using Names = std::vector<std::string>;

bool among(const Names& names, const std::string& s) { return std::find(names.begin(), names.end(), s) != names.end(); }
void once(Names& to, const std::string& s) {
  if (!among(to, s)) to.push_back(s);
}

MessageRef net_arg(const std::string& name, const Message& net) {
  MessageRef a = make_message("Argument");
  a->set("name", name);
  a->message("n")->copy_from(net);
  a->message("n")->touch();
  return a;
}

MessageRef operator_of(const char* type, Names in, Names out) {
  MessageRef op = make_message("OperatorDef");
  op->set("name", "").set("type", type);
  op->mutable_texts("input") = std::move(in);
  op->mutable_texts("output") = std::move(out);
  return op;
}
MessageRef zeros_like(const std::string& blob, const std::string& gradient) {
  MessageRef op = operator_of("ConstantFill", {blob}, {gradient});
  op->append_message("arg", float_arg("value", 0));
  return op;
}

// The gradients that outputs have been given, each under a name of its own: what two outputs share is copied by an operator before.
std::map<std::string, std::string> given_gradients(GradientMaker& m) {
  std::map<std::string, std::string> grads;
  std::set<std::string> used;
  for (size_t k = 0; k < m.op.outputs.size(); k++) {
    const std::string& o = m.O(k);
    if (!m.has_GO(k) || grads.count(o)) continue;
    std::string g = m.GO(k);
    if (!used.insert(g).second) {
      std::string own = o + "_" + g + "_DEDUP";
      m.ops.push_back(operator_of("Copy", {g}, {own}));
      used.insert(g = own);
    }
    grads[o] = g;
  }
  C2_ENFORCE(!grads.empty(), "Empty initial gradient map for ", m.op.type, " op");
  return grads;
}

// The way back through a net.
struct Inner {
  MessageRef net;  // the gradient operators
  std::map<std::string, std::string> grads;
  Names in, out;  // what they read before they make it, and what they make
};
Inner back_through(const Message& net, const std::map<std::string, std::string>& given) {
  std::vector<MessageRef> ops, made;
  for (const MessageRef& o : net.messages("op")) ops.push_back(o);
  std::vector<std::pair<std::string, BlobGradient>> ys;
  for (auto& [y, g] : given) ys.emplace_back(y, BlobGradient{g, "", ""});
  Inner inner;
  for (auto& [blob, g] : backward_pass(ops, ys, made))
    if (!g.sparse()) inner.grads[blob] = g.dense;
  inner.net = net.copy();
  if (net.has("name") && !net.text("name").empty()) inner.net->set("name", net.text("name") + "_grad");
  inner.net->mutable_messages("op").clear();
  inner.net->mutable_texts("external_input").clear();
  inner.net->mutable_texts("external_output").clear();
  for (const MessageRef& op : made) {
    for (const std::string& s : op->texts("input"))
      if (!among(inner.out, s)) once(inner.in, s);
    for (const std::string& s : op->texts("output")) once(inner.out, s);
    inner.net->append_message("op", op);
  }
  return inner;
}

// What the branch that wasn't taken would have made, for a branch that has no gradient for it: zeros, or what the output was given.
void fill_others(Message& net, const Op& op, const Inner& other, const Inner* own,
                 const std::map<std::string, std::string>& given) {
  for (auto& [blob, g] : other.grads) {
    if (!among(other.out, g) || (own && among(own->out, g))) continue;
    if (!among(op.inputs, blob) && !among(op.outputs, blob)) continue;
    auto at = given.find(blob);
    if (at == given.end()) net.append_message("op", zeros_like(blob, g));
    else if (at->second != g) net.append_message("op", operator_of("Copy", {at->second}, {g}));
  }
}

// The last operator of a net that writes a blob then writes another one.
void rename_output(Message& net, const std::string& from, const std::string& to) {
  auto& ops = net.mutable_messages("op");
  for (size_t k = ops.size(); k-- > 0;)
    for (std::string& o : ops[k]->mutable_texts("output"))
      if (o == from) {
        o = to;
        return;
      }
}

}  // namespace

void if_gradient(GradientMaker& m) {
  std::map<std::string, std::string> given = given_gradients(m);
  MessageRef then_net = m.op.args.net("then_net"), else_net = m.op.args.net("else_net");
  C2_ENFORCE(then_net, "Expected then subnet in If op");
  Inner then = back_through(*then_net, given), other;
  std::map<std::string, std::string> grads = then.grads;
  MessageRef else_grad;
  if (else_net) {
    other = back_through(*else_net, given);
    else_grad = other.net;
    for (auto& [blob, g] : other.grads) {
      auto [at, fresh] = grads.try_emplace(blob, g);
      if (fresh || at->second == g) continue;
      // The branch that doesn't read the blob passes on what was given.
      auto init = given.find(blob);
      if (init != given.end() && at->second == init->second) at->second = g;
      else
        C2_ENFORCE(init != given.end() && g == init->second, "the branches of If have the gradients ", at->second,
                   " and ", g, " for ", blob);
    }
  } else {
    else_grad = then.net->copy();
    else_grad->mutable_messages("op").clear();
    if (else_grad->has("name")) else_grad->set("name", else_grad->text("name") + "_auto_else_zero_blobs_");
  }
  MessageRef then_grad = then.net->copy();  // fill_others adds to it
  fill_others(*else_grad, m.op, then, else_net ? &other : nullptr, given);
  if (else_net) fill_others(*then_grad, m.op, other, &then, given);
  Names in{m.I(0)}, out;
  for (const Inner* part : {&then, &other}) {
    for (const std::string& s : part->in) once(in, s);
    for (const std::string& s : part->out) once(out, s);
  }
  std::vector<MessageRef> args{net_arg("then_net", *then_grad)};
  if (else_net || !else_grad->messages("op").empty()) args.push_back(net_arg("else_net", *else_grad));
  m.add("If", in, out, args, false);
  for (size_t k = 0; k < m.op.inputs.size(); k++)
    if (auto at = grads.find(m.I(k)); at != grads.end()) m.set_dense(k, at->second);
}

void while_gradient(GradientMaker& m) {
  std::map<std::string, std::string> given = given_gradients(m);
  MessageRef loop = m.op.args.net("loop_net");
  C2_ENFORCE(loop, "Expected loop subnet in While op");
  C2_ENFORCE(loop->messages("op").size() == 1 && loop->messages("op")[0]->text("type") == "Do",
             "Gradient While op requires single Do op as a loop body");
  Op body{loop->messages("op")[0]};
  C2_ENFORCE(!body.args.b("reuse_workspace"), "Gradient While op requires Do loop body op without reuse_workspace set");
  C2_ENFORCE(!body.outputs.empty(), "Expected Do op with at least one output");
  const std::string& workspaces = body.outputs.back();
  // A blob that goes from round to round has a gradient that does, from zero on where none is given.
  std::vector<MessageRef> before;
  Inner inner = back_through(*loop, given);
  for (size_t known = 0; known != given.size(); inner = back_through(*loop, given)) {
    known = given.size();
    for (const std::string& o : body.outputs)
      if (o != workspaces && among(body.inputs, o) && inner.grads.count(o) && !given.count(o)) {
        given[o] = o + "_while_grad";
        before.push_back(zeros_like(o, given[o]));
      }
  }
  static std::atomic<int> count{0};
  int k = count++;
  std::string suffix = k ? str("_", k) : "", name = "gradient_loop_cond_net" + suffix, cond = name + "/cond";
  MessageRef test = make_message("NetDef");
  test->set("name", name);
  before.insert(before.begin(), operator_of("HasScope", {workspaces}, {cond}));
  test->append_message("op", operator_of("HasScope", {workspaces}, {cond}));
  test->add("external_input", workspaces);
  for (auto& [blob, g] : given) {
    auto at = inner.grads.find(blob);
    if (at == inner.grads.end() || at->second == g) continue;
    before.push_back(operator_of("Copy", {g}, {at->second}));
    test->append_message("op", operator_of("Copy", {at->second}, {g}));
    test->add("external_input", at->second);
  }
  for (const std::string& i : body.inputs) {
    auto at = inner.grads.find(i);
    if (at == inner.grads.end() || given.count(i) || !among(inner.out, at->second)) continue;
    const std::string& g = at->second;
    std::string round = "_" + g + "_while_round";
    rename_output(*inner.net, g, round);
    inner.net->append_message("op", operator_of("Sum", {g, round}, {g}));
    before.push_back(zeros_like(i, g));
    once(inner.in, g);
    once(inner.out, round);
  }
  Names in{cond};
  for (const std::string& s : inner.in) once(in, s);
  m.ops.insert(m.ops.end(), before.begin(), before.end());
  m.add("While", in, inner.out, {net_arg("loop_net", *inner.net), net_arg("cond_net", *test)}, false);
  for (size_t i = 0; i < m.op.inputs.size(); i++)
    if (auto at = inner.grads.find(m.I(i)); at != inner.grads.end()) m.set_dense(i, at->second);
}

void do_gradient(GradientMaker& m) {
  MessageRef net = m.op.args.net("net");
  C2_ENFORCE(net, "net argument must be specified in Do operator");
  Names inner = m.op.args.strings("inner_blobs");
  std::vector<int64_t> at = m.op.args.ints("outer_blobs_idx");
  C2_ENFORCE(inner.size() == at.size(), "inner_blobs and outer_blobs_idx should have the same length");
  C2_ENFORCE(!m.op.inputs.empty() && !m.op.outputs.empty(), "Do: expected a blob of workspaces");
  size_t n_in = m.op.inputs.size() - 1, n_out = m.op.outputs.size() - 1;
  std::map<std::string, std::string> outer_of, inner_of;
  for (size_t k = 0; k < inner.size(); k++) {
    C2_ENFORCE(at[k] >= 0 && size_t(at[k]) < n_in + n_out, "Invalid blob bindings: index ", at[k]);
    auto i = size_t(at[k]);
    const std::string& o = i < n_in ? m.I(i) : m.O(i - n_in);
    outer_of[inner[k]] = o, inner_of[o] = inner[k];
  }
  std::map<std::string, std::string> grads, outer_grads;  // by the blob's inner name; by the gradient's
  for (auto& [o, g] : given_gradients(m)) {
    if (!inner_of.count(o)) continue;
    std::string name = inner_of[o] + "/_DO_OPERATOR_INNER_GRAD_";
    grads[inner_of[o]] = name;
    outer_grads[name] = g;
  }
  Inner back = back_through(*net, grads);
  if (back.net->messages("op").empty()) return;
  Names in, out;
  std::vector<std::pair<std::string, std::string>> bound;  // inner name, outer name
  std::vector<MessageRef> copies;
  for (size_t k = 0; k < n_in; k++) {
    auto i = inner_of.find(m.I(k));
    auto found = i == inner_of.end() ? back.grads.end() : back.grads.find(i->second);
    if (found == back.grads.end() || among(out, m.I(k) + "_grad")) continue;
    std::string name = i->second + "/_DO_OPERATOR_INNER_GRAD_COPY_";
    copies.push_back(operator_of("Copy", {found->second}, {name}));
    out.push_back(m.GI(k));
    bound.emplace_back(name, m.GI(k));
  }
  std::set<std::string> overwritten, seen;
  Names local;
  for (const MessageRef& op : back.net->messages("op")) {
    for (const std::string& s : op->texts("input")) {
      if (overwritten.count(s)) continue;
      auto o = outer_of.find(s);
      auto d = outer_grads.find(s);
      if (o == outer_of.end() && d == outer_grads.end()) {
        once(local, s);
        continue;
      }
      const std::string& name = o != outer_of.end() ? o->second : d->second;
      once(in, name);
      if (seen.insert(s).second) bound.emplace_back(s, name);
    }
    overwritten.insert(op->texts("output").begin(), op->texts("output").end());
  }
  // A gradient that is passed on is read by its copy only.
  for (const MessageRef& copy : copies)
    if (auto d = outer_grads.find(copy->texts("input")[0]); d != outer_grads.end() && !overwritten.count(d->first)) {
      once(in, d->second);
      if (seen.insert(d->first).second) bound.emplace_back(d->first, d->second);
    }
  for (MessageRef& copy : copies) back.net->append_message("op", copy);
  MessageRef texts = make_message("Argument"), saved = make_message("Argument");
  texts->set("name", "inner_blobs");
  saved->set("name", "saved_fwd_blobs");
  saved->mutable_texts("strings") = local;
  std::vector<int64_t> places;
  for (auto& [i, o] : bound) {
    texts->add("strings", i);
    auto b = std::find(in.begin(), in.end(), o);
    places.push_back(b != in.end() ? b - in.begin()
                                   : int64_t(in.size()) + (std::find(out.begin(), out.end(), o) - out.begin()));
  }
  in.push_back(m.op.inputs.back());
  out.push_back(m.op.inputs.back());
  m.add("Do", in, out, {net_arg("net", *back.net), texts, ints_arg("outer_blobs_idx", places), saved}, false);
}

}  // namespace rushlight::caffe2
