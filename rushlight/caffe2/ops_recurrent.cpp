// Cells of recurrent nets, and RecurrentNetwork, which runs a step net along time.
#include <algorithm>
#include <cmath>
#include <set>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

// [1, N, 1]: whether the example goes on at this time.
Tensor valid(const Call& c, size_t lengths, size_t time, int64_t N) {
  Tensor t = c.X(time).reshape({});
  if (c.op.args.has("sequence_lengths") && !c.b("sequence_lengths", true))
    return torch::ones({1, N, 1}, torch::TensorOptions().dtype(torch::kBool));
  C2_ENFORCE(c.X(lengths).numel() == N, "there are ", c.X(lengths).numel(), " lengths for ", N, " examples");
  return (c.X(lengths).reshape({1, N, 1}).to(torch::kLong) > t.to(torch::kLong));
}

void lstm_unit(Call& c) {
  bool lengths = !c.op.args.has("sequence_lengths") || c.b("sequence_lengths", true);
  Tensor h = c.X(0), cp = c.X(1), g = c.X(2);
  int64_t N = cp.size(1), D = cp.size(2);
  C2_ENFORCE(g.dim() == 3 && g.size(2) == 4 * D, "GATES should have ", 4 * D, " columns, got ", g.sizes());
  auto gates = g.reshape({1, N, 4, D});
  Tensor i = gates.select(2, 0).sigmoid(), f = (gates.select(2, 1) + c.f("forget_bias", 0)).sigmoid(),
         o = gates.select(2, 2).sigmoid(), u = gates.select(2, 3).tanh();
  Tensor c1 = f * cp + i * u, h1 = o * c1.tanh();
  if (lengths) {
    Tensor on = valid(c, 3, 4, N);
    bool drop = c.b("drop_states");
    Tensor zero = torch::zeros_like(c1);
    h1 = torch::where(on, h1, drop ? zero : h), c1 = torch::where(on, c1, drop ? zero : cp);
  }
  c.set(0, h1), c.set(1, c1);
}

void gru_unit(Call& c) {
  bool lengths = !c.op.args.has("sequence_lengths") || c.b("sequence_lengths", true);
  Tensor h = c.X(0), g = c.X(1);
  int64_t N = h.size(1), D = h.size(2);
  C2_ENFORCE(g.dim() == 3 && g.size(2) == 3 * D, "GATES should have ", 3 * D, " columns, got ", g.sizes());
  Tensor gates = g.reshape({1, N, 3, D}), z = gates.select(2, 1).sigmoid(), u = gates.select(2, 2).tanh();
  Tensor h1 = u * (1 - z) + h * z;
  if (lengths) h1 = torch::where(valid(c, 2, 3, N), h1, c.b("drop_states") ? torch::zeros_like(h) : h);
  c.set(h1);
}

// ---- RecurrentNetwork: inputs are sequences, first states and parameters; a step net reads states, writes the next ones, and may link blobs to
// places of longer ones.

struct Link {
  std::string inner, outer;
  int64_t offset, window;
};

std::vector<Link> links(const Call& c, const char* prefix) {
  auto name = [&](const char* s) { return str(prefix, s); };
  std::vector<std::string> inner = c.op.args.strings(name("link_internal")),
                           outer = c.op.args.strings(name("link_external"));
  Dims1 offset = c.ints(name("link_offset")), window = c.ints(name("link_window"));
  C2_ENFORCE(inner.size() == outer.size() && inner.size() == offset.size(), "the links' lists have different lengths");
  std::vector<Link> out;
  for (size_t k = 0; k < inner.size(); k++)
    out.push_back({inner[k], outer[k], offset[k], k < window.size() ? window[k] : 1});
  return out;
}

struct Steps final : Object {
  const char* type_name() const override { return "detail::ScratchWorkspaces"; }
  std::vector<std::shared_ptr<Workspace>> all;
};

const Tensor time_tensor(int64_t t) { return torch::full({1}, t, torch::TensorOptions().dtype(torch::kInt)); }

Tensor tensor_of(Workspace& ws, const std::string& name) {
  const Value& v = ws.blob(name);
  C2_ENFORCE(v.is_tensor(), "blob ", name, " holds no tensor");
  return Tensor(v.tensor());
}

