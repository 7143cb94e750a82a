// TorchScript archives, written: objects in data.pkl, classes as text under code/, tensor constants in constants.pkl.
#include <map>
#include <set>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/io/checkpoint.h"
#include "rushlight/script/bytecode.h"
#include "rushlight/script/module.h"

namespace rushlight::script {
namespace {

using graph::ClassType;
using TK = Type::Kind;

bool is_identifier(const std::string& name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name)
    if (c != '_' && !std::isalnum(static_cast<unsigned char>(c))) return false;
  return true;
}

class ArchiveWriter {
 public:
  ArchiveWriter(const io::Sink& sink, std::string name, bool lite) : zip_(sink), name_(std::move(name)), lite_(lite) {}

  void run(const ObjectValue& module, const std::map<std::string, std::string>& extra) {
    object(module);
    std::map<std::string, std::string> files;
    auto package = [](const std::string& full) { return full.substr(0, full.rfind('.')); };
    std::map<std::string, std::vector<Mark>> marks;
    for (size_t i = 0, k = 0; i < defined_.size() || k < functions_.size();) {  // the text of one may name others
      marks_.clear();
      const bool is_type = i < defined_.size();
      const void* next = is_type ? static_cast<const void*>(defined_[i].get()) : functions_[k].get();
      const std::string of = package(names_.at(next));
      const std::string text = is_type ? definition(TypePtr(defined_[i++])) : function_text(*functions_[k++], 0, 0);
      for (Mark& m : marks_) marks[of].push_back({files[of].size() + m.at, std::move(m.snippet)});
      files[of] += text;
    }
    add("data.pkl", pickle_.finish());
    add(".format_version", "1");
    add(".storage_alignment", "64");
    add("byteorder", "little");
    for (size_t i = 0; i < storages_.size(); i++) io::add_storage(zip_, str(name_, "/data/", i), *storages_[i]);
    for (auto& [package, text] : files) {
      std::string path = package;
      for (char& c : path)
        if (c == '.') c = '/';
      add("code/" + path + ".py", text);
      if (!marks[package].empty()) add("code/" + path + ".py.debug_pkl", origins_pickle(marks[package]));
    }
    io::Pickler p;
    p.mark();
    std::vector<Ref<Storage>> kept;
    auto constant = [&](io::Pickler& to, const IValue& v) {
      std::map<const ObjectValue*, uint32_t> written;  // of this pickle
      std::swap(pickle_, to);
      std::swap(memo_, written);
      in_constants_ = &kept;
      value(v);
      in_constants_ = nullptr;
      std::swap(memo_, written);
      std::swap(pickle_, to);
    };
    for (const IValue& v : constants_) constant(p, v);
    p.tuple(4);
    add("constants.pkl", p.finish());
    if (lite_) {  // its tensors lie beside those
      std::vector<graph::Function*> methods;
      for (const auto& f : graph::as_class(module.type)->methods)
        if (f->is_made() || !f->compile) methods.push_back(f.get());
      add("bytecode.pkl",
          bytecode(name_of(module.type), methods, {[this](const TypePtr& t) { return text_of(t); }, constant}));
    }
    for (size_t i = 0; i < kept.size(); i++) io::add_storage(zip_, str(name_, "/constants/", i), *kept[i]);
    add("version", str(version_, "\n"));
    for (const auto& [file, text] : extra) add("extra/" + file, text);
    zip_.finish();
  }

 private:
  // PyTorch gives the operators of an archive the meaning they had in its version: integer division rounded before 4.
  static int version_of(const std::string& text) {
    static constexpr std::pair<const char*, int> since[] = {
        {"torch.div", 4}, {"torch.full(", 5}, {"torch.linspace(", 8}, {"torch.logspace(", 9}, {"torch.gelu", 10}};
    int out = 3;
    for (const auto& [call, version] : since)
      if (text.find(call) != std::string::npos) out = std::max(out, version);
    return out;
  }

  void add(const std::string& entry, std::string_view text) { zip_.add(name_ + "/" + entry, text); }

