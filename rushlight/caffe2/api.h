// Caffe2's C++ names for programs that embed nets: NetDef and its parts with protobuf's accessors, TensorCPU, Blob, Workspace, Predictor.
//
//   caffe2::NetDef init, predict;
//   CAFFE_ENFORCE(caffe2::ReadProtoFromFile("init_net.pb", &init) && caffe2::ReadProtoFromFile("predict_net.pb", &predict));
//   caffe2::Predictor p(init, predict);
//   caffe2::TensorCPU input({1, 3, 224, 224}, pixels, nullptr);
//   caffe2::Predictor::TensorVector inputs{&input}, outputs;
//   p.run(inputs, &outputs);
//   float best = outputs[0]->data<float>()[0];
//
// A header over the library: link rushlight::rushlight_caffe2, as C++20. Errors are exceptions, as CAFFE_ENFORCE's are.
// Thread safety: an object is for one thread at a time.
#pragma once
#include <algorithm>
#include <fstream>
#include <iterator>

#include "rushlight/caffe2/blobs.h"
#include "rushlight/caffe2/workspace.h"

// ---- messages ----------------------------------------------------------------------------------------------------------

namespace caffe2 {

namespace core = rushlight::caffe2;
using TIndex = int64_t;

// A message; views of its parts stay good as long as it does.
class Proto {
 public:
  explicit Proto(const char* type) : message_(core::make_message(type)) {}
  explicit Proto(core::MessageRef m) : message_(std::move(m)) {}
  Proto(const Proto& o) : message_(o.message_->copy()) {}
  Proto& operator=(const Proto& o) {
    if (this != &o) CopyFrom(o);
    return *this;
  }
  core::Message& message() { return *message_; }
  const core::Message& message() const { return *message_; }
  // False for bytes that are no such message.
  bool ParseFromString(std::string_view bytes) {
    try {
      views_.clear();
      message_->parse(bytes, message_->type().name);
      return true;
    } catch (const rushlight::FileError&) { return false; }
  }
  std::string SerializeAsString() const { return message_->serialize(); }
  bool SerializeToString(std::string* to) const { return *to = message_->serialize(), true; }
  std::string DebugString() const { return message_->to_text(); }
  void CopyFrom(const Proto& o) {
    views_.clear();
    message_->copy_from(*o.message_);
    message_->touch();
  }
  void Clear() {
    views_.clear();
    message_->clear();
  }

 protected:
  template <class T>
  T* view(const core::MessageRef& m) const {
    auto& kept = views_[m.get()];
    if (!kept) kept = std::make_shared<T>(m);
    return static_cast<T*>(kept.get());
  }
  template <class T>
  T* child(const char* field) const {
    return view<T>(const_cast<core::Message&>(*message_).message(field));
  }
  template <class T>
  T* at(const char* field, int k) const {
    return view<T>(message_->messages(field).at(size_t(k)));
  }
  template <class T>
  T* append(const char* field) {
    return view<T>(message_->add(field));
  }

