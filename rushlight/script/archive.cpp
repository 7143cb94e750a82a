// TorchScript archives: objects in data.pkl, classes as text under code/, tensor constants in constants.pkl.
#include <map>
#include <optional>
#include <set>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/io/checkpoint.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

namespace rushlight::script {
namespace {

using graph::ClassType;
using io::Pickled;
using K = Pickled::Kind;
using TK = Type::Kind;

// ---- writing ----

class ArchiveWriter {
 public:
  explicit ArchiveWriter(const io::Sink& sink, std::string name) : zip_(sink), name_(std::move(name)) {}

  void run(const ObjectValue& module, const std::map<std::string, std::string>& extra) {
    object(module);
    std::map<std::string, std::string> files;
    std::vector<Tensor> constants;
    for (size_t i = 0; i < classes_.size(); i++) {
      const std::string& full = classes_[i]->name();
      files[full.substr(0, full.rfind('.'))] += class_code(*classes_[i], constants);
    }
    add("data.pkl", pickle_.finish());
    add(".format_version", "1");
    add(".storage_alignment", "64");
    add("byteorder", "little");
    for (size_t i = 0; i < storages_.size(); i++)
      zip_.add(str(name_, "/data/", i), storages_[i]->data(), storages_[i]->bytes());
    for (auto& [package, text] : files) {
      std::string path = package;
      for (char& c : path)
        if (c == '.') c = '/';
      add("code/" + path + ".py", text);
    }
    io::Pickler p;
    p.mark();
    for (size_t i = 0; i < constants.size(); i++) {
      Tensor t = constants[i];
      pickle_tensor(p, t, str(i));
    }
    p.tuple(4);
    add("constants.pkl", p.finish());
    for (size_t i = 0; i < constants.size(); i++)
      zip_.add(str(name_, "/constants/", i), constants[i].storage().data(), constants[i].storage().bytes());
    add("version", str(version(files), "\n"));
    for (const auto& [file, text] : extra) add("extra/" + file, text);
    zip_.finish();
  }

 private:
  // PyTorch gives the operators of an archive the meaning they had in that version: integer division rounded before 4.
  static int version(const std::map<std::string, std::string>& files) {
    static constexpr std::pair<const char*, int> since[] = {
        {"torch.div", 4}, {"torch.full(", 5}, {"torch.linspace(", 8}, {"torch.logspace(", 9}, {"torch.gelu", 10}};
    int out = 3;
    for (const auto& [package, text] : files)
      for (const auto& [call, version] : since)
        if (text.find(call) != std::string::npos) out = std::max(out, version);
    return out;
  }

  void add(const std::string& entry, std::string_view text) { zip_.add(name_ + "/" + entry, text); }

