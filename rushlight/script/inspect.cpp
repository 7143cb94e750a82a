#include "rushlight/script/inspect.h"

#include <algorithm>
#include <map>
#include <set>

#include "rushlight/dispatch/op.h"
#include "rushlight/io/checkpoint.h"
#include "rushlight/io/safetensors.h"
#include "rushlight/script/import.h"
#include "rushlight/script/used_operators.h"

namespace rushlight::script {
namespace {

using io::Pickled;
using K = Pickled::Kind;

std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    static constexpr const char* hex = "0123456789abcdef";
    if (c == '"' || c == '\\') (out += '\\') += c;
    else if (c == '\n') out += "\\n";
    else if (u < 32 || u == 127) ((out += "\\u00") += hex[u >> 4]) += hex[u & 15];
    else out += c;
  }
  return out + "\"";
}

// One object of JSON, field by field.
class Fields {
 public:
  void add(const char* name, const std::string& json) {
    (out_ += out_.empty() ? "{" : ", ") += quoted(name);
    (out_ += ": ") += json;
  }
  void text(const char* name, std::string_view value) { add(name, quoted(value)); }
  std::string done() { return out_.empty() ? "{}" : out_ + "}"; }

 private:
  std::string out_;
};
template <class Items, class F>
std::string array(const Items& items, F&& one) {
  std::string out = "[";
  for (const auto& i : items) (out += out.size() > 1 ? ", " : "") += one(i);
  return out + "]";
}

struct Row {
  std::string name, dtype;
  Dims shape;
  int64_t bytes;
};
struct Report {
  Fields fields, facts;
  std::vector<Row> tensors;
  std::map<std::string, size_t> classes;

  std::string finish() {
    fields.add("facts", facts.done());
    if (!classes.empty()) {
      Fields counts;
      for (const auto& [name, n] : classes) counts.add(name.c_str(), str(n));
      fields.add("classes", counts.done());
    }
    fields.add("tensors", array(tensors, [](const Row& r) {
                 Fields f;
                 f.text("name", r.name);
                 f.text("dtype", r.dtype);
                 f.add("shape", array(r.shape, [](int64_t n) { return str(n); }));
                 f.add("bytes", str(r.bytes));
                 return f.done();
               }));
    return fields.done();
  }
};

// The tensors of a pickle by their paths, and which classes its objects are of.
class Walk {
 public:
  Walk(io::TensorLoader& tensors, Report& out) : tensors_(tensors), out_(out) {}
  void run(const Pickled& v, const std::string& path, int depth = 0) {
    if (depth > 100 || !seen_.insert(&v).second) return;
    auto below = [&](const std::string& part) { return path.empty() ? part : path + "." + part; };
    if (v.is(K::Call) || v.is(K::Object)) {
      if (std::optional<Tensor> t = tensors_.tensor(v)) {
        out_.tensors.push_back({path, std::string(name_of(t->dtype())), t->sizes(), t->nbytes()});
        return;
      }
      if (v.items[0]->is(K::Global)) out_.classes[v.items[0]->text]++;
    }
    if (v.is(K::Dict)) pairs(v.items, below, depth);
    else
      for (size_t i = 0; i < v.items.size(); i++) {
        bool named = v.is(K::List) || v.is(K::Tuple) || v.is(K::Set);
        run(*v.items[i], named ? below(str(i)) : path, depth + 1);
      }
    bool dict = v.is(K::Call) && v.items[0]->is_global("collections.OrderedDict");
    if (dict) pairs(v.appended, below, depth);
    else
      for (size_t i = 0; i < v.appended.size(); i++) run(*v.appended[i], below(str(i)), depth + 1);
    if (v.state) run(*v.state, path, depth + 1);
  }

 private:
  template <class F>
  void pairs(const std::vector<Pickled*>& items, F&& below, int depth) {
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const Pickled& key = *items[i];
      run(*items[i + 1],
          below(key.is(K::Str)   ? io::printable(key.text)
                : key.is(K::Int) ? str(key.integer)
                                 : "?"),
          depth + 1);
    }
  }
  io::TensorLoader& tensors_;
  Report& out_;
  std::set<const Pickled*> seen_;
};

std::string text_of(const io::Bytes& b) { return {reinterpret_cast<const char*>(b.data.data()), b.data.size()}; }

// ---- kinds of files: each says whether it knows one, and reports it ----