void recurrent(Call& c) {
  C2_ENFORCE(c.ws, "RecurrentNetwork runs in workspaces only");
  Workspace& ws = *c.ws;
  MessageRef step = c.op.args.net("step_net");
  C2_ENFORCE(step, "RecurrentNetwork: argument step_net should be a net");
  std::string timestep = c.s("timestep", "timestep");
  int64_t T = c.X(0).size(0);
  // States: [T + 1, batch, D], of which the first is given.
  std::vector<std::string> states = c.op.args.strings("recurrent_states");
  Dims1 initial = c.ints("initial_recurrent_state_ids");
  C2_ENFORCE(states.size() == initial.size(),
             "recurrent_states and initial_recurrent_state_ids should have the same length");
  std::map<std::string, Tensor> outer;
  int64_t batch = c.X(0).dim() > 1 ? c.X(0).size(1) : 1;
  for (size_t k = 0; k < states.size(); k++) {
    C2_ENFORCE(initial[k] >= 0 && initial[k] < int64_t(c.inputs()), "initial_recurrent_state_ids: ", initial[k]);
    Tensor first = c.X(size_t(initial[k]));
    int64_t D = first.size(-1);
    first = first.dim() == 1 ? first.reshape({1, 1, D}).expand({1, batch, D})
                             : first.reshape({first.numel() / (batch * D), batch, D});
    outer[states[k]] = torch::cat({first, torch::zeros({T, batch, D}, first.options())}, 0);
  }
  std::vector<Link> all = links(c, "");
  std::set<std::string> written;
  for (const MessageRef& o : step->messages("op")) written.insert(o->texts("output").begin(), o->texts("output").end());
  auto kept = make_ref<Steps>();
  std::map<std::string, std::vector<Tensor>> rows;  // of outer blobs that are no states
  for (int64_t t = 0; t < T; t++) {
    auto inner = std::make_shared<Workspace>(ws.root(), &ws);
    inner->share(timestep, std::make_shared<Blob>());
    inner->feed(timestep, Value(rushlight::Tensor(time_tensor(t))));
    for (const Link& l : all) {
      if (written.count(l.inner)) continue;
      inner->share(l.inner, std::make_shared<Blob>());
      Tensor from;
      if (auto s = outer.find(l.outer); s != outer.end()) from = s->second;
      else if (ws.has(l.outer)) from = tensor_of(ws, l.outer);
      C2_ENFORCE(from.defined(), "there is no blob ", l.outer, " to link ", l.inner, " to");
      int64_t at = t + l.offset;
      C2_ENFORCE(l.window >= 0 && at >= 0 && at + l.window <= from.size(0), "link of ", l.inner, ": ", at,
                 " is outside of ", l.outer);
      inner->feed(l.inner, Value(rushlight::Tensor(from.narrow(0, at, l.window).clone())));
    }
    for (const std::string& w : written) inner->share(w, std::make_shared<Blob>());
    Net net(*step, *inner);
    net.run(*inner);
    for (const Link& l : all) {
      if (!written.count(l.inner)) continue;
      Tensor v = tensor_of(*inner, l.inner);
      auto s = outer.find(l.outer);
      if (s != outer.end())
        s->second.narrow(0, t + l.offset, l.window)
            .copy_(v.reshape(s->second.narrow(0, t + l.offset, l.window).sizes()));
      else rows[l.outer].push_back(v.dim() == 3 ? v : v.unsqueeze(0));
    }
    kept->all.push_back(inner);
  }
  for (auto& [name, r] : rows) outer[name] = torch::cat(r, 0);
  for (auto& [name, v] : outer) { ws.create(name)->value = Value(rushlight::Tensor(v)); }
  // Aliases: parts of the states, or all.
  std::vector<std::string> src = c.op.args.strings("alias_src"), dst = c.op.args.strings("alias_dst");
  Dims1 offset = c.ints("alias_offset");
  for (size_t k = 0; k < src.size() && k < dst.size() && k < offset.size(); k++) {
    Tensor s = outer.count(src[k]) ? outer[src[k]] : tensor_of(ws, src[k]);
    int64_t from = offset[k] >= 0 ? offset[k] : s.size(0) + offset[k];
    C2_ENFORCE(from >= 0 && from <= s.size(0), "alias_offset ", offset[k]);
    Tensor part = s.narrow(0, from, s.size(0) - from).contiguous();
    outer[dst[k]] = part;
    ws.create(dst[k])->value = Value(rushlight::Tensor(part));
  }
  for (size_t k = 0; k < c.outputs(); k++) {
    const std::string& name = c.op.outputs[k];
    if (auto found = outer.find(name); found != outer.end()) c.set(k, found->second);
    else if (name.find("step_workspaces") != name.npos || k + 1 == c.outputs()) c.set_value(k, object_value(kept));
  }
}