 private:
  core::MessageRef message_;
  mutable std::map<const void*, std::shared_ptr<Proto>> views_;
};

// Accessors as protobuf makes them.
#define C2_TEXT(name)                                               \
  const std::string& name() const { return message().text(#name); } \
  bool has_##name() const { return message().has(#name); }          \
  void clear_##name() { message().clear(message().index(#name)); }  \
  void set_##name(std::string v) { message().set(#name, std::move(v)); }
#define C2_NUMBER(type, name, read)                                \
  type name() const { return type(message().read(#name)); }        \
  bool has_##name() const { return message().has(#name); }         \
  void clear_##name() { message().clear(message().index(#name)); } \
  void set_##name(type v) { message().set(#name, v); }
#define C2_TEXTS(name)                                                                                   \
  int name##_size() const { return int(message().texts(#name).size()); }                                 \
  const std::string& name(int k) const { return message().texts(#name).at(size_t(k)); }                  \
  const std::vector<std::string>& name() const { return message().texts(#name); }                        \
  void add_##name(std::string v) { message().add(#name, std::move(v)); }                                 \
  void set_##name(int k, std::string v) { message().mutable_texts(#name).at(size_t(k)) = std::move(v); } \
  void clear_##name() { message().clear(message().index(#name)); }
#define C2_NUMBERS(type, name, read, change)                                   \
  int name##_size() const { return int(message().read(#name).size()); }        \
  type name(int k) const { return type(message().read(#name).at(size_t(k))); } \
  void add_##name(type v) { message().change(#name).push_back(v); }            \
  void clear_##name() { message().clear(message().index(#name)); }
#define C2_PARTS(type, name)                                                                           \
  int name##_size() const { return int(message().messages(#name).size()); }                            \
  const type& name(int k) const { return *at<type>(#name, k); }                                        \
  type* mutable_##name(int k) { return at<type>(#name, k); }                                           \
  type* add_##name() { return append<type>(#name); }                                                   \
  std::vector<type> name() const {                                                                     \
    std::vector<type> all;                                                                             \
    for (int k = 0; k < name##_size(); k++) all.push_back(type(message().messages(#name)[size_t(k)])); \
    return all;                                                                                        \
  }                                                                                                    \
  void clear_##name() { message().clear(message().index(#name)); }
#define C2_PART(type, name)                                \
  bool has_##name() const { return message().has(#name); } \
  const type& name() const { return *child<type>(#name); } \
  type* mutable_##name() {                                 \
    type* part = child<type>(#name);                       \
    part->message().touch();                               \
    return part;                                           \
  }

class DeviceOption : public Proto {
 public:
  DeviceOption() : Proto("DeviceOption") {}
  explicit DeviceOption(core::MessageRef m) : Proto(std::move(m)) {}
  C2_NUMBER(int, device_type, whole)
  C2_NUMBER(int64_t, random_seed, whole)
};
class TensorProto : public Proto {
 public:
  TensorProto() : Proto("TensorProto") {}
  explicit TensorProto(core::MessageRef m) : Proto(std::move(m)) {}
  C2_NUMBERS(int64_t, dims, wholes, mutable_wholes)
  C2_NUMBER(int, data_type, whole)
  C2_NUMBERS(float, float_data, floats, mutable_floats)
  C2_NUMBERS(int, int32_data, wholes, mutable_wholes)
  C2_NUMBERS(int64_t, int64_data, wholes, mutable_wholes)
  C2_TEXT(byte_data)
  C2_TEXTS(string_data)
  C2_TEXT(name)
};
class TensorProtos : public Proto {
 public:
  TensorProtos() : Proto("TensorProtos") {}
  explicit TensorProtos(core::MessageRef m) : Proto(std::move(m)) {}
  C2_PARTS(TensorProto, protos)
};
class NetDef;
class Argument : public Proto {
 public:
  Argument() : Proto("Argument") {}
  explicit Argument(core::MessageRef m) : Proto(std::move(m)) {}
  C2_TEXT(name)
  C2_NUMBER(float, f, real)
  C2_NUMBER(int64_t, i, whole)
  C2_TEXT(s)
  C2_NUMBERS(float, floats, floats, mutable_floats)
  C2_NUMBERS(int64_t, ints, wholes, mutable_wholes)
  C2_TEXTS(strings)
};
class OperatorDef : public Proto {
 public:
  OperatorDef() : Proto("OperatorDef") {}
  explicit OperatorDef(core::MessageRef m) : Proto(std::move(m)) {}
  C2_TEXTS(input)
  C2_TEXTS(output)
  C2_TEXT(name)
  C2_TEXT(type)
  C2_TEXT(engine)
  C2_PARTS(Argument, arg)
  C2_PART(DeviceOption, device_option)
  C2_NUMBER(bool, is_gradient_op, whole)
};
class NetDef : public Proto {
 public:
  NetDef() : Proto("NetDef") {}
  explicit NetDef(core::MessageRef m) : Proto(std::move(m)) {}
  C2_TEXT(name)
  C2_TEXT(type)
  C2_PARTS(OperatorDef, op)
  C2_PARTS(Argument, arg)
  C2_TEXTS(external_input)
  C2_TEXTS(external_output)
  C2_PART(DeviceOption, device_option)
};
class PlanDef : public Proto {
 public:
  PlanDef() : Proto("PlanDef") {}
  explicit PlanDef(core::MessageRef m) : Proto(std::move(m)) {}
  C2_TEXT(name)
  C2_PARTS(NetDef, network)
};
class MetaNetDef : public Proto {
 public:
  MetaNetDef() : Proto("MetaNetDef") {}
  explicit MetaNetDef(core::MessageRef m) : Proto(std::move(m)) {}
};
#undef C2_TEXT
#undef C2_NUMBER
#undef C2_TEXTS
#undef C2_NUMBERS
#undef C2_PARTS
#undef C2_PART

// False where the file can't be read or holds no such message.
inline bool ReadProtoFromBinaryFile(const std::string& path, Proto* to) {
  std::ifstream file(path, std::ios::binary);
  return file && to->ParseFromString(std::string{std::istreambuf_iterator<char>(file), {}});
}
inline bool ReadProtoFromTextFile(const std::string& path, Proto* to) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  try {
    to->Clear();
    to->message().parse_text(std::string{std::istreambuf_iterator<char>(file), {}}, path);
    return true;
  } catch (const rushlight::FileError&) { return false; }
}
// Either form: the binary one where the bytes are that.
inline bool ReadProtoFromFile(const std::string& path, Proto* to) {
  if (path.ends_with("txt")) return ReadProtoFromTextFile(path, to);
  return ReadProtoFromBinaryFile(path, to) || ReadProtoFromTextFile(path, to);
}
inline void WriteProtoToBinaryFile(const Proto& proto, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << proto.SerializeAsString();
  RL_CHECK(OsError, bool(file.flush()), "WriteProtoToBinaryFile: '", path, "' can't be written");
}
inline void WriteProtoToTextFile(const Proto& proto, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << proto.DebugString();
  RL_CHECK(OsError, bool(file.flush()), "WriteProtoToTextFile: '", path, "' can't be written");
}
inline std::string ProtoDebugString(const Proto& proto) { return proto.DebugString(); }

template <class T>
Argument MakeArgument(const std::string& name, const T& value) {
  Argument a;
  a.set_name(name);
  if constexpr (std::is_convertible_v<T, std::string>) a.set_s(value);
  else if constexpr (std::is_integral_v<T>) a.set_i(int64_t(value));
  else if constexpr (std::is_floating_point_v<T>) a.set_f(float(value));
  else
    for (const auto& v : value) {
      if constexpr (std::is_convertible_v<decltype(v), std::string>) a.add_strings(v);
      else if constexpr (std::is_integral_v<std::decay_t<decltype(v)>>) a.add_ints(int64_t(v));
      else a.add_floats(float(v));
    }
  return a;
}

// ---- tensors and blobs -------------------------------------------------------------------------------------------------

// A tensor as a blob holds it. A copy is another handle of the same blob; CopyFrom copies elements.
class TensorCPU {
 public:
  TensorCPU() : blob_(std::make_shared<core::Blob>()) {}
  explicit TensorCPU(std::vector<int64_t> dims) : TensorCPU() { Resize(std::move(dims)); }
  template <class T, class Context>
  TensorCPU(std::vector<int64_t> dims, const std::vector<T>& values, Context*) : TensorCPU(std::move(dims)) {
    RL_CHECK(ValueError, int64_t(values.size()) == size(), "TensorCPU: ", values.size(), " values for ", size(),
             " elements");
    std::copy(values.begin(), values.end(), mutable_data<T>());
  }
  template <class T>
  TensorCPU(std::vector<int64_t> dims, const std::vector<T>& values, std::nullptr_t)
      : TensorCPU(std::move(dims), values, static_cast<void*>(nullptr)) {}
  TensorCPU(const torch::Tensor& t) : TensorCPU() { set(t); }
  explicit TensorCPU(core::BlobRef blob) : blob_(std::move(blob)) {}

  bool has() const { return blob_->value.is_tensor(); }
  // REQUIRES: a tensor that somebody gave values.
  torch::Tensor tensor() const {
    RL_CHECK(RuntimeError, has(), "TensorCPU: there are no elements yet; ask for mutable_data first");
    return torch::Tensor(blob_->value.tensor());
  }
  operator torch::Tensor() const { return tensor(); }
  std::vector<int64_t> dims() const { return has() ? tensor().sizes().vec() : dims_; }
  std::vector<int64_t> sizes() const { return dims(); }
  int ndim() const { return int(dims().size()); }
  int dim() const { return ndim(); }
  int64_t dim(int k) const { return dims().at(size_t(k)); }
  int dim32(int k) const { return int(dim(k)); }
  int64_t size(int k) const { return dim(k); }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : dims()) n *= d;
    return n;
  }
  int64_t numel() const { return size(); }
  size_t nbytes() const { return has() ? size_t(tensor().nbytes()) : 0; }
  template <class T>
  bool IsType() const {
    return has() && tensor().scalar_type() == torch::CppTypeToScalarType<T>::value;
  }
  // The elements, in order. Throws for another type.
  template <class T>
  const T* data() const {
    RL_CHECK(TypeError, IsType<T>(), "TensorCPU: the elements are of another type");
    if (!tensor().is_contiguous()) set(tensor().contiguous());
    return static_cast<const T*>(tensor().data_ptr());
  }
  // Room for size() elements of that type, whose values stay where there were some.
  template <class T>
  T* mutable_data() {
    if (!IsType<T>()) set(torch::empty(dims(), torch::TensorOptions().dtype(torch::CppTypeToScalarType<T>::value)));
    else if (!tensor().is_contiguous() || tensor().storage().use_count() > 1)
      set(tensor().clone());  // what other blobs have of it stays
    return static_cast<T*>(tensor().data_ptr());
  }
  void Resize(std::vector<int64_t> dims) {
    int64_t n = 1;
    for (int64_t d : dims) {
      RL_CHECK(ValueError, d >= 0 && (d == 0 || n <= (int64_t(1) << 40) / d), "TensorCPU: dims of ", dims);
      n *= d;
    }
    if (has() && n == size()) set(tensor().reshape(dims));
    else blob_->value = {};
    dims_ = std::move(dims);
  }
  template <class... N>
    requires(std::is_integral_v<N> && ...)
  void Resize(N... dims) {
    Resize(std::vector<int64_t>{int64_t(dims)...});
  }
  void ResizeLike(const TensorCPU& o) { Resize(o.dims()); }
  void Reshape(std::vector<int64_t> dims) { set(tensor().reshape(dims)); }
  void CopyFrom(const TensorCPU& o) { set(o.tensor().clone()); }
  void ShareData(const TensorCPU& o) { set(o.tensor()); }

 private:
  void set(const torch::Tensor& t) const { blob_->value = core::Value(rushlight::Tensor(t)); }
  core::BlobRef blob_;
  std::vector<int64_t> dims_;
};
using Tensor = TensorCPU;

class Blob {
 public:
  explicit Blob(core::BlobRef blob) : blob_(std::move(blob)), tensor_(blob_) {}
  template <class T>
  bool IsType() const {
    if constexpr (std::is_same_v<T, std::string>) return blob_->value.is_string();
    else return blob_->value.is_tensor();
  }
  // A TensorCPU or a std::string. Throws where the blob holds another thing.
  template <class T>
  const T& Get() const {
    RL_CHECK(RuntimeError, IsType<T>(), "wrong type for the Blob instance. Blob contains ",
             core::type_name_of(blob_->value));
    if constexpr (std::is_same_v<T, std::string>) return text_ = std::string(blob_->value.to_string());
    else return tensor_;
  }
  template <class T>
  T* GetMutable() {
    static_assert(std::is_same_v<T, TensorCPU>, "blobs are changed as TensorCPU");
    return &tensor_;
  }
  const char* TypeName() const { return (text_ = core::type_name_of(blob_->value)).c_str(); }
  void Reset() { blob_->value = {}; }
  core::BlobRef ref() const { return blob_; }

 private:
  core::BlobRef blob_;
  TensorCPU tensor_;
  mutable std::string text_;
};
inline TensorCPU* BlobGetMutableTensor(Blob* blob, int = 0) { return blob->GetMutable<TensorCPU>(); }

// ---- workspaces --------------------------------------------------------------------------------------------------------

class Workspace {
 public:
  explicit Workspace(std::string root = ".") : ws_(std::move(root)) {}
  explicit Workspace(Workspace* shared) : ws_(".", shared ? &shared->ws_ : nullptr) {}
  core::Workspace& workspace() { return ws_; }
  const std::string& RootFolder() const { return ws_.root(); }

  Blob* CreateBlob(const std::string& name) { return blob(ws_.create(name)); }
  bool HasBlob(const std::string& name) const { return ws_.has(name); }
  // Null where there is none.
  Blob* GetBlob(const std::string& name) {
    core::BlobRef b = ws_.find(name);
    return b ? blob(b) : nullptr;
  }
  bool RemoveBlob(const std::string& name) { return ws_.remove(name); }
  std::vector<std::string> Blobs() const { return ws_.names(); }
  std::vector<std::string> LocalBlobs() const { return ws_.local_names(); }

  // Errors of nets are exceptions; true otherwise.
  bool CreateNet(const NetDef& net, bool overwrite = false) { return ws_.create_net(net.message(), overwrite), true; }
  void DeleteNet(const std::string& name) { ws_.delete_net(name); }
  std::vector<std::string> Nets() const { return ws_.net_names(); }
  bool RunNet(const std::string& name) { return ws_.run_net(name), true; }
  bool RunNetOnce(const NetDef& net) { return ws_.run_net_once(net.message()), true; }
  bool RunOperatorOnce(const OperatorDef& op) { return ws_.run_operator_once(op.message()), true; }
  bool RunPlan(const PlanDef& plan) { return ws_.run_plan(plan.message()), true; }

 private:
  Blob* blob(const core::BlobRef& b) {
    auto& kept = blobs_[b.get()];
    if (!kept) kept = std::make_unique<Blob>(b);
    return kept.get();
  }
  core::Workspace ws_;
  std::map<const void*, std::unique_ptr<Blob>> blobs_;
};

// ---- predictors --------------------------------------------------------------------------------------------------------

// Runs a net for prediction. Throws as Workspace does.
class Predictor {
 public:
  using TensorVector = std::vector<TensorCPU*>;
  using TensorList = std::vector<TensorCPU>;
  using TensorMap = std::map<std::string, TensorCPU>;

  Predictor(const NetDef& init_net, const NetDef& run_net, Workspace* parent = nullptr) : ws_(parent) {
    start(init_net.message(), run_net.message());
  }
  // Of a database that predictor_exporter wrote.
  Predictor(const std::string& db_type, const std::string& path) {
    std::string where = rushlight::str("Predictor '", path, "'");
    std::map<std::string, core::Value> blobs;
    for (auto db = core::open_db(db_type, path); db->valid(); db->next()) {
      core::MessageRef m = core::make_message("BlobProto");
      m->parse(db->value(), where);
      std::string key(db->key());
      core::add_blob_chunk(blobs[key.substr(0, key.find("#%"))], *m);
    }
    auto found = blobs.find("!!META_NET_DEF");
    RL_CHECK(RuntimeError, found != blobs.end() && found->second.is_string(), where, ": there is no MetaNetDef");
    core::MessageRef meta = core::make_message("MetaNetDef");
    meta->parse(found->second.to_string(), where);
    for (auto& [name, v] : blobs) ws_.workspace().feed(name, v);
    const core::Message *init = nullptr, *run = nullptr;
    for (const core::MessageRef& n : meta->messages("nets")) {
      if (n->text("key") == "PREDICT_INIT_NET_TYPE") init = n->message_or_null("value");
      if (n->text("key") == "PREDICT_NET_TYPE") run = n->message_or_null("value");
    }
    RL_CHECK(RuntimeError, run, where, ": there is no PREDICT_NET_TYPE");
    // Inputs are what the exporter says they are; parameters are inputs of the net too.
    for (const core::MessageRef& b : meta->messages("blobs"))
      if (b->text("key") == "INPUTS_BLOB_TYPE") inputs_ = b->texts("value");
    core::MessageRef none = core::make_message("NetDef");
    start(init ? *init : *none, *run);
  }

  // Inputs by order; gives the external outputs.
  std::vector<torch::Tensor> operator()(const std::vector<torch::Tensor>& inputs) {
    RL_CHECK(RuntimeError, inputs.size() <= inputs_.size(), "there are ", inputs_.size(), " inputs, got ",
             inputs.size());
    for (size_t k = 0; k < inputs.size(); k++) feed(inputs_[k], inputs[k]);
    return results();
  }
  std::vector<torch::Tensor> operator()(const std::map<std::string, torch::Tensor>& inputs) {
    for (auto& [name, t] : inputs) feed_named(name, t);
    return results();
  }
  bool operator()(const TensorList& inputs, TensorList* outputs) {
    std::vector<torch::Tensor> in(inputs.begin(), inputs.end());
    std::vector<torch::Tensor> out = (*this)(in);
    outputs->assign(out.begin(), out.end());
    return true;
  }
  bool operator()(const TensorMap& inputs, TensorList* outputs) {
    for (auto& [name, t] : inputs) feed_named(name, t);
    std::vector<torch::Tensor> out = results();
    outputs->assign(out.begin(), out.end());
    return true;
  }
  // What `outputs` points to stays good until the next run.
  bool run(const TensorVector& inputs, TensorVector* outputs) {
    std::vector<torch::Tensor> in;
    for (TensorCPU* t : inputs) in.push_back(t->tensor());
    std::vector<torch::Tensor> out = (*this)(in);
    last_.assign(out.begin(), out.end());
    outputs->clear();
    for (TensorCPU& t : last_) outputs->push_back(&t);
    return true;
  }
  bool run(const std::vector<torch::Tensor>& inputs, std::vector<torch::Tensor>* outputs) {
    return *outputs = (*this)(inputs), true;
  }
  bool run_map(const std::map<std::string, TensorCPU*>& inputs, TensorVector* outputs) {
    for (auto& [name, t] : inputs) feed_named(name, t->tensor());
    return run({}, outputs);
  }
  Workspace* ws() { return &ws_; }
  const NetDef& def() const { return def_; }
  const std::vector<std::string>& input_names() const { return inputs_; }
  const std::vector<std::string>& output_names() const { return outputs_; }

 private:
  void start(const core::Message& init, const core::Message& run) {
    if (!init.messages("op").empty()) ws_.workspace().run_net_once(init);
    if (inputs_.empty()) inputs_ = run.texts("external_input");
    for (const std::string& name : run.texts("external_input")) ws_.workspace().create(name);
    outputs_ = run.texts("external_output");
    core::MessageRef named = run.copy();
    if (!named->has("name") || named->text("name").empty()) named->set("name", "predict");
    ws_.workspace().create_net(*named, true);
    def_ = NetDef(named);
  }
  void feed(const std::string& name, const torch::Tensor& t) {
    ws_.workspace().feed(name, core::Value(rushlight::Tensor(t)));
  }
  void feed_named(const std::string& name, const torch::Tensor& t) {
    RL_CHECK(RuntimeError, std::find(inputs_.begin(), inputs_.end(), name) != inputs_.end(),
             "Input can't be found: ", name);
    feed(name, t);
  }
  std::vector<torch::Tensor> results() {
    ws_.RunNet(def_.name());
    std::vector<torch::Tensor> out;
    for (const std::string& name : outputs_) {
      const core::Value& v = ws_.workspace().blob(name);
      RL_CHECK(RuntimeError, v.is_tensor(), "the output ", name, " is no tensor");
      out.push_back(torch::Tensor(v.tensor()));
    }
    return out;
  }
  Workspace ws_;
  NetDef def_;
  std::vector<std::string> inputs_, outputs_;
  std::vector<TensorCPU> last_;
};

// Caffe2 registers operators and reads flags here; there is nothing to do.
inline bool GlobalInit(int*, char***) { return true; }
inline bool GlobalInit() { return true; }

}  // namespace caffe2

// ---- checks ------------------------------------------------------------------------------------------------------------

#ifndef CAFFE_ENFORCE
#define CAFFE_ENFORCE(condition, ...)                                                \
  ((condition) ? void()                                                              \
               : ::rushlight::caffe2::enforce_failed(__FILE__, __LINE__, #condition, \
                                                     ::rushlight::str("" __VA_OPT__(, ) __VA_ARGS__)))
#define CAFFE_ENFORCE_EQ(a, b, ...) CAFFE_ENFORCE((a) == (b)__VA_OPT__(, ) __VA_ARGS__)
#define CAFFE_ENFORCE_GT(a, b, ...) CAFFE_ENFORCE((a) > (b)__VA_OPT__(, ) __VA_ARGS__)
#define CAFFE_ENFORCE_GE(a, b, ...) CAFFE_ENFORCE((a) >= (b)__VA_OPT__(, ) __VA_ARGS__)
#endif
