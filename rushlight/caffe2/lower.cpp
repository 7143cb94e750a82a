#include "rushlight/caffe2/lower.h"

#include <mutex>
#include <set>

#include "rushlight/dispatch/library.h"

namespace rushlight::caffe2 {
namespace {

// An OperatorDef in binary form, read once.
std::shared_ptr<const Op> op_of(std::string_view def) {
  static std::mutex lock;
  static auto& all = *new std::map<std::string, std::shared_ptr<const Op>, std::less<>>;
  std::lock_guard guard(lock);
  auto found = all.find(def);
  if (found != all.end()) return found->second;
  if (all.size() > 4096) all.clear();  // those in use are held by their calls
  auto op = std::make_shared<const Op>(parse_message("OperatorDef", def, "an operator of the namespace _caffe2"));
  check_known(*op);
  check_schema(*op);
  return all[std::string(def)] = op;
}

class Kernel final : public BoxedKernel {
 public:
  void call(const rushlight::Op&, IValue* args, IValue* rets) override {
    std::shared_ptr<const Op> op = op_of(args[0].to_string());
    C2_ENFORCE(!op->record->stateful, op->type, " works on a workspace, and is no operator of graphs");
    Call c(*op, nullptr);
    if (args[1].is_tensor_list()) {
      c.in.assign(args[1].tensor_list().begin(), args[1].tensor_list().end());
    } else {
      c.in = args[1].list().items;
    }
    C2_ENFORCE(c.in.size() == op->inputs.size(), op->type, ": expected ", op->inputs.size(), " inputs, got ",
               c.in.size());
    op->record->run(c);
    rets[0] = IValue(make_ref<GenericList>(Type::any(), std::move(c.out)));
  }
};

// The operator of a type, which is defined when a graph first wants it.
const rushlight::Op& graph_op(const std::string& type) {
  static std::mutex lock;
  static auto& library = *new OpLibrary(OpLibrary::Kind::Fragment, "_caffe2", "rushlight/caffe2");
  std::string name = "_caffe2::" + type;
  std::lock_guard guard(lock);
  const rushlight::Op* op = OpTable::get().find(name);
  if (!op) {
    library.define(type + "(str def, Any[] inputs) -> Any[]", /*opaque=*/true);
    library.impl(type, DispatchKey::CompositeImplicitAutograd, make_ref<Kernel>());
    op = OpTable::get().find(name);
  }
  RL_INVARIANT(op, name);
  return *op;
}

}  // namespace

Program::Program(const Net& net) {
  auto flush = [&](std::vector<const Op*>& ops) {
    if (ops.empty()) return;
    Part part;
    part.ops = std::move(ops);
    ops.clear();
    auto g = std::make_shared<graph::Graph>();
    std::map<std::string, graph::Value*> now;
    std::vector<std::string> written;
    TypePtr list = Type::list(Type::any());
    for (const Op* op : part.ops) {
      std::vector<graph::Value*> in;
      for (const std::string& name : op->inputs) {
        graph::Value*& v = now[name];
        if (!v) {
          v = g->add_input("", Type::any());
          part.inputs.push_back(name);
        }
        in.push_back(v);
      }
      graph::Node* inputs = g->insert_new("prim::ListConstruct", in);
      inputs->output()->set_type(list);
      graph::Node* call =
          g->insert_new("_caffe2::" + op->type, {g->insert_constant(IValue(op->def->serialize())), inputs->output()});
      call->op = &graph_op(op->type);
      call->output()->set_type(list);
      graph::Node* outputs = g->insert_new("prim::ListUnpack", {call->output()}, op->outputs.size());
      for (size_t k = 0; k < op->outputs.size(); k++) {
        outputs->output(k)->set_type(Type::any());
        now[op->outputs[k]] = outputs->output(k);
        written.push_back(op->outputs[k]);
      }
    }
    std::set<std::string> done;
    for (const std::string& name : written)
      if (done.insert(name).second) {
        g->register_output(now[name]);
        part.outputs.push_back(name);
      }
    part.graph = std::make_unique<graph::Executable>(g, /*places=*/false);
    parts_.push_back(std::move(part));
  };
  std::vector<const Op*> ops;
  for (auto& op : net.ops()) {
    // An output that the operator may leave as it is has to stay in the workspace.
    if (op->record->stateful || op->outputs.empty()) {
      flush(ops);
      Part part;
      part.ops = {op.get()};
      parts_.push_back(std::move(part));
    } else {
      ops.push_back(op.get());
    }
  }
  flush(ops);
}

void Program::run(Workspace& ws) {
  for (Part& part : parts_) {
    bool done = false;
    if (part.graph && !ws.observer) {
      NoGradGuard no_grad;
      std::vector<IValue> args, results(part.outputs.size());
      for (const std::string& name : part.inputs) args.push_back(ws.blob(name));
      try {
        part.graph->run(args.data(), results.data());
        done = true;
      } catch (const InternalError&) { throw; } catch (const Error&) {
      }  // told below, operator by operator
      for (size_t k = 0; done && k < results.size(); k++)
        if (!results[k].is_none()) ws.create(part.outputs[k])->value = std::move(results[k]);
    }
    if (done) continue;
    for (const Op* op : part.ops) run_in(*op, ws);
  }
}

}  // namespace rushlight::caffe2
