// TorchScript archives, read: objects in data.pkl, classes as text under code/, tensor constants in constants.pkl.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "rushlight/core/device_interface.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/io/values.h"
#include "rushlight/script/archive_old.h"
#include "rushlight/script/lexer.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"
#include "rushlight/script/used_operators.h"

namespace rushlight::script {
namespace {

using graph::ClassType;
using io::Pickled;
using K = Pickled::Kind;
using TK = Type::Kind;

// What stands for the class of `with record_function("name")`, which came with an archive, and called what its PyTorch had.
constexpr const char* kProfiler = "code/__torch__/torch/autograd/profiler.py";
constexpr const char* kRecordFunction = R"(class record_function:
  name : str
  args : Optional[str]
  def __enter__(self: __torch__.torch.autograd.profiler.record_function) -> __torch__.torch.autograd.profiler.record_function:
    return self
  def __exit__(self: __torch__.torch.autograd.profiler.record_function,
    exc_type: Any,
    exc_value: Any,
    traceback: Any) -> NoneType:
    return None
  def __init__(self: __torch__.torch.autograd.profiler.record_function,
    name: str,
    args: Optional[str]=None) -> NoneType:
    self.name = name
    self.args = args
    return None
)";

// The classes and constants of an archive; a class is read when something names it.
class Archive : public Resolver, public std::enable_shared_from_this<Archive> {
 public:
  Archive(std::shared_ptr<io::ZipReader> zip, std::string name, std::optional<Device> place)
      : zip_(std::move(zip)), name_(std::move(name)), place_(place) {}

  Ref<ObjectValue> load() {
    const std::string& root = zip_->root();
    if (int version = io::format_version(*zip_)) version_ = version;
    check_operators();
    if (zip_->has(root + "constants.pkl")) {
      std::string where = str("load '", name_, "': entry 'constants.pkl'");
      io::Bytes bytes = zip_->read_for_parser(root + "constants.pkl");
      io::PickleTree tree = io::unpickle(bytes.data, where);
      auto copied = [this, root](const std::string& key) {
        io::Bytes bytes = zip_->read(root + "constants/" + key);
        return io::own_bytes({bytes.data.begin(), bytes.data.end()});
      };
      io::TensorLoader tensors(copied, where);
      tensors.set_place([this](const std::string& was) { return place_of(was); });
      for (const Pickled* c : tree.root->items) {
        if (auto t = tensors.tensor(*c)) constants_.push_back(std::make_shared<ConstantValue>(IValue(*t)));
        else constants_.push_back(std::make_shared<ConstantValue>(Values(*this, tensors).value(*c)));
      }
    }
    // Debug records of before 1.11 have no table of texts.
    for (const std::string& entry : zip_->names()) {
      if (!entry.ends_with(".debug_pkl")) continue;
      io::Bytes debug = zip_->read_for_parser(entry);
      std::string text(reinterpret_cast<const char*>(debug.data.data()), debug.data.size());
      truncates_ |= text.find("FORMAT_WITH_STRING_TABLE") == std::string::npos;
      if (entry.starts_with(root)) origins_[entry.substr(root.size())] = std::make_shared<Origins>(std::move(text));
    }
    if (zip_->has(root + "model.json")) return load_old();
    std::string where = str("load '", name_, "': entry 'data.pkl'");
    RL_CHECK(FileError, zip_->has(root + "data.pkl"), "load '", name_,
             "': a zip archive without data.pkl is no TorchScript archive");
    io::Bytes bytes = zip_->read_for_parser(root + "data.pkl");
    io::PickleTree tree = io::unpickle(bytes.data, where);
    io::TensorLoader tensors([this, root](const std::string& key) { return zip_->read(root + "data/" + key); }, where);
    tensors.set_place([this](const std::string& was) { return place_of(was); });
    IValue module = Values(*this, tensors).value(*tree.root);
    keep_texts();
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

  // A function's text from this archive, with the names that another has for what it names. `marks`, by place, go with what they mark.
  std::string renamed(const std::string& text, TextOptions& options, std::vector<Mark>& marks) {
    std::string out;
    auto next_mark = marks.begin();
    auto is_word = [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); };
    for (size_t at = 0; at < text.size();) {
      for (; next_mark != marks.end() && next_mark->at <= at; ++next_mark) next_mark->at = out.size();
      char c = text[at];
      size_t end = at + 1;
      if (c == '#') {
        end = std::min(text.find('\n', at), text.size());
      } else if (c == '"' || c == '\'') {
        while (end < text.size() && text[end] != c) end += text[end] == '\\' ? 2 : 1;
        end = std::min(end + 1, text.size());
      } else if (is_word(c)) {
        while (end < text.size() && (is_word(text[end]) || text[end] == '.')) end++;
        out += renamed_word(text.substr(at, end - at), options);
        at = end;
        continue;
      } else if (c == '.') {  // an attribute: its name is no start of a path
        while (end < text.size() && (is_word(text[end]) || text[end] == '.')) end++;
      }
      out += text.substr(at, end - at);
      at = end;
    }
    marks.erase(next_mark, marks.end());
    return out;
  }
  OperatorVersion version() const override { return {version_, truncates_}; }

