// Workspaces: named blobs, and the nets that run over them.
//
//   Workspace ws;
//   ws.run_net_once(*net);
//   Tensor y(ws.blob("y").tensor());
//
// Thread safety: one thread at a time; threads that share workspaces take turns (turn.h).
#pragma once
#include <map>
#include <memory>

#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {

struct Blob { Value value; };
using BlobRef = std::shared_ptr<Blob>;

class Net;

class Workspace {
 public:
  explicit Workspace(std::string root = ".", Workspace* parent = nullptr);
  ~Workspace();
  Workspace(const Workspace&) = delete;

  const std::string& root() const { return root_; }
  bool has(const std::string& name) const { return bool(find(name)); }
  BlobRef find(const std::string& name) const;  // null if there is none; those of the parent too
  BlobRef create(const std::string& name);      // the one that is there, or a new one
  bool remove(const std::string& name);
  // `name` here is that blob, which may be of another workspace.
  void share(const std::string& name, BlobRef blob);
  // Another number whenever a name means another blob than before; none is given twice.
  uint64_t stamp() const { return parent_ ? std::max(stamp_, parent_->stamp()) : stamp_; }
  const Value& blob(const std::string& name) const;  // throws where there is none
  void feed(const std::string& name, Value v) { create(name)->value = std::move(v); }
  std::vector<std::string> names() const;
  std::vector<std::string> local_names() const;

  // Throws for a net whose inputs are missing, whose operators are unknown, whose name is taken.
  Net& create_net(const Message& def, bool overwrite = false);
  Net& net(const std::string& name) { return *shared_net(name); }
  std::shared_ptr<Net> shared_net(const std::string& name);
  bool has_net(const std::string& name) const { return nets_.count(name) > 0; }
  void delete_net(const std::string& name) { nets_.erase(name); }
  std::vector<std::string> net_names() const;
  void run_net(const std::string& name, int64_t times = 1);
  void run_net_once(const Message& def);
  void run_operator_once(const Message& def);
  // Steps whose substeps are concurrent run in threads of their own, one at a time (turn.h).
  void run_plan(const Message& plan);
  // Told of each operator that has run, and of the seconds that it took; nets then run operator by operator.
  std::function<void(const Op&, double)> observer;

 private:
  std::string root_;
  Workspace* parent_;
  uint64_t stamp_;
  std::map<std::string, BlobRef> blobs_;
  std::map<std::string, std::shared_ptr<Net>> nets_;
};

class Program;  // lower.h

class Net {
 public:
  Net(const Message& def, Workspace& ws);
  ~Net();
  const std::string& name() const { return name_; }
  const Message& def() const { return *def_; }
  const std::vector<std::unique_ptr<Op>>& ops() const { return ops_; }
  void run(Workspace& ws);
  const Program& program() const { return *program_; }

 private:
  std::string name_;
  MessageRef def_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::unique_ptr<Program> program_;
};

void check_known(const Op& op);
// Takes the inputs from the workspace, runs, and puts the outputs there.
void run_in(const Op& op, Workspace& ws);

}  // namespace rushlight::caffe2