  void object(const ObjectValue& o) {
    auto known = memo_.find(&o);
    if (known != memo_.end()) return pickle_.get(known->second);
    const ClassType& type = *graph::as_class(o.type);
    if (seen_.insert(type.name()).second) classes_.push_back(graph::as_class_shared(o.type));
    size_t dot = type.name().rfind('.');
    pickle_.global(type.name().substr(0, dot), type.name().substr(dot + 1));
    pickle_.empty_tuple();
    pickle_.new_object();
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
  void value(const IValue& v) {
    if (v.is_none()) return pickle_.none();
    if (v.is_bool()) return pickle_.boolean(v.to_bool());
    if (v.is_int()) return pickle_.integer(v.to_int());
    if (v.is_double()) return pickle_.number(v.to_double());
    if (v.is_string()) return pickle_.text(v.to_string());
    if (v.is_object()) return object(v.to_object());
    if (v.is_tensor()) {
      auto [at, fresh] = keys_.emplace(&v.tensor().storage(), storages_.size());
      if (fresh) storages_.push_back(v.tensor().impl()->storage());
      return pickle_tensor(pickle_, v.tensor(), str(at->second));
    }
    if (v.is_tuple()) {
      pickle_.mark();
      for (const IValue& i : v.to_tuple().items) value(i);
      return pickle_.tuple(4);
    }
    if (v.is_any_list()) {
      const char* builder = v.is_int_list()      ? "build_intlist"
                            : v.is_double_list() ? "build_doublelist"
                            : v.is_bool_list()   ? "build_boollist"
                            : v.is_tensor_list() ? "build_tensorlist"
                                                 : nullptr;
      if (builder) pickle_.global("torch.jit._pickle", builder);
      pickle_.empty_list();
      pickle_.mark();
      for (size_t i = 0; i < graph::list_size(v); i++) value(graph::list_get(v, i));
      pickle_.appends();
      if (!builder) return;
      pickle_.tuple(1);
      return pickle_.reduce();
    }
    if (v.is_dict()) {
      pickle_.empty_dict();
      pickle_.mark();
      for (const auto& [k, x] : v.dict().items) {
        value(k);
        value(x);
      }
      return pickle_.setitems();
    }
    throw RuntimeError(str("jit.save: an attribute that is a ", v.kind_name(), " can't be written"));
  }

  std::string class_code(const ClassType& c, std::vector<Tensor>& constants) {
    std::string name = c.name().substr(c.name().rfind('.') + 1);
    std::string out = "class " + name + (c.is_module ? "(Module)" : "") + ":\n";
    std::string parameters, buffers, body;
    bool odd_names = false;  // "0" of a Sequential: an annotation by name
    for (const auto& s : c.slots) {
      if (s.is_parameter) parameters += "\"" + s.name + "\", ";
      if (s.is_buffer) buffers += "\"" + s.name + "\", ";
      if (s.name.empty() || (s.name[0] >= '0' && s.name[0] <= '9')) {
        if (!odd_names) body += "  __annotations__ = []\n";
        odd_names = true;
        body += "  __annotations__[\"" + s.name + "\"] = " + s.type->text() + "\n";
      } else {
        body += "  " + s.name + " : " + s.type->text() + "\n";
      }
    }
    if (c.is_module) out += "  __parameters__ = [" + parameters + "]\n  __buffers__ = [" + buffers + "]\n";
    out += body;
    bool any = false;
    for (const auto& f : c.methods) {
      if (!f->graph) continue;  // never used
      out += function_code(*f, constants, 1);
      any = true;
    }
    if (!any && c.slots.empty()) out += "  pass\n";
    return out;
  }

  io::ZipWriter zip_;
  std::string name_;
  io::Pickler pickle_;
  std::map<const ObjectValue*, uint32_t> memo_;
  std::set<const ObjectValue*> open_;  // begun and not ended
  std::set<std::string> seen_;
  std::vector<std::shared_ptr<ClassType>> classes_;
  std::map<const Storage*, size_t> keys_;
  std::vector<Ref<Storage>> storages_;
};

// ---- reading ----

// The classes and constants of an archive; a class is read when something names it.
class Archive : public Resolver, public std::enable_shared_from_this<Archive> {
 public:
  Archive(std::shared_ptr<io::ZipReader> zip, std::string name) : zip_(std::move(zip)), name_(std::move(name)) {}

  Ref<ObjectValue> load() {
    const std::string& root = zip_->root();
    if (zip_->has(root + "constants.pkl")) {
      std::string where = str("load '", name_, "': entry 'constants.pkl'");
      io::Bytes bytes = zip_->read_for_parser(root + "constants.pkl");
      io::PickleTree tree = io::unpickle(bytes.data, where);
      auto copied = [this, root](const std::string& key) {
        io::Bytes bytes = zip_->read(root + "constants/" + key);
        return io::own_bytes({bytes.data.begin(), bytes.data.end()});
      };
      io::TensorLoader tensors(copied, where);
      for (const Pickled* c : tree.root->items) {
        if (auto t = tensors.tensor(*c)) constants_.push_back(std::make_shared<ConstantValue>(IValue(*t)));
        else constants_.push_back(nullptr);  // class objects of other kinds; an error where one is used
      }
    }
    std::string where = str("load '", name_, "': entry 'data.pkl'");
    RL_CHECK(FileError, zip_->has(root + "data.pkl"), "load '", name_,
             "': a zip archive without data.pkl is no TorchScript archive");
    io::Bytes bytes = zip_->read_for_parser(root + "data.pkl");
    io::PickleTree tree = io::unpickle(bytes.data, where);
    tensors_ = std::make_unique<io::TensorLoader>(
        [this, root](const std::string& key) { return zip_->read(root + "data/" + key); }, where);
    IValue module = value(*tree.root, nullptr, 0);
    // Methods compile when they are first used, and keep this for as long as they live: the text of the code, but not the file.
    for (const std::string& entry : zip_->names()) {
      if (!entry.starts_with(root + "code/") || !entry.ends_with(".py")) continue;
      io::Bytes code = zip_->read_for_parser(entry);
      texts_[entry.substr(root.size())] =
          std::string(reinterpret_cast<const char*>(code.data.data()), code.data.size());
    }
    objects_.clear();
    tensors_ = nullptr;
    zip_ = nullptr;
    RL_CHECK(FileError, module.is_object(), "load '", name_,
             "': this file holds no module; if torch.save wrote it, read it with load()");
    return module.ref<ObjectValue>();
  }

