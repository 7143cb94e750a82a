#include "rushlight/caffe2/workspace.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>

#include "rushlight/caffe2/lower.h"

namespace rushlight::caffe2 {

static uint64_t next_stamp() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

Workspace::Workspace(std::string root, Workspace* parent)
    : root_(std::move(root)), parent_(parent), stamp_(next_stamp()) {}
Workspace::~Workspace() = default;

BlobRef Workspace::find(const std::string& name) const {
  auto found = blobs_.find(name);
  if (found != blobs_.end()) return found->second;
  return parent_ ? parent_->find(name) : nullptr;
}
BlobRef Workspace::create(const std::string& name) {
  if (BlobRef b = find(name)) return b;
  stamp_ = next_stamp();
  return blobs_[name] = std::make_shared<Blob>();
}
void Workspace::share(const std::string& name, BlobRef blob) {
  stamp_ = next_stamp();
  blobs_[name] = std::move(blob);
}
bool Workspace::remove(const std::string& name) {
  stamp_ = next_stamp();
  return blobs_.erase(name) > 0;
}
const Value& Workspace::blob(const std::string& name) const {
  BlobRef b = find(name);
  if (!b) C2_FAIL("ws->HasBlob(name). Can't find blob: ", name);
  return b->value;
}
std::vector<std::string> Workspace::local_names() const {
  std::vector<std::string> out;
  for (auto& [name, b] : blobs_) out.push_back(name);
  return out;
}
std::vector<std::string> Workspace::names() const {
  std::vector<std::string> out = local_names();
  if (parent_)
    for (std::string& s : parent_->names())
      if (!blobs_.count(s)) out.push_back(std::move(s));
  return out;
}
std::vector<std::string> Workspace::net_names() const {
  std::vector<std::string> out;
  for (auto& [name, n] : nets_) out.push_back(name);
  return out;
}

Net& Workspace::create_net(const Message& def, bool overwrite) {
  const std::string& name = def.text("name");
  C2_ENFORCE(def.has("name"), "Net definition should have a name.");
  if (nets_.count(name)) {
    if (!overwrite)
      C2_FAIL("I respectfully refuse to overwrite an existing net of the same name \"", name,
              "\", unless you explicitly specify overwrite=true.");
    nets_.erase(name);
  }
  auto n = std::make_shared<Net>(def, *this);
  return *(nets_[name] = std::move(n));
}
std::shared_ptr<Net> Workspace::shared_net(const std::string& name) {
  auto found = nets_.find(name);
  if (found == nets_.end()) C2_FAIL("gWorkspace->GetNet(name). Can't find net ", name);
  return found->second;
}
void Workspace::run_net(const std::string& name, int64_t times) {
  std::shared_ptr<Net> n = shared_net(name);
  for (int64_t k = 0; k < times; k++) n->run(*this);
}
void Workspace::run_net_once(const Message& def) { Net(def, *this).run(*this); }

void Workspace::run_operator_once(const Message& def) {
  Op op{def.copy()};
  check_known(op);
  check_schema(op);
  for (const std::string& i : op.inputs)
    if (!has(i)) C2_FAIL("op ", op.type, ": Encountered a non-existing input blob: ", i);
  for (const std::string& o : op.outputs) create(o);
  run_in(op, *this);
}

void run_in(const Op& op, Workspace& ws) {
  Call c(op, &ws);
  for (size_t k = 0; k < op.inputs.size(); k++) c.in[k] = ws.blob(op.inputs[k]);
  auto start = std::chrono::steady_clock::now();
  run_checked(c);
  if (ws.observer) ws.observer(op, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  for (size_t k = 0; k < op.outputs.size(); k++)
    if (!c.out[k].is_none()) ws.create(op.outputs[k])->value = std::move(c.out[k]);
}

// ---- nets ------------------------------------------------------------------------------------------------------------

static bool known_net_type(const std::string& t) {
  static const std::set<std::string> all{"",          "simple",           "dag",
                                         "async_dag", "async_scheduling", "async_simple",
                                         "prof_dag",  "async_polling",    "singlethread_async",
                                         "parallel",  "simple_refcount"};
  return all.count(t) > 0;
}

Net::~Net() = default;

Net::Net(const Message& def, Workspace& ws) : name_(def.text("name")), def_(def.copy()) {
  const std::string& type = def.text("type");
  if (!known_net_type(type)) C2_FAIL("Could not create net: ", name_, " of type ", type);
  if (type == "parallel")
    C2_ENFORCE(def.whole("num_workers") > 0, "num_workers > 0 is wanted for a net of type parallel");
  std::set<std::string> made, external(def.texts("external_input").begin(), def.texts("external_input").end());
  for (const MessageRef& o : def_->messages("op")) {
    if (const Message* d = def_->message_or_null("device_option"); d && !o->has("device_option"))
      o->message("device_option")->copy_from(*d), o->message("device_option")->touch();
    auto op = std::make_unique<Op>(o);
    check_known(*op);
    check_schema(*op);
    for (const std::string& i : op->inputs) {
      if (made.count(i)) continue;
      if (!external.empty() && !external.count(i)) {
        if (!ws.has(i))
          C2_FAIL("op ", op->type, ": Source for input ", i, " is unknown for net ", name_, ", operator input: ", i,
                  ", operator: ", o->to_text());
      }
      if (!ws.has(i)) C2_FAIL("op ", op->type, ": Encountered a non-existing input blob: ", i);
    }
    made.insert(op->outputs.begin(), op->outputs.end());
    ops_.push_back(std::move(op));
  }
  if (!def.texts("external_output").empty())
    for (const std::string& o : def.texts("external_output"))
      if (!made.count(o) && !external.count(o))
        C2_FAIL("Some of the blobs are declared as output but never produced by the net ", name_, ", the first one is ",
                o);
  for (auto& op : ops_)
    for (const std::string& o : op->outputs) ws.create(o);
  program_ = std::make_unique<Program>(*this);
}

void Net::run(Workspace& ws) { program_->run(ws); }

}  // namespace rushlight::caffe2