struct File {
  const io::Bytes& bytes;
  const std::string& name;
  const InspectOptions& options;
  std::shared_ptr<io::ZipReader> zip;  // null for what is no zip archive
  bool has(const std::string& entry) const { return zip && zip->has(zip->root() + entry); }
};

void report_pickle(const io::Bytes& pickle, const std::string& where, io::TensorLoader& tensors, Report& out) {
  tensors.set_place([](const std::string&) { return Device{DeviceType::Meta}; });
  io::PickleTree tree = io::unpickle(pickle.data, where);
  Walk(tensors, out).run(*tree.root, "");
}

const char* level_name(const std::string& symbol) {
  for (const Op* op : OpTable::get().overloads(symbol.starts_with("aten::") ? symbol.substr(6) : symbol))
    return op->def().level == Level::Stable ? "stable" : op->def().level == Level::Beta ? "beta" : "prototype";
  return "stable";
}

void report_code(const File& f, Report& out) {
  std::map<std::string, UsedOperator> used;
  Fields code;
  for (const std::string& entry : f.zip->names()) {
    if (!entry.starts_with(f.zip->root() + "code/") || !entry.ends_with(".py")) continue;
    std::string text = text_of(f.zip->read_for_parser(entry)), name = entry.substr(f.zip->root().size());
    if (f.options.code) code.text(name.c_str(), text);
    add_used_operators(std::make_shared<Source>(Source{std::move(text), name}), used);
  }
  out.fields.add("operators", array(used, [](const auto& u) {
                   Fields o;
                   o.text("name", u.first);
                   o.add("calls", str(u.second.calls));
                   if (u.second.known) o.text("level", level_name(u.first));
                   o.add("known", u.second.known ? "true" : "false");
                   return o.done();
                 }));
  if (f.options.code) out.fields.add("code", code.done());
}

void report_entries(const File& f, Report& out) {
  out.fields.add("entries", array(f.zip->names(), [&](const std::string& entry) {
                   Fields e;
                   e.text("name", entry);
                   e.add("bytes", str(f.zip->size(entry)));
                   return e.done();
                 }));
  if (int version = io::format_version(*f.zip)) out.facts.add("version", str(version));
  for (const char* entry : {"byteorder", "archive_version", "archive_format"})
    if (f.has(entry))
      out.facts.text(entry, io::printable(text_of(f.zip->read_for_parser(f.zip->root() + entry)).substr(0, 200)));
}

// Data beside the code of a script archive, or of torch.save.
void report_zip_data(const File& f, Report& out) {
  if (!f.has("data.pkl")) return;
  const std::string& root = f.zip->root();
  std::string where = str("inspect '", f.name, "': entry 'data.pkl'");
  io::TensorLoader tensors(
      [&](const std::string& key) {
        const std::string data = root + "data/" + key, old = root + "tensors/" + key;
        return f.zip->read(f.zip->has(data) || !f.zip->has(old) ? data : old, false);
      },
      where);
  report_pickle(f.zip->read_for_parser(root + "data.pkl"), where, tensors, out);
}

bool is_script(const File& f) {
  if (!f.zip) return false;
  if (f.has("model.json") && !f.has("models/model.json")) return true;
  for (const std::string& entry : f.zip->names())
    if (entry.starts_with(f.zip->root() + "code/")) return true;
  return f.has("constants.pkl") && f.has("data.pkl");
}
void script_archive(const File& f, Report& out) {
  out.fields.text("kind", f.has("bytecode.pkl") ? "TorchScript archive with bytecode for the lite interpreter"
                                                : "TorchScript archive");
  report_entries(f, out);
  report_code(f, out);
  report_zip_data(f, out);
}

bool is_exported(const File& f) {
  return f.zip && (f.has("models/model.json") || f.has("serialized_exported_program.json"));
}
void exported_program(const File& f, Report& out) {
  out.fields.text("kind", "exported program (torch.export)");
  report_entries(f, out);
}

bool is_package(const File& f) { return f.has(".data/extern_modules") || (f.zip && f.has(".data/python_version")); }
void package(const File& f, Report& out) {
  out.fields.text("kind", "torch.package archive");
  report_entries(f, out);
  report_zip_data(f, out);
}

