#include "rushlight/caffe2/lower.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>

#include "rushlight/dispatch/library.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/script/import.h"

namespace rushlight::caffe2 {
namespace {

// What an OperatorDef in a graph says, read once.
struct Read {
  rushlight::IValue text;  // keeps what the key points to
  std::shared_ptr<const Op> op;
};
std::shared_ptr<const Op> op_of(const rushlight::IValue& def) {
  // Constants of graphs are the same bytes in each run.
  thread_local std::unordered_map<const char*, Read> seen;
  std::string_view text = def.to_string();
  auto found = seen.find(text.data());
  if (found != seen.end() && found->second.text.to_string() == text) return found->second.op;
  if (seen.size() > 4096) seen.clear();  // those in use are held by their calls
  MessageRef m = make_message("OperatorDef");
  m->parse_text(text, "an operator of the namespace _caffe2");
  auto op = std::make_shared<const Op>(std::move(m));
  check_known(*op);
  check_schema(*op);
  seen[text.data()] = {def, op};
  return op;
}

class Kernel final : public BoxedKernel {
 public:
  void call(const rushlight::Op& called, IValue* args, IValue* rets) override {
    std::shared_ptr<const Op> op = op_of(args[0]);
    C2_ENFORCE(!op->record->stateful, op->type, " works on a workspace, and is no operator of graphs");
    bool tensors = called.schema().args[1].type->element()->is(Type::Kind::Tensor);
    Call c(*op, nullptr);
    if (args[1].is_tensor_list()) c.in.assign(args[1].tensor_list().begin(), args[1].tensor_list().end());
    else c.in = args[1].list().items;
    C2_ENFORCE(c.in.size() == op->inputs.size(), op->type, ": expected ", op->inputs.size(), " inputs, got ",
               c.in.size());
    op->record->run(c);
    if (!tensors) {
      rets[0] = IValue(make_ref<GenericList>(Type::any(), std::move(c.out)));
      return;
    }
    std::vector<rushlight::Tensor> out;
    for (size_t k = 0; k < c.out.size(); k++) {
      C2_ENFORCE(c.out[k].is_tensor() || c.out[k].is_none(), op->type, ": the output ", op->outputs[k], " is a ",
                 type_name_of(c.out[k]), ", and a graph has tensors");
      out.push_back(c.out[k].is_tensor() ? c.out[k].tensor() : rushlight::Tensor(torch::empty({0})));
    }
    rets[0] = IValue(std::move(out));
  }
};

OpLibrary& library() {
  static auto& made = *new OpLibrary(OpLibrary::Kind::Fragment, "_caffe2", "rushlight/caffe2");
  return made;
}

// All of them, when an archive first asks for one.
const bool defined = [] {
  for (const std::string& type : Registry::get().names()) {
    if (Registry::get().find(type)->stateful) continue;
    library().define(type + "(str def, Tensor[] inputs) -> Tensor[]", /*opaque=*/true);
    library().define(type + ".any(str def, Any[] inputs) -> Any[]", /*opaque=*/true);
    for (const char* overload : {"", ".any"})
      library().impl(type + overload, DispatchKey::CompositeImplicitAutograd, make_ref<Kernel>());
  }
  script::register_importer("caffe2", [](const io::Bytes& bytes, const std::string& name, const std::string&) {
    std::string where = str("load '", name, "'");
    MessageRef meta = make_message("MetaNetDef");
    meta->parse({reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size()}, where);
    MessageRef none = make_message("NetDef");
    const Message *init = none.get(), *predict = nullptr;
    for (const MessageRef& n : meta->messages("nets")) {
      if (n->text("key") == "PREDICT_INIT_NET_TYPE") init = n->message_or_null("value");
      if (n->text("key") == "PREDICT_NET_TYPE") predict = n->message_or_null("value");
    }
    RL_CHECK(FileError, init && predict, where, ": there is no net of the type PREDICT_NET_TYPE");
    return module_of(*init, *predict);
  });
  return true;
}();

bool fits(const Known& k, const Value& v) {
  if (!v.is_tensor() || !v.tensor().defined()) return !k.tensor;
  const rushlight::Tensor& t = v.tensor();
  return k.tensor && t.dtype() == k.dtype && t.dim() == k.rank &&
         std::equal(t.sizes().begin(), t.sizes().end(), k.sizes.begin());
}

constexpr size_t kMostVariants = 32;

}  // namespace

const rushlight::Op& graph_op(const std::string& type, bool tensors) {
  const rushlight::Op* op = OpTable::get().find(str("_caffe2::", type, tensors ? "" : ".any"));
  RL_INVARIANT(op, type);
  return *op;
}

Program::Program(const Net& net) {
  for (auto& op : net.ops()) {
    // An output that the operator may leave as it is has to stay in the workspace.
    bool alone = op->record->stateful || op->outputs.empty();
    if (alone || parts_.empty() || !parts_.back().lowered) {
      parts_.emplace_back();
      parts_.back().lowered = !alone;
    }
    parts_.back().ops.push_back(op.get());
  }
  for (Part& part : parts_) {
    std::set<std::string> written, read;
    for (const Op* op : part.ops) {
      for (const std::string& name : op->inputs)
        if (!written.count(name) && read.insert(name).second) part.inputs.push_back(name);
      for (const std::string& name : op->outputs)
        if (written.insert(name).second) part.outputs.push_back(name);
    }
  }
}

void Program::run_one_by_one(Part& part, Workspace& ws, Variant* into) {
  for (const Op* op : part.ops) {
    run_in(*op, ws);
    if (!into) continue;
    std::vector<Known> made;
    for (const std::string& name : op->outputs) made.push_back(Known::of(ws.blob(name)));
    into->made.push_back(std::move(made));
  }
}

void Program::lower(const Part& part, Variant& v) {
  auto g = std::make_shared<graph::Graph>();
  Translator t(*g);
  std::map<std::string, graph::Value*> now;
  for (size_t k = 0; k < part.inputs.size(); k++) {
    graph::Value* in = g->add_input("", v.inputs[k].tensor ? Type::tensor() : Type::any());
    if (v.inputs[k].tensor) t.known[in] = v.inputs[k];
    now[part.inputs[k]] = in;
  }
  for (size_t at = 0; at < part.ops.size(); at++) {
    std::vector<graph::Value*> in;
    for (const std::string& name : part.ops[at]->inputs) in.push_back(now.at(name));
    std::vector<graph::Value*> out = t.op(*part.ops[at], in, &v.made[at]);
    for (size_t k = 0; k < out.size(); k++) now[part.ops[at]->outputs[k]] = out[k];
  }
  for (const std::string& name : part.outputs) g->register_output(now.at(name));
  graph::optimize(*g);
  graph::fuse_pointwise(*g);
  v.program = std::make_unique<graph::Executable>(std::move(g), /*places=*/false);
  v.rerun = std::make_unique<Rerun>(*v.program);
}

void Program::run(Workspace& ws) {
  for (Part& part : parts_) {
    if (!part.lowered || ws.observer) {
      run_one_by_one(part, ws, nullptr);
      continue;
    }
    if (part.stamp != ws.stamp()) {
      part.in.clear(), part.out.clear();
      for (const std::string& name : part.outputs) part.out.push_back(ws.create(name));
      for (const std::string& name : part.inputs) {
        ws.blob(name);  // throws where there is none
        part.in.push_back(ws.find(name));
      }
      std::set<BlobRef> all(part.out.begin(), part.out.end());
      part.apart = all.size() == part.out.size();
      part.written.clear();
      for (const BlobRef& b : part.in) part.written.push_back(all.count(b) > 0);
      part.stamp = ws.stamp();
    }
    auto matches = [&](const Variant& v) {
      for (size_t k = 0; k < part.in.size(); k++)
        if (!fits(v.inputs[k], part.in[k]->value)) return false;
      return true;
    };
    Variant* v = nullptr;
    if (part.last < part.variants.size() && matches(*part.variants[part.last])) v = part.variants[part.last].get();
    for (size_t k = 0; !v && k < part.variants.size(); k++)
      if (matches(*part.variants[k])) v = part.variants[part.last = k].get();
    if (!v) {
      if (part.variants.size() >= kMostVariants) part.variants.clear();
      auto fresh = std::make_unique<Variant>();
      for (const BlobRef& b : part.in) fresh->inputs.push_back(Known::of(b->value));
      run_one_by_one(part, ws, fresh.get());
      part.last = part.variants.size();
      part.variants.push_back(std::move(fresh));
      continue;
    }
    NoGradGuard no_grad;
    bool done = false;
    try {
      if (!v->program) lower(part, *v);
      v->rerun->run(part.in, part.written, part.out, part.apart);
      done = true;
    } catch (const InternalError&) { throw; } catch (const Error&) {
    }  // told below, operator by operator
    if (!done) run_one_by_one(part, ws, nullptr);
  }
}

std::vector<std::string> Program::graphs() const {
  std::vector<std::string> out;
  for (const Part& part : parts_)
    for (const auto& v : part.variants)
      if (v->program) out.push_back(v->program->graph().text(false));
  return out;
}

// ---- nets as modules ---------------------------------------------------------------------------------------------------

namespace {

std::string slot_name(std::string_view name, std::set<std::string>& taken) {
  std::string out;
  for (char c : name)
    out += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ? c : '_';
  if (out.empty() || (out[0] >= '0' && out[0] <= '9')) out = "_" + out;
  while (!taken.insert(out).second) out += '_';
  return out;
}

Argument argument(std::string name, TypePtr type) {
  Argument a;
  a.name = std::move(name);
  a.type = std::move(type);
  a.type_name = a.type->schema_text();
  return a;
}

}  // namespace

Ref<ObjectValue> module_of(const Message& init, const Message& predict) {
  Workspace ws;
  ws.run_net_once(init);
  std::vector<std::unique_ptr<Op>> ops;
  std::set<std::string> made, used, statistics;
  std::vector<std::string> read;
  for (const MessageRef& o : predict.messages("op")) {
    auto op = std::make_unique<Op>(o->copy());
    check_known(*op);
    check_schema(*op);
    RL_CHECK(RuntimeError, !op->record->stateful, "to_module: the operator ", op->type,
             " works on a workspace, and can't be in a module; run the net in a workspace");
    for (const std::string& i : op->inputs)
      if (!made.count(i) && std::find(read.begin(), read.end(), i) == read.end()) read.push_back(i);
    used.insert(op->inputs.begin(), op->inputs.end());
    // A mean and a variance are no parameters.
    for (size_t k = 3; op->type == "SpatialBN" && k < op->inputs.size(); k++) statistics.insert(op->inputs[k]);
    made.insert(op->outputs.begin(), op->outputs.end());
    ops.push_back(std::move(op));
  }
  // The net's own order, then what it doesn't name.
  std::vector<std::string> order;
  for (const std::string& i : predict.texts("external_input"))
    if (std::find(read.begin(), read.end(), i) != read.end() && std::find(order.begin(), order.end(), i) == order.end())
      order.push_back(i);
  for (const std::string& i : read)
    if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
  // Exporters fill inputs too. Where nothing else is left to give, what the first operator works on is the argument.
  std::set<std::string> given;
  if (std::all_of(order.begin(), order.end(), [&](const std::string& i) { return ws.has(i); }))
    for (auto& op : ops)
      if (!op->inputs.empty() && ws.has(op->inputs[0]) && op->inputs.size() > 1 && given.empty())
        given.insert(op->inputs[0]);
  std::vector<std::string> results = predict.texts("external_output");
  if (results.empty())
    for (auto& op : ops)
      for (const std::string& o : op->outputs)
        if (!used.count(o) && std::find(results.begin(), results.end(), o) == results.end()) results.push_back(o);
  RL_CHECK(RuntimeError, !results.empty(), "to_module: the net ", predict.text("name"), " has no outputs");

  auto graph = std::make_shared<graph::Graph>();
  Translator t(*graph);
  auto type = std::make_shared<graph::ClassType>("__torch__.caffe2.Net", true);
  std::vector<IValue> slots{IValue(true)};
  type->add_slot("training", Type::boolean());
  std::set<std::string> taken{"training", "forward", "self", "None", "True", "False"}, arguments{"self"};
  Schema schema;
  schema.name = "forward";
  std::map<std::string, std::string> parameters;  // blob to slot
  for (const std::string& name : order) {
    if (!ws.has(name) || !ws.blob(name).is_tensor() || given.count(name)) continue;
    rushlight::Tensor value(Tensor(ws.blob(name).tensor()).clone());
    bool parameter = is_floating(value.dtype()) && !statistics.count(name);
    if (parameter) value.impl()->set_requires_grad(true);
    parameters[name] = slot_name(name, taken);
    type->add_slot(parameters[name], Type::tensor(), parameter, !parameter);
    slots.emplace_back(std::move(value));
  }
  graph::Value* self = graph->add_input("self", type->unowned());
  schema.args.push_back(argument("self", self->type()));
  std::map<std::string, graph::Value*> now;
  for (const std::string& name : order) {
    if (parameters.count(name)) continue;
    std::string called = slot_name(name, arguments);
    now[name] = graph->add_input(called, Type::tensor());
    schema.args.push_back(argument(called, Type::tensor()));
  }
  for (size_t k = 1; k < slots.size(); k++) {
    graph::Node* get = graph->insert_new("prim::GetAttr", {self});
    get->set_attribute("name", type->slots[k].name);
    get->output()->set_type(Type::tensor());
    for (auto& [blob, slot] : parameters)
      if (slot == type->slots[k].name) now[blob] = get->output();
    t.known[get->output()] = Known::of(slots[k]);
  }
  for (auto& op : ops) {
    std::vector<graph::Value*> in;
    for (const std::string& name : op->inputs) in.push_back(now.at(name));
    std::vector<graph::Value*> out = t.op(*op, in);
    for (size_t k = 0; k < out.size(); k++) now[op->outputs[k]] = out[k];
  }
  std::vector<graph::Value*> outs;
  for (const std::string& name : results) {
    auto found = now.find(name);
    RL_CHECK(RuntimeError, found != now.end(), "to_module: the net does not make its output ", name);
    outs.push_back(found->second);
  }
  graph::Value* result = outs[0];
  if (outs.size() > 1) {
    graph::Node* tuple = graph->insert_new("prim::TupleConstruct", outs);
    result = tuple->output()->set_type(Type::tuple(std::vector<TypePtr>(outs.size(), Type::tensor())));
  }
  graph->register_output(result);
  graph::eliminate_dead(*graph);
  schema.returns.push_back(argument("", result->type()));
  auto forward = std::make_shared<graph::Function>();
  forward->name = "forward";
  forward->compile = [graph, schema](graph::Function& into) {
    into.schema = schema;
    into.graph = graph;
  };
  type->add_method(forward);
  forward->made();
  auto object = make_ref<ObjectValue>(type, slots.size());
  object->slots = std::move(slots);
  return object;
}

}  // namespace rushlight::caffe2