  // ---- types ----

  // What the archive calls a class or named tuple. Two that have one name, say from two archives, get two.
  const std::string& name_of(const TypePtr& type) {
    if (auto found = names_.find(type.get()); found != names_.end()) return found->second;
    if (graph::is_of_native_class(*type)) return names_[type.get()] = type->name();  // C++ code defines it
    if (type->is(TK::Tuple))  // every function that names it has a type of its own
      for (const TypePtr& t : defined_)
        if (t->equals(*type) && t->fields() == type->fields()) return names_[type.get()] = names_.at(t.get());
    defined_.push_back(type);
    return names_[type.get()] = free_name(type->name());
  }
  const std::string& name_of(const std::shared_ptr<graph::Function>& f) {
    if (auto found = names_.find(f.get()); found != names_.end()) return found->second;
    functions_.push_back(f);
    return names_[f.get()] = free_name(static_cast<const Original*>(f->origin.get())->full_name);
  }
  std::string free_name(const std::string& wanted) {
    std::string full = wanted.starts_with("__torch__.") ? wanted : "__torch__." + wanted, name = full;
    size_t dot = full.rfind('.');
    for (int i = 0; !taken_.insert(name).second; i++)
      name = str(full.substr(0, dot), ".___torch_mangle_", i, full.substr(dot));
    return name;
  }
  std::string text_of(const TypePtr& t) {
    if (!t->name().empty()) return name_of(t);
    if (t->contained().empty()) return t->text();
    std::string out = t->text();
    out = out.substr(0, out.find('[') + 1);
    for (size_t i = 0; i < t->contained().size(); i++) out += (i ? ", " : "") + text_of(t->contained()[i]);
    return out + "]";
  }

  std::string definition(const TypePtr& type) {
    const std::string& full = names_.at(type.get());
    std::string name = full.substr(full.rfind('.') + 1);
    const ClassType* c = graph::as_class(type);
    if (!c) {
      std::string out = "class " + name + "(NamedTuple):\n";
      for (size_t i = 0; i < type->fields().size(); i++)
        out += "  " + type->fields()[i] + " : " + text_of(type->contained()[i]) + "\n";
      return out;
    }
    return c->is_enum ? enum_code(*c, name) : c->is_interface ? interface_code(*c, name) : class_code(*c, name);
  }
  std::string interface_code(const ClassType& c, const std::string& name) {
    std::string out = "class " + name + (c.is_module ? "(ModuleInterface):\n" : "(Interface):\n");
    for (const auto& f : c.methods) {
      out += "  def " + f->name + "(self";
      for (size_t i = 1; i < f->schema.args.size(); i++)
        out += ", " + f->schema.args[i].name + ": " + text_of(f->schema.args[i].type);
      out += ") -> " + text_of(f->schema.returns[0].type) + ":\n    pass\n";
    }
    return out;
  }
  std::string enum_code(const ClassType& c, const std::string& name) {
    std::string out = "class " + name + "(Enum):\n";
    for (const auto& [member, object] : c.members)
      out += "  " + member + " = " + constant_code(object.to_object().slots[1], text_) + "\n";
    return out;
  }
  std::string class_code(const ClassType& c, const std::string& name) {
    std::string out = "class " + name + (c.is_module ? "(Module)" : "") + ":\n";
    std::string parameters, buffers, body;
    bool odd_names = false;  // "0" of a Sequential: an annotation by name
    for (const auto& s : c.slots) {
      if (s.is_parameter) parameters += "\"" + s.name + "\", ";
      if (s.is_buffer) buffers += "\"" + s.name + "\", ";
      if (is_identifier(s.name)) {
        body += "  " + s.name + " : " + text_of(s.type) + "\n";
      } else {
        if (!odd_names) body += "  __annotations__ = []\n";
        odd_names = true;
        body += "  __annotations__[\"" + s.name + "\"] = " + text_of(s.type) + "\n";
      }
    }
    for (const auto& [constant, value] : c.constants) {
      if (!is_identifier(constant)) continue;
      std::string written;
      try {
        written = constant_code(value, text_);
      } catch (const Error&) { continue; }  // methods have it in them; nothing else needs it
      body += "  " + constant + " : Final[" + text_of(value.type()) + "] = " + written + "\n";
    }
    if (c.is_module) out += "  __parameters__ = [" + parameters + "]\n  __buffers__ = [" + buffers + "]\n";
    for (const auto& [word, names] :
         {std::pair("__forward_pre_hooks__", &c.pre_hooks), {"__forward_hooks__", &c.hooks}}) {
      std::string list;
      for (const std::string& hook : *names) list += "\"" + hook + "\", ";
      if (!list.empty()) out += str("  ", word, " = [", list, "]\n");
    }
    out += body;
    for (const auto& f : c.methods) out += function_text(*f, 1, out.size());
    return out;
  }
  // `at`: of how many bytes of its definition it comes after.
  std::string function_text(graph::Function& f, int indent, size_t at) {
    std::string out;
    text_.marks.clear();
    if (const auto* original = static_cast<const Original*>(f.origin.get())) {
      out = original->text(text_);
      version_ = std::max(version_, original->version);
    } else if ((f.is_made() || !f.compile) && f.graph) {
      // A Python class may have methods that are no TorchScript; what was used is compiled, and what was traced needs it not.
      out = function_code(f, text_, indent);
      version_ = std::max(version_, version_of(out));
    }
    for (Mark& m : text_.marks) marks_.push_back({at + m.at, std::move(m.snippet)});
    return out;
  }