  SugaredPtr resolve(const std::string& name, const Range& range) override {
    if (name == "CONSTANTS") return std::make_shared<Constants>(*this);
    if (name == "__torch__") return std::make_shared<Package>(*this, name);
    if (name.starts_with("__torch__.")) return std::make_shared<TypeName>(class_named(name, &range));
    return nullptr;
  }

 private:
  struct Constants final : Sugared {
    explicit Constants(Archive& a) : archive(a) {}
    std::string kind() const override { return "the archive's constants"; }
    SugaredPtr attribute(const Range& range, Lowering&, const std::string& name) override {
      size_t i = name.size() > 1 && name.size() < 10 && name[0] == 'c' &&
                         name.find_first_not_of("0123456789", 1) == std::string::npos
                     ? std::stoul(name.substr(1))
                     : SIZE_MAX;
      if (i >= archive.constants_.size() || !archive.constants_[i])
        fail(range, str("the archive has no constant ", name));
      return archive.constants_[i];
    }
    Archive& archive;
  };
  // A dotted prefix of class names.
  struct Package final : Sugared {
    Package(Archive& a, std::string p) : archive(a), path(std::move(p)) {}
    std::string kind() const override { return "package '" + path + "'"; }
    SugaredPtr attribute(const Range& range, Lowering&, const std::string& name) override {
      if (archive.find_definition(path, name, &range)) {
        if (auto f = archive.functions_.find(path + "." + name); f != archive.functions_.end())
          return std::make_shared<FunctionValue>(f->second);
        return std::make_shared<TypeName>(archive.class_named(path + "." + name, &range));
      }
      return std::make_shared<Package>(archive, path + "." + name);
    }
    Archive& archive;
    std::string path;
  };