void recurrent_gradient(Call& c) {
  Workspace& ws = *c.ws;
  MessageRef step = c.op.args.net("backward_step_net");
  C2_ENFORCE(step, "RecurrentNetworkGradient: argument backward_step_net should be a net");
  std::string timestep = c.s("timestep", "timestep");
  Steps* kept = nullptr;
  for (const Value& v : c.in)
    if (auto* s = as<Steps>(v)) kept = s;
  C2_ENFORCE(kept, "RecurrentNetworkGradient wants the workspaces of the steps");
  auto T = int64_t(kept->all.size());
  // Gradients of the states, [T + 1, ...]: what comes from outside is added where the outputs are.
  std::vector<std::string> states = c.op.args.strings("recurrent_states");
  Dims1 initial = c.ints("initial_recurrent_state_ids");
  std::vector<std::string> param_grads = c.op.args.strings("param_grads");
  std::vector<Link> all = links(c, "backward_");
  std::map<std::string, Tensor> outer;
  for (const std::string& s : states) {
    Tensor state = tensor_of(ws, s);
    outer[s + "_grad"] = torch::zeros_like(state);
  }
  std::vector<std::string> src = c.op.args.strings("alias_src"), dst = c.op.args.strings("alias_dst");
  Dims1 offset = c.ints("alias_offset");
  // The gradients of the outputs are the first inputs, in the order of `outputs_with_grads`.
  Dims1 with = c.ints("outputs_with_grads");
  for (size_t k = 0; k < with.size(); k++) {
    int64_t o = with[k];
    if (o < 0 || o >= int64_t(dst.size()) || o >= int64_t(offset.size()) || o >= int64_t(src.size())) continue;
    Tensor g = c.X(k);
    auto found = outer.find(src[size_t(o)] + "_grad");
    if (found == outer.end()) continue;
    Tensor& s = found->second;
    int64_t from = offset[size_t(o)] >= 0 ? offset[size_t(o)] : s.size(0) + offset[size_t(o)];
    Tensor part = s.narrow(0, from, g.size(0));
    part.add_(g.reshape(part.sizes()));
  }
  std::set<std::string> written, read;  // what the step writes, and what it reads before that
  for (const MessageRef& o : step->messages("op")) {
    for (const std::string& i : o->texts("input"))
      if (!written.count(i)) read.insert(i);
    written.insert(o->texts("output").begin(), o->texts("output").end());
  }
  // A blob that is linked twice and never written is passed on: it comes by its first link and goes by the second.
  std::vector<Link> in, out;
  std::set<std::string> given;
  for (const Link& l : all) {
    bool comes = !written.count(l.inner) || read.count(l.inner);
    if (comes && given.insert(l.inner).second) in.push_back(l);
    else if (!comes || !written.count(l.inner)) out.push_back(l);
  }
  std::map<std::string, std::vector<Tensor>> rows;
  std::map<std::string, Tensor> sums;
  for (int64_t t = T - 1; t >= 0; t--) {
    Workspace inner(ws.root(), kept->all[size_t(t)].get());
    inner.share(timestep, std::make_shared<Blob>());
    inner.feed(timestep, Value(rushlight::Tensor(time_tensor(t))));
    for (const std::string& w : written)
      if (!read.count(w)) inner.share(w, std::make_shared<Blob>());
    for (const Link& l : in) {
      auto s = outer.find(l.outer);
      if (s == outer.end()) continue;
      inner.share(l.inner, std::make_shared<Blob>());
      inner.feed(l.inner, Value(rushlight::Tensor(s->second.narrow(0, t + l.offset, l.window).clone())));
    }
    Net net(*step, inner);
    net.run(inner);
    for (const Link& l : out) {
      Tensor v = tensor_of(inner, l.inner);
      auto s = outer.find(l.outer);
      if (s != outer.end()) {
        Tensor part = s->second.narrow(0, t + l.offset, l.window);
        part.add_(v.reshape(part.sizes()));
      } else {
        rows[l.outer].push_back(v.dim() == 3 ? v : v.unsqueeze(0));
      }
    }
    for (const std::string& g : param_grads) {
      if (!inner.has(g)) continue;
      Tensor v = tensor_of(inner, g);
      Tensor& sum = sums[g];
      sum = sum.defined() ? sum + v : v;
    }
  }
  for (auto& [name, r] : rows) {
    std::reverse(r.begin(), r.end());
    outer[name] = torch::cat(r, 0);
  }
  for (size_t k = 0; k < states.size() && k < initial.size(); k++) {
    size_t i = with.size() + size_t(initial[k]);
    if (i >= c.op.inputs.size() || !c.in[i].is_tensor()) continue;
    // A first state without a batch is every example's.
    Tensor g = outer[states[k] + "_grad"].narrow(0, 0, 1);
    outer[c.op.inputs[i] + "_grad"] =
        (c.X(i).dim() == 1 ? g.sum(torch::IntArrayRef{0, 1}) : g.reshape(c.X(i).sizes())).contiguous();
  }
  for (size_t k = 0; k < c.outputs(); k++) {
    const std::string& name = c.op.outputs[k];
    if (auto found = outer.find(name); found != outer.end()) c.set(k, found->second);
    else if (auto p = sums.find(name); p != sums.end()) c.set(k, p->second);
  }
}