 private:
  // Where tensors go that were on `was` when the archive was written.
  Device place_of(const std::string& was) const {
    if (place_) return *place_;
    Device d = Device::parse(was);
    DeviceInterface* device = find_device(d.type);
    if (d.is_cpu() || d.is_meta() || (device && d.index < device->count())) return d;
    std::string kind(device_type_name(d.type));
    for (char& c : kind) c = char(std::toupper(static_cast<unsigned char>(c)));
    throw NotImplementedError(str("Could not run 'aten::empty_strided' with arguments from the '", kind,
                                  "' backend: load '", name_, "': the archive has tensors on ", d,
                                  ", and there is no such device here. Hint: load it with map_location='cpu'"));
  }
  // Methods compile when they are first used, and keep this for as long as they live: the text of the code, but not the file.
  void keep_texts() {
    for (const std::string& entry : zip_->names()) {
      if (!entry.starts_with(zip_->root() + "code/") || !entry.ends_with(".py")) continue;
      io::Bytes code = zip_->read_for_parser(entry);
      texts_[entry.substr(zip_->root().size())] =
          std::string(reinterpret_cast<const char*>(code.data.data()), code.data.size());
    }
    zip_ = nullptr;
  }

  // Functions are compiled when they are first called, but which operators are missing is said at once.
  void check_operators() const {
    std::map<std::string, UsedOperator> used;
    for (const std::string& entry : zip_->names())
      if (entry.starts_with(zip_->root() + "code/") && entry.ends_with(".py")) {
        io::Bytes code = zip_->read_for_parser(entry);
        std::string text(reinterpret_cast<const char*>(code.data.data()), code.data.size());
        add_used_operators(std::make_shared<Source>(Source{std::move(text), entry.substr(zip_->root().size())}), used);
      }
    check_used_operators(used);
  }
  class Values;
  // An archive with model.json. Methods are functions of a text of their own, whose first argument has no type.
  Ref<ObjectValue> load_old() {
    const std::string& root = zip_->root();
    std::string where = str("load '", name_, "': entry 'model.json'");
    truncates_ = true;
    version_ = 1;
    io::Bytes bytes = zip_->read_for_parser(root + "model.json");
    std::string_view text(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
    OldModel model = read_old_model(text, where, [&](const std::string& entry) {
      RL_CHECK(FileError, zip_->has(root + entry), where, ": the file has no entry '", entry, "'");
      return zip_->read(root + entry).data.size();
    });
    io::TensorLoader loader([this, root](const std::string& key) { return zip_->read(root + key); }, where);
    loader.set_place([this](const std::string& was) { return place_of(was); });
    std::map<std::string, io::TensorLoader::Numbered> numbered;
    for (size_t i = 0; i < model.tensors.size(); i++) numbered[str(i)] = model.tensors[i];
    loader.set_numbered(std::move(numbered));
    for (size_t i = 0; i < model.tensors.size(); i++) {
      Tensor t = loader.numbered_tensor(str(i));
      if (model.wants_grad[i]) t.impl()->set_requires_grad(is_differentiable(t.dtype()));
      constants_.push_back(std::make_shared<ConstantValue>(IValue(t)));
    }
    io::PickleTree attributes;
    if (zip_->has(root + "attributes.pkl")) {
      io::Bytes pickled = zip_->read_for_parser(root + "attributes.pkl");
      attributes = io::unpickle(pickled.data, where);
    }
    Values values(*this, loader);
    Ref<ObjectValue> module = old_module(model.main, attributes.root, values, "__torch__");
    keep_texts();
    return module;
  }
  Ref<ObjectValue> old_module(const OldModule& m, const Pickled* attributes, Values& values, const std::string& path) {
    std::string name = path + "." + m.name;  // a class's, in text
    for (char& c : name)
      if (c != '.' && c != '_' && !std::isalnum(static_cast<unsigned char>(c))) c = '_';
    if (m.name.empty() || std::isdigit(static_cast<unsigned char>(m.name[0]))) name.insert(path.size() + 1, "_");
    auto type = std::make_shared<ClassType>(name, true);
    std::vector<IValue> slots;
    auto add = [&](const std::string& slot, TypePtr t, IValue v, bool parameter = false, bool buffer = false) {
      RL_CHECK(FileError, type->find_slot(slot) < 0, "load '", name_, "': two members of ", name, " are named '", slot,
               "'");
      type->add_slot(slot, std::move(t), parameter, buffer);
      slots.push_back(std::move(v));
    };
    add("training", Type::boolean(), true);
    for (const OldModule::Member& p : m.parameters) {
      const IValue* v = constant(str("c", p.id));
      RL_CHECK(FileError, v, "load '", name_, "': there is no tensor ", p.id, " for '", p.name, "'");
      add(p.name, Type::tensor(), *v, !p.is_buffer, p.is_buffer);
    }
    graph::Graph scratch;
    Lowering types(scratch, *this);
    for (const OldModule::Member& a : m.attributes) {
      bool known = attributes && a.id >= 0 && size_t(a.id) < attributes->items.size();
      RL_CHECK(FileError, known, "load '", name_, "': there is no value ", a.id, " for '", a.name, "'");
      TypePtr t = types.type_of(*parse_expression(std::make_shared<Source>(Source{a.type, "model.json"})));
      IValue v = values.value(*attributes->items[size_t(a.id)], t);
      bool buffer = v.is_tensor() && t->is(TK::Tensor);
      if (a.name == "training") slots[0] = v;
      else add(a.name, t, std::move(v), false, buffer);
    }
    for (const OldModule& child : m.children) {
      Ref<ObjectValue> made = old_module(child, attributes, values, name);
      add(child.name, made->type, IValue(made));
    }
    if (std::optional<std::string> text = m.code.empty() ? std::nullopt : text_of(m.code))
      for (const StmtPtr& s : parse_module(std::make_shared<Source>(Source{std::move(*text), m.code})))
        if (s->kind == Stmt::Kind::Def)
          type->add_method(lazy_function(s->text, s, shared_from_this(), type->unowned()));
    auto object = make_ref<ObjectValue>(type, slots.size());
    object->slots = std::move(slots);
    return object;
  }

  struct Text final : Original {
    Text(std::shared_ptr<Archive> a, Range d) : archive(std::move(a)), def(std::move(d)) {}
    std::string text(TextOptions& options) const override {
      // From the line of `def` to the next that stands as far left.
      const std::string& all = def.source->text;
      size_t indent = size_t(def.column()), begin = def.begin - indent, end = all.find('\n', begin);
      while (end < all.size()) {
        size_t first = all.find_first_not_of(" \t\r\n", end);
        if (first == std::string::npos || first - all.rfind('\n', first) - 1 <= indent) break;
        end = all.find('\n', first);
      }
      if (const auto* origins = static_cast<const Origins*>(def.source->origins.get()))
        options.marks = origins->between(begin, end);
      for (Mark& m : options.marks) m.at -= begin;
      std::string out = archive->renamed(all.substr(begin, end - begin), options, options.marks) + "\n";
      return archive->truncates_ ? with_truncation(out, options.marks) : out;
    }
    // floor_divide() as today's versions say what it did.
    static std::string with_truncation(std::string text, std::vector<Mark>& marks) {
      static const std::string was = "torch.floor_divide(", is = "torch.div(", mode = ", rounding_mode=\"trunc\"";
      for (size_t at = 0; (at = text.find(was, at)) != std::string::npos;) {
        size_t end = at + was.size();
        for (int open = 1; end < text.size() && open; end++) open += text[end] == '(' ? 1 : text[end] == ')' ? -1 : 0;
        text.insert(end - 1, mode);
        text.replace(at, was.size(), is);
        for (Mark& m : marks) m.at += (m.at >= end ? mode.size() : 0) - (m.at > at ? was.size() - is.size() : 0);
        at += is.size();
      }
      return text;
    }
    std::shared_ptr<Archive> archive;
    Range def;
  };
  std::shared_ptr<graph::Function> archived(const StmtPtr& def, const std::string& full, const TypePtr& self) {
    auto f = lazy_function(def->text, def, shared_from_this(), self);
    auto text = std::make_shared<Text>(shared_from_this(), def->range);
    text->full_name = full;
    text->version = version_;
    f->origin = std::move(text);
    return f;
  }
  std::string renamed_word(const std::string& word, TextOptions& options) {
    if (word.starts_with("CONSTANTS.c")) {
      size_t digits = std::min(word.find_first_not_of("0123456789", 11), word.size());
      if (auto* t = constant(word.substr(10, digits - 10))) {
        options.constants.push_back(*t);
        return str("CONSTANTS.c", options.constants.size() - 1, word.substr(digits));
      }
    }
    if (!word.starts_with("__torch__.")) return word;
    for (size_t dot = word.find('.'); dot != std::string::npos;) {
      size_t next = std::min(word.find('.', dot + 1), word.size());
      std::string full = word.substr(0, next);
      if (find_definition(word.substr(0, dot), word.substr(dot + 1, next - dot - 1))) {
        auto function = functions_.find(full);
        std::string name = function != functions_.end() ? options.function_text(function->second)
                                                        : options.type_text(class_named(full, nullptr));
        return name + word.substr(next);
      }
      dot = next == word.size() ? std::string::npos : next;
    }
    return word;
  }
  // "c3". Null for what the archive has not.
  const IValue* constant(const std::string& name) const {
    size_t i = name.size() > 1 && name.size() < 10 && name[0] == 'c' &&
                       name.find_first_not_of("0123456789", 1) == std::string::npos
                   ? std::stoul(name.substr(1))
                   : SIZE_MAX;
    return i < constants_.size() ? constants_[i] ? &constants_[i]->constant : nullptr : nullptr;
  }

  struct Constants final : Sugared {
    explicit Constants(Archive& a) : archive(a) {}
    std::string kind() const override { return "the archive's constants"; }
    SugaredPtr attribute(const Range& range, Lowering&, const std::string& name) override {
      const IValue* found = archive.constant(name);
      if (!found) fail(range, str("the archive has no constant ", name));
      return std::make_shared<ConstantValue>(*found);
    }
    Archive& archive;
  };
  // A dotted prefix of class names.
  struct Package final : Sugared {
    Package(Archive& a, std::string p) : archive(a), path(std::move(p)) {}
    std::string kind() const override { return "package '" + path + "'"; }
    SugaredPtr attribute(const Range& range, Lowering&, const std::string& name) override {
      if (auto custom = graph::find_native_class(path + "." + name)) return std::make_shared<TypeName>(custom);
      if (archive.find_definition(path, name)) {
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
    if (entry == kProfiler) return kRecordFunction;  // not what versions told their profilers
    if (auto found = texts_.find(entry); found != texts_.end()) return found->second;
    if (!zip_ || !zip_->has(zip_->root() + entry)) return {};
    io::Bytes bytes = zip_->read_for_parser(zip_->root() + entry);
    return std::string(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
  }

  // Reads code/<package>.py once. True if it defines `name`.
  bool find_definition(const std::string& package, const std::string& name) {
    if (!sources_.contains(package)) {
      std::string path = package;
      for (char& c : path)
        if (c == '.') c = '/';
      std::string entry = "code/" + path + ".py";
      auto& source = sources_[package];
      if (std::optional<std::string> text = text_of(entry)) {
        auto origins = entry == kProfiler ? origins_.end() : origins_.find(entry + ".debug_pkl");
        source = std::make_shared<Source>(
            Source{std::move(*text), entry, 1, origins == origins_.end() ? nullptr : origins->second});
        for (const StmtPtr& s : parse_module(source)) {
          if (s->kind == Stmt::Kind::Def)
            functions_[package + "." + s->text] = archived(s, package + "." + s->text, nullptr);
          if (s->kind == Stmt::Kind::Class || s->kind == Stmt::Kind::Def)
            definitions_[package + "." + s->text] = s->kind == Stmt::Kind::Class ? s : nullptr;
        }
      }
    }
    return definitions_.contains(package + "." + name);
  }
  // The definition of a class that find_definition() found. It is let go of, as a large module's takes megabytes; who asks for a class that
  // has been made and is gone waits until the text is parsed again.
  StmtPtr take_definition(const std::string& package, const std::string& full) {
    StmtPtr& def = definitions_.at(full);
    if (!def && !functions_.contains(full))
      for (const StmtPtr& s : parse_module(sources_.at(package)))
        if (s->kind == Stmt::Kind::Class && package + "." + s->text == full) def = s;
    return std::exchange(def, nullptr);
  }

  // A class that is being made, and those whose members asked for it.
  class Making {
   public:
    Making(Archive& archive, const std::string& full) : archive_(archive) {
      std::vector<std::string>& chain = archive.making_;
      bool inside = std::find(chain.begin(), chain.end(), full) != chain.end();
      RL_CHECK(FileError, !inside, "load '", archive.name_, "': the class ", full, " contains itself");
      RL_CHECK(FileError, chain.size() < kMaxNesting, "load '", archive.name_,
               "': the classes of members of members are more than ", kMaxNesting, " deep, at ", full);
      chain.push_back(full);
    }
    // Where it failed the class is not kept, but its definition: who asks again gets the error again.
    ~Making() {
      if (definition) {
        archive_.classes_.erase(archive_.making_.back());
        archive_.definitions_[archive_.making_.back()] = std::move(definition);
      }
      archive_.making_.pop_back();
    }
    Making(const Making&) = delete;
    StmtPtr definition;  // until the class is made

   private:
    static constexpr size_t kMaxNesting = 500;
    Archive& archive_;
  };

  TypePtr class_named(const std::string& full, const Range* range) {
    if (full.starts_with(graph::kNativeClasses)) {
      auto custom = graph::find_native_class(full);
      RL_CHECK(RuntimeError, custom, "load '", name_, "': the class ", full,
               " is not registered; load the library that defines it with torch::class_ first");
      return custom;
    }
    if (auto found = classes_.find(full); found != classes_.end()) return found->second;
    if (auto found = modules_.find(full); found != modules_.end())
      if (TypePtr alive = found->second.lock()) return alive;
    size_t dot = full.rfind('.');
    bool known = dot != std::string::npos && find_definition(full.substr(0, dot), full.substr(dot + 1));
    if (!known && range) fail(*range, str("the archive does not define ", full));
    RL_CHECK(FileError, known, "load '", name_, "': the archive does not define the class ", full);
    Making making(*this, full);
    making.definition = take_definition(full.substr(0, dot), full);
    RL_CHECK(FileError, making.definition, "load '", name_, "': ", full, " is a function where a class is expected");
    TypePtr made = make_class(full, *making.definition);
    making.definition = nullptr;
    return made;
  }

  TypePtr make_class(const std::string& full, const Stmt& def) {
    bool named_tuple = !def.targets.empty() && def.targets[0]->text == "NamedTuple";
    std::string base = def.targets.empty() ? "" : def.targets[0]->text;
    bool interface = base == "Interface" || base == "ModuleInterface";
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
    if (base == "Enum") {
      std::vector<std::pair<std::string, IValue>> members;
      for (const StmtPtr& s : def.body)
        if (s->kind == Stmt::Kind::Assign && s->value)
          members.emplace_back(s->targets[0]->text, literal(*s->value, nullptr));
      return classes_[full] = graph::make_enum(full, std::move(members));
    }
    auto type = std::make_shared<ClassType>(full, base == "Module" || base == "ModuleInterface");
    type->is_interface = interface;
    if (type->is_module) modules_[full] = type;  // see Note [Who keeps a class]
    else classes_[full] = type;
    if (interface) {
      for (const StmtPtr& s : def.body)
        if (s->kind == Stmt::Kind::Def) type->add_method(abstract_method(*s, type->unowned(), types));
      return type;
    }
    std::set<std::string> parameters, buffers;
    for (const StmtPtr& s : def.body) {
      if (s->kind != Stmt::Kind::Assign) continue;
      const Expr& target = *s->targets[0];
      std::string slot = target.kind == Expr::Kind::Subscript
                             ? target.items[1]->text
                             : target.text;  // __annotations__["0"] = ... for names that are no identifiers
      if (!s->annotation && (slot == "__forward_hooks__" || slot == "__forward_pre_hooks__")) {
        for (const ExprPtr& i : s->value->items)
          (slot == "__forward_hooks__" ? type->hooks : type->pre_hooks).push_back(i->text);
      } else if (!s->annotation && (slot == "__parameters__" || slot == "__buffers__")) {
        for (const ExprPtr& i : s->value->items) (slot == "__parameters__" ? parameters : buffers).insert(i->text);
      } else if (s->annotation && s->value && s->annotation->kind == Expr::Kind::Subscript &&
                 s->annotation->items[0]->text == "Final") {
        type->constants[slot] = literal(*s->value, types.type_of(*s->annotation));
      } else if (type->find_slot(slot) >= 0) {
        fail(s->range, str("the class has two attributes named '", slot, "'"));
      } else if (s->annotation) {
        TypePtr packed = slot == "_packed_params" ? packed_type(full, *s->annotation) : nullptr;
        type->add_slot(slot, packed ? packed : types.type_of(*s->annotation), parameters.contains(slot),
                       buffers.contains(slot));
      } else if (target.kind == Expr::Kind::Subscript) {
        type->add_slot(slot, types.type_of(*s->value), parameters.contains(slot), buffers.contains(slot));
      }
    }
    for (const StmtPtr& s : def.body)
      if (s->kind == Stmt::Kind::Def) type->add_method(archived(s, full + "." + s->text, type->unowned()));
    return type;
  }

  // Up to 1.5 packed weights were called a Tensor, in the layers of torch.nn.quantized.
  static TypePtr packed_type(const std::string& full, const Expr& annotation) {
    if (full.find(".quantized.") == full.npos || annotation.text != "Tensor") return nullptr;
    std::string cls = full.substr(full.rfind('.') + 1);
    std::string packs = cls.find("Conv3d") != cls.npos || cls.find("ConvReLU3d") != cls.npos ? "Conv3d"
                        : cls.find("Conv") != cls.npos                                       ? "Conv2d"
                                                                                             : "Linear";
    return graph::find_native_class("__torch__.torch.classes.quantized." + packs + "PackedParamsBase");
  }

  // The value of a constant's text.
  IValue literal(const Expr& e, const TypePtr& type) {
    using EK = Expr::Kind;
    auto item = [&](size_t i) -> TypePtr {
      if (!type || type->contained().empty()) return nullptr;
      return type->is(TK::Tuple) ? i < type->contained().size() ? type->contained()[i] : nullptr : type->element();
    };
    switch (e.kind) {
      case EK::None: return {};
      case EK::True: return true;
      case EK::False: return false;
      case EK::String: return e.text;
      case EK::Int: return number_from(e, [&](size_t* used) { return IValue(int64_t(std::stoll(e.text, used))); });
      case EK::Float: return number_from(e, [&](size_t* used) { return IValue(std::stod(e.text, used)); });
      case EK::Unary:
        if (e.text == "-") return IValue(-literal(*e.items[0], type).to_scalar());
        break;
      case EK::Name:
        if (e.text == "inf") return __builtin_inf();
        if (e.text == "nan") return __builtin_nan("");
        break;
      case EK::List:
      case EK::Tuple: {
        std::vector<IValue> items;
        for (size_t i = 0; i < e.items.size(); i++) items.push_back(literal(*e.items[i], item(i)));
        if (e.kind == EK::Tuple) return IValue::tuple(std::move(items));
        return graph::make_list(item(0) ? item(0) : items.empty() ? Type::tensor() : items[0].type(), std::move(items));
      }
      case EK::Attribute:
        if (const IValue* c =
                e.items[0]->kind == EK::Name && e.items[0]->text == "CONSTANTS" ? constant(e.text) : nullptr)
          return *c;
        break;
      case EK::Call:
        if (e.items[0]->text == "annotate" && e.items.size() == 3) return literal(*e.items[2], type);
        if (e.items[0]->text == "device" && e.items.size() == 2) return Device::parse(e.items[1]->text);
        break;
      default: break;
    }
    fail(e.range, "this is no constant");
  }
  template <class F>
  static IValue number_from(const Expr& e, F&& parse) {
    try {
      size_t used = 0;
      IValue v = parse(&used);
      if (used == e.text.size()) return v;
    } catch (const std::exception&) {}
    fail(e.range, "this is no number");
  }

  // The archive's values: objects of its classes too.
  class Values final : public io::ValueReader {
   public:
    Values(Archive& a, io::TensorLoader& tensors) : ValueReader(tensors, a.name_), archive_(a) {}

   private:
    IValue object(const Pickled& v, int depth) override {
      RL_CHECK(UnpicklingError, v.items[0]->is(K::Global) && v.items[0]->text.starts_with("__torch__"), "load '", name_,
               "': Unsupported global: ", v.items[0]->text);
      TypePtr type = archive_.class_named(v.items[0]->text, nullptr);
      const ClassType* c = graph::as_class(type);
      if (c && graph::is_native(*c) && v.state) {
        try {
          return graph::make_native(graph::as_class_shared(type), value(*v.state, {}, depth + 1));
        } catch (const RuntimeError& e) {
          throw UnpicklingError(str("load '", name_, "': ", c->name(), ": ", e.what()));
        }
      }
      RL_CHECK(UnpicklingError, c && !c->is_interface && v.state, "load '", name_, "': an object of ", v.items[0]->text,
               " without its attributes");
      if (graph::Function* restore = c->find_method("__setstate__")) {
        auto o = make_ref<ObjectValue>(type, c->slots.size());
        remember(v, IValue(o));
        restore->made();
        RL_CHECK(UnpicklingError, restore->schema.args.size() == 2, "load '", name_, "': ", c->name(),
                 ".__setstate__ takes ", restore->schema.args.size() - 1, " arguments, expected the state");
        run_method(o, "__setstate__", {value(*v.state, restore->schema.args[1].type, depth + 1)});
        check_slots(*o, *c);
        return o;
      }
      RL_CHECK(UnpicklingError, !graph::is_of_native_class(*c), "load '", name_, "': ", c->name(),
               " has no __setstate__");
      RL_CHECK(UnpicklingError, v.state->is(K::Dict), "load '", name_, "': an object of ", v.items[0]->text,
               " whose attributes are no dict");
      auto o = make_ref<ObjectValue>(type, c->slots.size());
      remember(v, IValue(o));  // it may be among its own attributes
      for (size_t i = 0; i + 1 < v.state->items.size(); i += 2) {
        int slot = c->find_slot(v.state->items[i]->text);
        if (slot >= 0) o->slots[size_t(slot)] = value(*v.state->items[i + 1], c->slots[size_t(slot)].type, depth + 1);
      }
      check_slots(*o, *c);
      return o;
    }
    void check_slots(const ObjectValue& o, const ClassType& c) const {
      for (size_t i = 0; i < c.slots.size(); i++) {
        const TypePtr& t = c.slots[i].type;
        bool sound = t->is(TK::Tensor) ? o.slots[i].is_tensor() : !t->is(TK::Class) || o.slots[i].is_object();
        RL_CHECK(UnpicklingError, sound, "load '", name_, "': ", c.name(), ".", c.slots[i].name, " is no ", t);
      }
    }
    IValue called(const std::string& global, const Pickled& argument, int depth) override {
      if (!global.starts_with("__torch__.")) unsupported(global);
      const ClassType* c = graph::as_class(archive_.class_named(global, nullptr));
      RL_CHECK(UnpicklingError, c && c->is_enum, "load '", name_, "': ", global, " is no enum");
      IValue wanted = value(argument, c->slots[1].type, depth + 1);
      for (const auto& [member, object] : c->members)
        if (graph::values_equal(object.to_object().slots[1], wanted)) return object;
      throw UnpicklingError(str("load '", name_, "': ", global, " has no member of the value ", wanted));
    }
    TypePtr type_named(const std::string& text) override {
      graph::Graph scratch;
      Lowering types(scratch, archive_);
      return types.type_of(*parse_expression(std::make_shared<Source>(Source{text, "data.pkl"})));
    }
    bool fits(const IValue& o, const TypePtr& type) const override {
      const ClassType* wanted = graph::as_class(type);
      return !wanted || o.type().get() == wanted || wanted->is_implemented_by(o.type());
    }

    Archive& archive_;
  };

  std::shared_ptr<io::ZipReader> zip_;
  std::string name_;
  std::optional<Device> place_;
  std::vector<std::shared_ptr<ConstantValue>> constants_;
  int version_ = 3;
  bool truncates_ = false;
  std::map<std::string, std::string> texts_;  // by entry, once the file is closed
  std::map<std::string, std::shared_ptr<const Origins>> origins_;
  std::map<std::string, std::shared_ptr<const Source>> sources_;  // by package; null where the archive has no such file
  std::map<std::string, StmtPtr> definitions_;                    // of classes that are not made yet; null for the rest
  std::vector<std::string> making_;
  std::map<std::string, TypePtr> classes_;
  std::map<std::string, std::weak_ptr<const Type>> modules_;
  std::map<std::string, std::shared_ptr<graph::Function>> functions_;
};

}  // namespace

Ref<ObjectValue> load_module(const io::Bytes& bytes, const std::string& name, std::map<std::string, std::string>* extra,
                             std::optional<Device> place) {
  RL_CHECK(FileError, !bytes.data.empty(), "load '", name, "': the file is empty");
  RL_CHECK(
      FileError, io::looks_like_zip(bytes.data), "load '", name,
      "': this is no TorchScript archive (no zip file). Hint: torch.jit.save writes one; of an ONNX file, `rushlight "
      "convert FILE OUT.pt` makes one");
  auto zip = std::make_shared<io::ZipReader>(bytes, name);
  if (extra)
    for (auto& [file, text] : *extra)
      if (std::string entry = zip->root() + "extra/" + file; zip->has(entry)) {
        io::Bytes found = zip->read(entry);
        text.assign(reinterpret_cast<const char*>(found.data.data()), found.data.size());
      }
  Ref<ObjectValue> module = std::make_shared<Archive>(std::move(zip), name, place)->load();
  make_ready(module);
  return module;
}

}  // namespace rushlight::script