  std::optional<std::string> text_of(const std::string& entry) {
    if (auto found = texts_.find(entry); found != texts_.end()) return found->second;
    if (!zip_ || !zip_->has(zip_->root() + entry)) return {};
    io::Bytes bytes = zip_->read_for_parser(zip_->root() + entry);
    return std::string(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
  }

  // Reads code/<package>.py once. True if it defines `name`.
  bool find_definition(const std::string& package, const std::string& name, const Range*) {
    if (files_.insert(package).second) {
      std::string path = package;
      for (char& c : path)
        if (c == '.') c = '/';
      std::string entry = "code/" + path + ".py";
      if (std::optional<std::string> text = text_of(entry)) {
        auto source = std::make_shared<Source>(Source{std::move(*text), entry});
        for (const StmtPtr& s : parse_module(source)) {
          if (s->kind == Stmt::Kind::Def)
            functions_[package + "." + s->text] = lazy_function(s->text, s, shared_from_this());
          if (s->kind == Stmt::Kind::Class || s->kind == Stmt::Kind::Def) definitions_[package + "." + s->text] = s;
        }
      }
    }
    return definitions_.contains(package + "." + name);
  }

  TypePtr class_named(const std::string& full, const Range* range) {
    if (auto found = classes_.find(full); found != classes_.end()) return found->second;
    size_t dot = full.rfind('.');
    bool known = dot != std::string::npos && find_definition(full.substr(0, dot), full.substr(dot + 1), range);
    if (!known && range) fail(*range, str("the archive does not define ", full));
    RL_CHECK(FileError, known, "load '", name_, "': the archive does not define the class ", full);
    const Stmt& def = *definitions_.at(full);
    bool named_tuple = !def.targets.empty() && def.targets[0]->text == "NamedTuple";
    bool module = !def.targets.empty() && def.targets[0]->text == "Module";
    graph::Graph scratch;
    Lowering types(scratch, *this);
    if (named_tuple) {
      std::vector<TypePtr> items;
      std::vector<std::string> fields;
      for (const StmtPtr& s : def.body)
        if (s->kind == Stmt::Kind::Assign && s->annotation) {
          fields.push_back(s->targets[0]->text);
          items.push_back(types.type_of(*s->annotation));
        }
      return classes_[full] = Type::tuple(std::move(items), full, std::move(fields));
    }
    auto type = std::make_shared<ClassType>(full, module);
    classes_[full] = type;
    std::set<std::string> parameters, buffers;
    for (const StmtPtr& s : def.body) {
      if (s->kind != Stmt::Kind::Assign) continue;
      const Expr& target = *s->targets[0];
      std::string slot = target.kind == Expr::Kind::Subscript
                             ? target.items[1]->text
                             : target.text;  // __annotations__["0"] = ... for names that are no identifiers
      if (!s->annotation && (slot == "__parameters__" || slot == "__buffers__")) {
        for (const ExprPtr& i : s->value->items) (slot == "__parameters__" ? parameters : buffers).insert(i->text);
      } else if (type->find_slot(slot) >= 0) {
        fail(s->range, str("the class has two attributes named '", slot, "'"));
      } else if (s->annotation) {
        type->add_slot(slot, types.type_of(*s->annotation), parameters.contains(slot), buffers.contains(slot));
      } else if (target.kind == Expr::Kind::Subscript) {
        type->add_slot(slot, types.type_of(*s->value), parameters.contains(slot), buffers.contains(slot));
      }
    }
    for (const StmtPtr& s : def.body)
      if (s->kind == Stmt::Kind::Def) type->add_method(lazy_function(s->text, s, shared_from_this(), type));
    return type;
  }

  IValue value(const Pickled& v, const TypePtr& type, int depth) {
    constexpr int kMaxDepth = 500;
    RL_CHECK(UnpicklingError, depth < kMaxDepth, "load '", name_, "': nested more than ", kMaxDepth, " deep");
    const Type* t = !type ? nullptr : type->is(TK::Optional) ? type->element().get() : type.get();
    switch (v.kind) {
      case K::None: return {};
      case K::Bool: return v.boolean;
      case K::Int:
        if (t && t->is(TK::Float)) return double(v.integer);
        return v.integer;
      case K::Float: return v.number;
      case K::Str:
        if (t && t->is(TK::Device)) return Device::parse(v.text);
        return v.text;
      case K::Tuple: {
        std::vector<IValue> items;
        for (size_t i = 0; i < v.items.size(); i++)
          items.push_back(value(*v.items[i],
                                t && t->is(TK::Tuple) && i < t->contained().size() ? t->contained()[i] : nullptr,
                                depth + 1));
        return IValue::tuple(std::move(items));
      }
      case K::List: return list(v.items, t && t->is(TK::List) ? t->element() : nullptr, depth);
      case K::Dict: {
        auto d = make_ref<DictValue>(t && t->is(TK::Dict) ? t->contained()[0] : Type::string(),
                                     t && t->is(TK::Dict) ? t->contained()[1] : Type::any());
        for (size_t i = 0; i + 1 < v.items.size(); i += 2)
          d->set(value(*v.items[i], d->key, depth + 1), value(*v.items[i + 1], d->value, depth + 1));
        return d;
      }
      case K::Object: {
        IValue o = object(v, depth);
        RL_CHECK(UnpicklingError, !t || !t->is(TK::Class) || o.type()->equals(*t), "load '", name_, "': expected a ",
                 t->text(), ", got a ", o.type());
        return o;
      }
      case K::Call: {
        bool parameter;
        if (auto tensor = tensors_->tensor(v, &parameter)) return *tensor;
        const std::string& f = v.items[0]->text;
        const auto& args = v.items[1]->items;
        auto first = [&](TypePtr element) {
          return args.empty() ? IValue() : list(args[0]->items, std::move(element), depth);
        };
        if (f == "torch.jit._pickle.build_intlist") return first(Type::integer());
        if (f == "torch.jit._pickle.build_doublelist") return first(Type::floating());
        if (f == "torch.jit._pickle.build_boollist") return first(Type::boolean());
        if (f == "torch.jit._pickle.build_tensorlist") return first(Type::tensor());
        if (f == "torch.jit._pickle.restore_type_tag" && args.size() == 2)
          return value(*args[0], parse_type(args[1]->text), depth + 1);
        if (f == "torch.device" && args.size() == 1) return Device::parse(args[0]->text);
        throw UnpicklingError(str("load '", name_, "': Unsupported global: ", f));
      }
      default: throw UnpicklingError(str("load '", name_, "': an unsupported kind of value"));
    }
  }
  TypePtr parse_type(const std::string& text) {
    graph::Graph scratch;
    Lowering types(scratch, *this);
    return types.type_of(*parse_expression(std::make_shared<Source>(Source{text, "data.pkl"})));
  }
  IValue list(const std::vector<Pickled*>& from, const TypePtr& element, int depth) {
    std::vector<IValue> items;
    for (const Pickled* i : from) items.push_back(value(*i, element, depth + 1));
    TypePtr e = element ? element : items.empty() ? Type::tensor() : items[0].type();
    return graph::make_list(e, std::move(items));
  }
  IValue object(const Pickled& v, int depth) {
    if (auto known = objects_.find(&v); known != objects_.end()) return known->second;
    RL_CHECK(UnpicklingError, v.items[0]->is(K::Global) && v.items[0]->text.starts_with("__torch__"), "load '", name_,
             "': Unsupported global: ", v.items[0]->text);
    TypePtr type = class_named(v.items[0]->text, nullptr);
    const ClassType* c = graph::as_class(type);
    RL_CHECK(UnpicklingError, c && v.state && v.state->is(K::Dict), "load '", name_, "': an object of ",
             v.items[0]->text, " without its attributes");
    auto o = make_ref<ObjectValue>(type, c->slots.size());
    objects_[&v] = IValue(o);
    for (size_t i = 0; i + 1 < v.state->items.size(); i += 2) {
      int slot = c->find_slot(v.state->items[i]->text);
      if (slot >= 0) o->slots[size_t(slot)] = value(*v.state->items[i + 1], c->slots[size_t(slot)].type, depth + 1);
    }
    for (size_t i = 0; i < c->slots.size(); i++) {
      const TypePtr& t = c->slots[i].type;
      bool sound = t->is(TK::Tensor) ? o->slots[i].is_tensor() : !t->is(TK::Class) || o->slots[i].is_object();
      RL_CHECK(UnpicklingError, sound, "load '", name_, "': ", c->name(), ".", c->slots[i].name, " is no ", t);
    }
    return o;
  }

  std::shared_ptr<io::ZipReader> zip_;
  std::string name_;
  std::unique_ptr<io::TensorLoader> tensors_;
  std::vector<SugaredPtr> constants_;
  std::map<std::string, std::string> texts_;  // by entry, once the file is closed
  std::set<std::string> files_;
  std::map<std::string, StmtPtr> definitions_;
  std::map<std::string, TypePtr> classes_;
  std::map<std::string, std::shared_ptr<graph::Function>> functions_;
  std::map<const Pickled*, IValue> objects_;
};

}  // namespace

void save_module(const ObjectValue& module, const io::Sink& sink, const std::string& name,
                 const std::map<std::string, std::string>& extra) {
  ArchiveWriter(sink, name).run(module, extra);
}

Ref<ObjectValue> load_module(const io::Bytes& bytes, const std::string& name,
                             std::map<std::string, std::string>* extra) {
  RL_CHECK(FileError, !bytes.data.empty(), "load '", name, "': the file is empty");
  RL_CHECK(FileError, io::looks_like_zip(bytes.data), "load '", name,
           "': this is no TorchScript archive (no zip file)");
  auto zip = std::make_shared<io::ZipReader>(bytes, name);
  if (extra)
    for (auto& [file, text] : *extra)
      if (std::string entry = zip->root() + "extra/" + file; zip->has(entry)) {
        io::Bytes found = zip->read(entry);
        text.assign(reinterpret_cast<const char*>(found.data.data()), found.data.size());
      }
  return std::make_shared<Archive>(std::move(zip), name)->load();
}

}  // namespace rushlight::script