// The blobs of all steps, in the workspace under names of their own; the output tells the names.
void fetch_steps(Call& c) {
  auto* kept = as<Steps>(c.in[0]);
  C2_ENFORCE(kept, "the input should be the workspaces of a RecurrentNetwork's steps, got a ", type_name_of(c.in[0]));
  auto names = make_ref<StringTensor>();
  for (size_t t = 0; t < kept->all.size(); t++)
    for (const std::string& blob : kept->all[t]->local_names()) {
      const Value& v = kept->all[t]->blob(blob);
      if (!v.is_tensor()) continue;
      names->items.push_back(str(c.s("prefix"), "_", blob, t));
      c.ws->create(names->items.back())->value = Value(rushlight::Tensor(Tensor(v.tensor()).clone()));
    }
  names->sizes = {int64_t(names->items.size())};
  c.set_value(0, object_value(names));
}

}  // namespace

void add_recurrent(Registry& r) {
  r.op("LSTMUnit", "4-5 -> 2", lstm_unit).apart().grad([](GradientMaker& m) {
    size_t n = m.op.inputs.size();
    std::vector<std::string> in;
    for (size_t k = 0; k < n; k++) in.push_back(m.I(k));
    for (auto& s : {m.O(0), m.O(1), m.GO(0), m.GO(1)}) in.push_back(s);
    m.add("LSTMUnitGradient", in, {m.GI(0), m.GI(1), m.GI(2)});
  });
  r.op("LSTMUnitGradient", "8-9 -> 3", [](Call& c) {
    size_t n = c.inputs() - 4;
    std::vector<Value> in(c.in.begin(), c.in.begin() + int64_t(n));
    auto out = derive(*Registry::get().find("LSTMUnit"), c.op, in, {0, 1, 2}, {c.X(n + 2), c.X(n + 3)});
    for (size_t k = 0; k < 3; k++) c.set(k, out[k]);
  });
  r.op("GRUUnit", "3-4 -> 1", gru_unit).apart().grad([](GradientMaker& m) {
    size_t n = m.op.inputs.size();
    std::vector<std::string> in;
    for (size_t k = 0; k < n; k++) in.push_back(m.I(k));
    in.push_back(m.O(0)), in.push_back(m.GO(0));
    m.add("GRUUnitGradient", in, {m.GI(0), m.GI(1)});
  });
  r.op("GRUUnitGradient", "5-6 -> 2", [](Call& c) {
    size_t n = c.inputs() - 2;
    std::vector<Value> in(c.in.begin(), c.in.begin() + int64_t(n));
    auto out = derive(*Registry::get().find("GRUUnit"), c.op, in, {0, 1}, {c.X(n + 1)});
    for (size_t k = 0; k < 2; k++) c.set(k, out[k]);
  });
  r.op("RecurrentNetwork", "1+ -> 2+", recurrent).stateful().grad([](GradientMaker& m) {
    std::vector<std::string> in, out;
    for (int64_t o : m.op.args.ints("outputs_with_grads")) in.push_back(m.GO(size_t(o)));
    for (size_t k = 0; k < m.op.inputs.size(); k++) in.push_back(m.I(k));
    for (size_t k = 0; k < m.op.outputs.size(); k++) in.push_back(m.O(k));
    std::vector<std::string> linked = m.op.args.strings("backward_link_external");
    for (size_t k = 0; k < m.op.inputs.size(); k++)
      if (std::find(linked.begin(), linked.end(), m.I(k) + "_grad") != linked.end()) out.push_back(m.GI(k));
    for (const char* arg : {"param", "initial_recurrent_state_ids"})
      for (int64_t k : m.op.args.ints(arg)) out.push_back(m.GI(size_t(k)));
    m.add("RecurrentNetworkGradient", in, out);
  });
  r.op("RecurrentNetworkGradient", "1+ -> 1+", recurrent_gradient).stateful();
  r.op("RecurrentNetworkBlobFetcher", "1 -> 1", fetch_steps).stateful();
}

}  // namespace rushlight::caffe2
