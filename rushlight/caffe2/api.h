// Caffe2's C++ names for programs that embed nets: caffe2::NetDef, Workspace, Predictor, TensorCPU.
//
//   caffe2::NetDef init, predict;
//   CAFFE_ENFORCE(caffe2::ReadProtoFromFile("init_net.pb", &init) && caffe2::ReadProtoFromFile("predict_net.pb", &predict));
//   caffe2::Predictor p(init, predict);
//   std::vector<torch::Tensor> out = p({torch::ones({1, 3, 224, 224})});
#pragma once
#include <algorithm>
#include <fstream>
#include <iterator>

#include "rushlight/caffe2/blobs.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::caffe2 {

// A NetDef, MetaNetDef, ... by its message; `type` is the message's name.
class Proto {
 public:
  explicit Proto(const char* type) : message_(make_message(type)) {}
  Message& message() { return *message_; }
  const Message& message() const { return *message_; }
  // False for bytes that are no such message.
  bool ParseFromString(std::string_view bytes) {
    try {
      message_->parse(bytes, message_->type().name);
      return true;
    } catch (const FileError&) { return false; }
  }
  std::string SerializeAsString() const { return message_->serialize(); }
  std::string DebugString() const { return message_->to_text(); }
  const std::string& name() const { return message_->text("name"); }
  void set_name(std::string v) { message_->set("name", std::move(v)); }

 private:
  MessageRef message_;
};
struct NetDef : Proto {
  NetDef() : Proto("NetDef") {}
  int op_size() const { return int(message().messages("op").size()); }
  int external_input_size() const { return int(message().texts("external_input").size()); }
  const std::string& external_input(int k) const { return message().texts("external_input").at(size_t(k)); }
  int external_output_size() const { return int(message().texts("external_output").size()); }
  const std::string& external_output(int k) const { return message().texts("external_output").at(size_t(k)); }
};
struct MetaNetDef : Proto {
  MetaNetDef() : Proto("MetaNetDef") {}
};

// False where the file can't be read or holds no such message; in text form where its name ends in txt.
inline bool ReadProtoFromFile(const std::string& path, Proto* to) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!path.ends_with("txt")) return to->ParseFromString(bytes);
  try {
    to->message().parse_text(bytes, path);
    return true;
  } catch (const FileError&) { return false; }
}

// Runs a net for prediction. Throws as Workspace does.
class Predictor {
 public:
  Predictor(const NetDef& init_net, const NetDef& run_net, Workspace* parent = nullptr) : ws_(".", parent) {
    start(init_net.message(), run_net.message());
  }
  // Of a database that predictor_exporter wrote.
  Predictor(const std::string& db_type, const std::string& path) : ws_(".") {
    MessageRef meta = make_message("MetaNetDef");
    std::map<std::string, Value> blobs;
    for (auto db = open_db(db_type, path); db->valid(); db->next()) {
      MessageRef m = make_message("BlobProto");
      m->parse(db->value(), str("Predictor '", path, "'"));
      std::string key(db->key());
      add_blob_chunk(blobs[key.substr(0, key.find("#%"))], *m);
    }
    auto found = blobs.find("!!META_NET_DEF");
    C2_ENFORCE(found != blobs.end() && found->second.is_string(), "Predictor '", path, "': there is no MetaNetDef");
    meta->parse(found->second.to_string(), str("Predictor '", path, "'"));
    for (auto& [name, v] : blobs) ws_.feed(name, v);
    const Message *init = nullptr, *run = nullptr;
    for (const MessageRef& n : meta->messages("nets")) {
      if (n->text("key") == "PREDICT_INIT_NET_TYPE") init = n->message_or_null("value");
      if (n->text("key") == "PREDICT_NET_TYPE") run = n->message_or_null("value");
    }
    C2_ENFORCE(run, "Predictor '", path, "': there is no PREDICT_NET_TYPE");
    MessageRef none = make_message("NetDef");
    start(init ? *init : *none, *run);
  }
  // Inputs by order; gives the external outputs.
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs) {
    C2_ENFORCE(inputs.size() <= inputs_.size(), "there are ", inputs_.size(), " inputs, got ", inputs.size());
    for (size_t k = 0; k < inputs.size(); k++) ws_.feed(inputs_[k], Value(rushlight::Tensor(inputs[k])));
    return run();
  }
  std::vector<Tensor> operator()(const std::map<std::string, Tensor>& inputs) {
    for (auto& [name, t] : inputs) {
      C2_ENFORCE(std::find(inputs_.begin(), inputs_.end(), name) != inputs_.end(), "Input can't be found: ", name);
      ws_.feed(name, Value(rushlight::Tensor(t)));
    }
    return run();
  }
  bool run(const std::vector<Tensor>& inputs, std::vector<Tensor>* outputs) {
    *outputs = (*this)(inputs);
    return true;
  }
  Workspace* ws() { return &ws_; }
  const std::vector<std::string>& input_names() const { return inputs_; }
  const std::vector<std::string>& output_names() const { return outputs_; }

 private:
  void start(const Message& init, const Message& run) {
    if (!init.messages("op").empty()) ws_.run_net_once(init);
    inputs_ = run.texts("external_input");
    for (const std::string& name : inputs_) ws_.create(name);
    outputs_ = run.texts("external_output");
    MessageRef named = run.copy();
    if (!named->has("name") || named->text("name").empty()) named->set("name", "predict");
    ws_.create_net(*named, true);
    net_ = named->text("name");
  }
  std::vector<Tensor> run() {
    ws_.run_net(net_);
    std::vector<Tensor> out;
    for (const std::string& name : outputs_) {
      const Value& v = ws_.blob(name);
      C2_ENFORCE(v.is_tensor(), "the output ", name, " is no tensor");
      out.push_back(Tensor(v.tensor()));
    }
    return out;
  }
  Workspace ws_;
  std::string net_;
  std::vector<std::string> inputs_, outputs_;
};

}  // namespace rushlight::caffe2

namespace caffe2 {
using rushlight::caffe2::MetaNetDef;
using rushlight::caffe2::NetDef;
using rushlight::caffe2::Predictor;
using rushlight::caffe2::ReadProtoFromFile;
using rushlight::caffe2::Workspace;
using TensorCPU = torch::Tensor;
}  // namespace caffe2