bool is_zip_checkpoint(const File& f) { return f.has("data.pkl"); }
void zip_checkpoint(const File& f, Report& out) {
  out.fields.text("kind", "checkpoint (torch.save)");
  report_entries(f, out);
  report_zip_data(f, out);
}

bool is_safetensors(const File& f) {
  std::span<const uint8_t> d = f.bytes.data;
  uint64_t header = 0;
  for (int i = 0; d.size() > 9 && i < 8; i++) header |= uint64_t(d[size_t(i)]) << (8 * i);
  return d.size() > 9 && header <= d.size() - 8 && d[8] == '{';
}
void safetensors(const File& f, Report& out) {
  io::SafeTensors file(f.bytes, f.name, true);
  out.fields.text("kind", "safetensors");
  for (const auto& [key, value] : file.metadata()) out.facts.text(key.c_str(), value);
  for (const auto& [name, e] : file.entries())
    out.tensors.push_back({name, e.dtype, e.sizes, int64_t(e.end - e.begin)});
}

bool is_old_checkpoint(const File& f) {
  return !f.zip && (io::looks_like_tar(f.bytes.data) || (f.bytes.data.size() > 2 && f.bytes.data[0] == 0x80));
}
void old_checkpoint(const File& f, Report& out) {
  io::Checkpoint c = io::open_checkpoint(f.bytes, f.name);
  out.fields.text("kind", io::looks_like_tar(f.bytes.data) ? "checkpoint (torch.save, the tar format before 0.1.12)"
                                                           : "checkpoint (torch.save, the format before 1.6)");
  report_pickle(c.pickle, c.where, *c.tensors, out);
}

// No format has a mark at its beginning: a message whose first field is a small number, the version, or the file's name says so.
bool is_onnx(const File& f) {
  const auto& d = f.bytes.data;
  return !f.zip && (f.name.ends_with(".onnx") || (d.size() > 2 && d[0] == 0x08 && d[1] > 0 && d[1] < 32));
}
void onnx_model(const File& f, Report& out) {
  ModelReport model;
  RL_CHECK(FileError, inspect_model("onnx", f.bytes, f.name, model), "inspect '", f.name, "': this is no ONNX model");
  out.fields.text("kind", model.kind);
  for (const auto& [name, value] : model.facts) out.facts.text(name.c_str(), value);
  auto ports = [&](const char* what, const ModelReport::Texts& all) {
    out.fields.add(what, array(all, [](const auto& p) {
                     Fields o;
                     o.text("name", p.first);
                     o.text("type", p.second);
                     return o.done();
                   }));
  };
  ports("inputs", model.inputs);
  ports("outputs", model.outputs);
  out.fields.add("operators", array(model.operators, [](const ModelReport::Operator& u) {
                   Fields o;
                   o.text("name", u.name);
                   o.add("calls", str(u.calls));
                   if (u.known) o.text("level", "stable");
                   o.add("known", u.known ? "true" : "false");
                   return o.done();
                 }));
  for (ModelReport::Tensor& t : model.tensors)
    out.tensors.push_back({std::move(t.name), std::move(t.dtype), std::move(t.shape), t.bytes});
}

// A new kind of file is a line here: the first that knows the file reports it.
struct Kind {
  bool (*knows)(const File&);
  void (*report)(const File&, Report&);
};
constexpr Kind kKinds[] = {
    {is_exported, exported_program}, {is_script, script_archive},
    {is_package, package},           {is_zip_checkpoint, zip_checkpoint},
    {is_safetensors, safetensors},   {is_old_checkpoint, old_checkpoint},
    {is_onnx, onnx_model},
};

}  // namespace

std::string inspect(const io::Bytes& bytes, const std::string& name, const InspectOptions& options) {
  RL_CHECK(FileError, !bytes.data.empty(), "inspect '", name, "': the file is empty");
  File file{bytes, name, options, nullptr};
  if (io::looks_like_zip(bytes.data)) file.zip = std::make_shared<io::ZipReader>(bytes, name);
  for (const Kind& kind : kKinds) {
    if (!kind.knows(file)) continue;
    Report out;
    out.fields.add("size", str(bytes.data.size()));
    kind.report(file, out);
    return out.finish();
  }
  throw FileError(str("inspect '", name,
                      "': this is neither a checkpoint, a TorchScript archive, an exported program, a safetensors file "
                      "nor an ONNX model"));
}

}  // namespace rushlight::script