  // ---- values ----

  void object(const ObjectValue& o) {
    auto known = memo_.find(&o);
    if (known != memo_.end()) return pickle_.get(known->second);
    const ClassType& type = *graph::as_class(o.type);
    const std::string name = name_of(o.type);
    size_t dot = name.rfind('.');
    pickle_.global(name.substr(0, dot), name.substr(dot + 1));
    if (type.is_enum) {  // made by its value, which PyTorch puts there without a tuple around it
      value(o.slots[1]);
      return pickle_.reduce();
    }
    pickle_.empty_tuple();
    pickle_.new_object();
    if (std::optional<IValue> state = state_of(o)) {
      value(*state);
      pickle_.build();
      memo_[&o] = pickle_.put();
      return;
    }
    RL_CHECK(RuntimeError, open_.insert(&o).second, "jit.save: an object of ", type.name(), " holds itself");
    pickle_.empty_dict();
    pickle_.mark();
    for (size_t i = 0; i < type.slots.size(); i++) {
      pickle_.text(type.slots[i].name);
      value(o.slots[i]);
    }
    pickle_.setitems();
    pickle_.build();
    open_.erase(&o);
    memo_[&o] = pickle_.put();  // PyTorch makes the object no earlier than here
  }
  // What the class says that it consists of, where its slots aren't that. `__setstate__` takes it.
  std::optional<IValue> state_of(const ObjectValue& o) {
    const ClassType& c = *graph::as_class(o.type);
    if (graph::is_native(c)) return graph::native_state(o);
    bool given = c.find_method("__getstate__") && c.find_method("__setstate__");
    RL_CHECK(RuntimeError, given || !graph::is_of_native_class(c), "jit.save: objects of ", c.name(),
             " can't be written; give the class def_pickle()");
    if (!given) return {};
    return run_method(Ref<ObjectValue>(const_cast<ObjectValue*>(&o)), "__getstate__", {});
  }
  // Lists and dicts say of what type they are, which their items may not.
  template <class F>
  void tagged(const TypePtr& type, F&& write) {
    pickle_.global("torch.jit._pickle", "restore_type_tag");
    write();
    pickle_.text(text_of(type));
    pickle_.tuple(2);
    pickle_.reduce();
  }
  void value(const IValue& v) {
    if (v.is_none()) return pickle_.none();
    if (v.is_bool()) return pickle_.boolean(v.to_bool());
    if (v.is_int()) return pickle_.integer(v.to_int());
    if (v.is_double()) return pickle_.number(v.to_double());
    if (v.is_string()) return pickle_.text(v.to_string());
    if (v.is_object()) return object(v.to_object());
    if (v.is_tensor()) {
      if (v.tensor().impl()->parts() && !has_quantizer(v.tensor()))
        return io::pickle_script_sparse_tensor(pickle_, v.tensor(),
                                               [this](const Tensor& part) { value(IValue(part)); });
      if (in_constants_) {
        in_constants_->push_back(v.tensor().impl()->storage());
        return io::pickle_tensor(pickle_, v.tensor(), str(in_constants_->size() - 1), false,
                                 [this](const Tensor& part) { value(IValue(part)); });
      }
      auto [at, fresh] = keys_.emplace(&v.tensor().storage(), storages_.size());
      if (fresh) storages_.push_back(v.tensor().impl()->storage());
      return io::pickle_tensor(pickle_, v.tensor(), str(at->second), false,
                               [this](const Tensor& part) { value(IValue(part)); });
    }
    if (v.is_device()) {
      pickle_.global("torch", "device");
      pickle_.text(v.to_device().text());
      pickle_.tuple(1);
      return pickle_.reduce();
    }
    if (v.is_complex()) {
      pickle_.global("builtins", "complex");
      pickle_.number(v.to_complex().real());
      pickle_.number(v.to_complex().imag());
      pickle_.tuple(2);
      return pickle_.reduce();
    }
    if (v.is_tuple()) {
      pickle_.mark();
      for (const IValue& i : v.to_tuple().items) value(i);
      return pickle_.tuple(4);
    }
    if (v.is_any_list()) {
      auto items = [&] {
        pickle_.empty_list();
        pickle_.mark();
        for (size_t i = 0; i < graph::list_size(v); i++) value(graph::list_get(v, i));
        pickle_.appends();
      };
      const char* builder = v.is_int_list()      ? "build_intlist"
                            : v.is_double_list() ? "build_doublelist"
                            : v.is_bool_list()   ? "build_boollist"
                            : v.is_tensor_list() ? "build_tensorlist"
                                                 : nullptr;
      if (!builder) return tagged(v.type(), items);
      pickle_.global("torch.jit._pickle", builder);
      items();
      pickle_.tuple(1);
      return pickle_.reduce();
    }
    if (v.is_dict()) {
      return tagged(v.type(), [&] {
        pickle_.empty_dict();
        pickle_.mark();
        for (const auto& [k, x] : v.dict().items) {
          value(k);
          value(x);
        }
        pickle_.setitems();
      });
    }
    throw RuntimeError(str("jit.save: an attribute that is a ", v.kind_name(), " can't be written"));
  }

  io::ZipWriter zip_;
  std::string name_;
  const bool lite_;
  std::vector<Ref<Storage>>* in_constants_ = nullptr;  // where tensors go that are written now, if not to data/
  io::Pickler pickle_;
  std::map<const ObjectValue*, uint32_t> memo_;
  std::set<const ObjectValue*> open_;         // begun and not ended
  std::map<const void*, std::string> names_;  // of types and functions
  std::set<std::string> taken_;
  std::vector<TypePtr> defined_;
  std::vector<std::shared_ptr<graph::Function>> functions_;
  std::vector<IValue> constants_;
  std::vector<Mark> marks_;  // of the definition that is being written
  TextOptions text_{constants_, [this](const TypePtr& t) { return text_of(t); },
                    [this](const std::shared_ptr<graph::Function>& f) { return name_of(f); }};
  int version_ = 3;
  std::map<const Storage*, size_t> keys_;
  std::vector<Ref<Storage>> storages_;
};

}  // namespace

void save_module(const ObjectValue& module, const io::Sink& sink, const std::string& name,
                 const std::map<std::string, std::string>& extra, bool lite) {
  ArchiveWriter(sink, name, lite).run(module, extra);
}

}  // namespace rushlight::script
