#include "rushlight/io/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "rushlight/core/error.h"
#include "rushlight/fn/sparse_compressed_tensor.h"
#include "rushlight/fn/sparse_coo_tensor.h"
#include "rushlight/kernels/copying.h"

namespace rushlight::io {
namespace {

using K = Pickled::Kind;

constexpr const char* kRebuildMeta = "torch._utils._rebuild_meta_tensor_no_storage";
constexpr const char* kRebuildSparse = "torch._utils._rebuild_sparse_tensor";
constexpr const char* kRebuildQuantized = "torch._utils._rebuild_qtensor";
constexpr size_t kMaxDims = 64;  // PyTorch's limit

const Pickled& item(const Pickled& v, size_t i, const std::string& where, const char* what) {
  RL_CHECK(UnpicklingError, i < v.items.size(), where, ": ", what, " has ", v.items.size(),
           " parts; the file is damaged");
  return *v.items[i];
}
int64_t integer(const Pickled& v, const std::string& where) {
  RL_CHECK(UnpicklingError, v.is(K::Int), where, ": expected an integer in the description of a tensor");
  return v.integer;
}
Dims integers(const Pickled& v, const std::string& where) {
  const Pickled& list = v.is(K::Call) && v.items.size() == 2 && v.items[1]->items.size() == 1
                            ? *v.items[1]->items[0]
                            : v;  // torch.Size((2, 3))
  RL_CHECK(UnpicklingError, list.is(K::Tuple) || list.is(K::List), where,
           ": expected sizes in the description of a tensor");
  Dims out;
  for (const Pickled* i : list.items) out.push_back(integer(*i, where));
  return out;
}

}  // namespace

std::string number_text(const Pickled& v) { return v.is(K::Int) ? str(v.integer) : v.text; }

bool has_storage_class(DType d) { return is_computed(d) || is_quantized(d); }
std::string storage_class(DType d) { return std::string(scalar_type_name(d)) + "Storage"; }
std::optional<DType> dtype_of_storage_class(std::string_view wanted) {
  if (!wanted.starts_with("torch.") || !wanted.ends_with("Storage")) return {};
  wanted.remove_prefix(6), wanted.remove_suffix(7);
  DType d;
  if (dtype_from_scalar_type(wanted, d) && has_storage_class(d)) return d;
  return {};
}

static StorageId storage_id(const Pickled& t, const std::string& where) {
  StorageId id;
  id.dtype = dtype_of_storage_class(t.items[1]->text);
  bool untyped = t.items[1]->text == "torch.storage.UntypedStorage" || t.items[1]->text == "torch.UntypedStorage";
  RL_CHECK(UnpicklingError, id.dtype || untyped, where, ": storage class ", t.items[1]->text, " is not supported");
  id.key = t.items[2]->text;
  id.was = t.items[3]->is(K::Str) ? t.items[3]->text : "cpu";
  id.count = integer(*t.items[4], where);
  if (t.items.size() >= 6 && !t.items[5]->is(K::None)) {  // (key, first element, elements)
    id.part = true;
    id.part_first = integer(item(*t.items[5], 1, where, "a part of a storage"), where);
    id.part_count = integer(item(*t.items[5], 2, where, "a part of a storage"), where);
  }
  return id;
}

Ref<Storage> TensorLoader::storage(const Pickled& id, std::optional<DType>& dtype) {
  const Pickled& t = item(id, 0, where_, "a persistent id");
  RL_CHECK(UnpicklingError,
           t.is(K::Tuple) && t.items.size() >= 5 && t.items[0]->is(K::Str) && t.items[0]->text == "storage" &&
               t.items[1]->is(K::Global) && t.items[2]->is(K::Str),
           where_, ": a persistent id that names no storage");
  StorageId s = storage_id(t, where_);
  dtype = s.dtype;
  return storage(s);
}

// Numbers of a file from a machine of the other byte order. A complex one is two.
static void swap_elements(void* data, size_t bytes, DType d) {
  size_t width = size_t(item_size(d)) / (is_complex(d) ? 2 : 1);
  auto* p = static_cast<uint8_t*>(data);
  for (size_t at = 0; width > 1 && at + width <= bytes; at += width) std::reverse(p + at, p + at + width);
}

Ref<Storage> TensorLoader::storage(const StorageId& id) {
  int64_t width = id.dtype ? item_size(*id.dtype) : 1, bytes = 0;
  RL_CHECK(UnpicklingError, id.count >= 0 && !__builtin_mul_overflow(id.count, width, &bytes), where_,
           ": a storage of ", id.count, " elements");
  Ref<Storage>& held = storages_[id.key];
  // Script archives say where a tensor was; one on the meta device has no bytes there.
  if (!held && id.was == "meta") held = make_ref<Storage>(size_t(bytes), Device{DeviceType::Meta});
  if (!held) {
    Bytes data = read_(id.key);
    RL_CHECK(UnpicklingError, data.data.size() >= size_t(bytes), where_, ": storage '", id.key, "' has ",
             data.data.size(), " bytes where its description says ", bytes);
    bool aligned =
        reinterpret_cast<uintptr_t>(data.data.data()) % 16 == 0;  // not where another program packed the archive
    Device device = place_ && !restore_ ? place_(id.was) : Device();
    bool swaps = swap_ && id.dtype && item_size(*id.dtype) > 1;
    if (device.is_meta() || skip_) {
      held = make_ref<Storage>(size_t(bytes), device);
    } else if (copy_ || !aligned || swaps || !device.is_cpu()) {
      held = make_ref<Storage>(size_t(bytes), Device());
      if (bytes && read_into_) read_into_(id.key, held->data(), size_t(bytes));
      else if (bytes) std::memcpy(held->data(), data.data.data(), size_t(bytes));
      if (swaps) swap_elements(held->data(), size_t(bytes), *id.dtype);
      if (!device.is_cpu()) {
        auto there = make_ref<Storage>(size_t(bytes), device);
        copy_bytes(there->device(), there->data(), {}, held->data(), size_t(bytes));
        held = std::move(there);
      }
    } else {
      held = make_ref<Storage>(const_cast<uint8_t*>(data.data.data()), size_t(bytes), Device(), data.owner);
    }
    if (restore_) {
      held = restore_(std::move(held), id.was);
      RL_CHECK(UnpicklingError, held && (held->device().is_meta() || held->bytes() >= size_t(bytes)), where_,
               ": map_location gave a storage smaller than the ", bytes, " bytes of the one it stands for");
    }
  }
  RL_CHECK(UnpicklingError, size_t(bytes) <= held->bytes(), where_, ": storage '", id.key,
           "' is described twice, with different sizes");
  if (!id.part) return held;
  int64_t first = id.part_first, size = id.part_count;
  RL_CHECK(UnpicklingError, first >= 0 && size >= 0 && first <= id.count && size <= id.count - first, where_,
           ": a part of storage '", id.key, "' lies outside of it");
  if (held->device().is_meta()) return make_ref<Storage>(size_t(size * width), held->device());
  auto keep = std::make_shared<Ref<Storage>>(held);
  return make_ref<Storage>(static_cast<uint8_t*>(held->data()) + first * width, size_t(size * width), held->device(),
                           keep);
}

Tensor TensorLoader::numbered_tensor(const std::string& number) {
  RL_CHECK(UnpicklingError, numbered_, where_, ": a persistent id that names no storage");
  auto found = numbered_->find(number);
  RL_CHECK(UnpicklingError, found != numbered_->end(), where_, ": there is no tensor '", number, "'");
  const Numbered& n = found->second;
  return over(storage(n.storage), *n.storage.dtype, n.offset, n.sizes, n.strides);
}

// A parameter's tensor.
Tensor TensorLoader::data_of(const Pickled& v) {
  if (v.is(K::Persistent) && !v.items[0]->is(K::Tuple)) return numbered_tensor(number_text(*v.items[0]));
  RL_CHECK(UnpicklingError, v.is(K::Call) && v.items[0]->is(K::Global), where_, ": a parameter without a tensor");
  return plain_tensor(v.items[0]->text, *v.items[1]);
}

std::optional<Tensor> TensorLoader::tensor(const Pickled& call, bool* is_parameter, const Pickled** attributes) {
  if (!(call.is(K::Call) || call.is(K::Object)) || !call.items[0]->is(K::Global)) return {};
  const std::string* f = &call.items[0]->text;
  const Pickled* args = call.items[1];
  if (*f == "torch._tensor._rebuild_from_type_v2") {  // (function, class, arguments, attributes)
    const Pickled &inner = item(*args, 0, where_, "a tensor"), &cls = item(*args, 1, where_, "a tensor");
    if (!cls.is_global("torch.Tensor") && !cls.is_global("torch.nn.parameter.Parameter")) return {};
    if (is_parameter) *is_parameter = cls.is_global("torch.nn.parameter.Parameter");
    if (attributes) *attributes = &item(*args, 3, where_, "a tensor");
    f = &inner.text;
    args = &item(*args, 2, where_, "a tensor");
  }
  if (*f == "torch._utils._rebuild_parameter" || *f == "torch._utils._rebuild_parameter_with_state") {
    if (is_parameter) *is_parameter = true;
    if (attributes && f->ends_with("_state")) *attributes = &item(*args, 3, where_, "a parameter");
    Tensor t = detached_alias(data_of(item(*args, 0, where_, "a parameter")));
    bool wants = item(*args, 1, where_, "a parameter").boolean;
    RL_CHECK(UnpicklingError, !wants || is_differentiable(t.dtype()), where_, ": a parameter of dtype ",
             name_of(t.dtype()), " that requires a gradient");
    t.impl()->set_requires_grad(wants);
    return t;
  }
  // Before 0.4: Parameter(tensor) and Variable(tensor), with the state (requires_grad, volatile, hooks).
  bool parameter = *f == "torch.nn.parameter.Parameter";
  if (parameter || *f == "torch.autograd.variable.Variable") {
    if (is_parameter) *is_parameter = parameter;
    Tensor t = detached_alias(data_of(item(*args, 0, where_, "a parameter")));
    const Pickled* state = call.state;
    bool wants = parameter;
    if (state && state->is(K::Tuple) && state->items.size() >= 3)
      wants = state->items[state->items.size() == 5 ? 3 : 0]->boolean;
    t.impl()->set_requires_grad(wants && is_differentiable(t.dtype()));
    return t;
  }
  if (!f->starts_with("torch._utils._rebuild_tensor") && *f != kRebuildMeta && *f != kRebuildSparse &&
      *f != kRebuildQuantized)
    return {};
  return plain_tensor(*f, *args);
}

DType TensorLoader::dtype(const Pickled& named) {
  DType d;
  RL_CHECK(UnpicklingError,
           named.is(K::Global) && named.text.starts_with("torch.") &&
               dtype_from_name(std::string_view(named.text).substr(6), d),
           where_, ": a tensor of dtype '", named.text, "', which is not supported");
  return d;
}

// (dtype, sizes, strides, requires_grad)
Tensor TensorLoader::meta_tensor(const Pickled& args) {
  DType d = dtype(item(args, 0, where_, "a meta tensor"));
  Dims sizes = integers(item(args, 1, where_, "a meta tensor"), where_),
       strides = integers(item(args, 2, where_, "a meta tensor"), where_);
  RL_CHECK(UnpicklingError, sizes.size() <= kMaxDims && sizes.size() == strides.size(), where_,
           ": a meta tensor of sizes ", sizes, " and strides ", strides, "; the most dimensions are ", kMaxDims);
  bool wants = item(args, 3, where_, "a meta tensor").boolean;
  try {
    Tensor t = empty_strided_tensor(sizes, strides, d, {DeviceType::Meta});
    t.impl()->set_requires_grad(wants && is_differentiable(d));
    return t;
  } catch (const Error& e) { throw UnpicklingError(str(where_, ": a meta tensor that can't be: ", e.what())); }
}

std::optional<Layout> layout_of(const Pickled& v) {
  if (!v.is(K::Call) || !v.items[0]->is_global("torch.serialization._get_layout") || v.items[1]->items.size() != 1)
    return {};
  for (int i = 0; i < kLayouts; i++)
    if (v.items[1]->items[0]->text == str(Layout(i))) return Layout(i);
  return {};
}

// (layout, (indices, values, size, is_coalesced)), or (layout, (compressed_indices, plain_indices, values, size)); in script archives
// (number of the layout, size, requires_grad, indices, values, hooks), with two tensors of indices for a compressed layout.
Tensor TensorLoader::sparse_tensor(const Pickled& args) {
  const Pickled& named = item(args, 0, where_, "a sparse tensor");
  const bool script = named.is(K::Int);
  const Pickled& data = script ? args : item(args, 1, where_, "a sparse tensor");
  std::optional<Layout> layout = layout_of(named);
  if (script && named.integer >= 0 && named.integer < kLayouts) layout = Layout(named.integer);
  bool coo = layout == Layout::Sparse, compressed = layout == Layout::SparseCsr || layout == Layout::SparseCsc ||
                                                    layout == Layout::SparseBsr || layout == Layout::SparseBsc;
  RL_CHECK(UnpicklingError, coo || compressed, where_, ": a sparse tensor of a layout that is not supported");
  auto part = [&](size_t i) {
    std::optional<Tensor> t = tensor(item(data, script ? i + 3 : i, where_, "a sparse tensor"));
    RL_CHECK(UnpicklingError, t && !t->impl()->parts(), where_, ": a sparse tensor without its parts");
    return *t;
  };
  try {
    Dims size = integers(item(data, script ? 1 : coo ? 2 : 3, where_, "a sparse tensor"), where_);
    if (compressed) return sparse_compressed_tensor(part(0), part(1), part(2), size, {}, layout);
    // Files from before PyTorch 2.1 don't say whether it is coalesced.
    std::optional<bool> coalesced;
    if (!script && data.items.size() > 3 && data.items[3]->is(K::Bool)) coalesced = data.items[3]->boolean;
    return sparse_coo_tensor(part(0), part(1), size, {}, {}, {}, {}, coalesced);
  } catch (const UnpicklingError&) { throw; } catch (const Error& e) {
    throw FileError(str(where_, ": a sparse tensor that can't be: ", e.what()));
  }
}

static double number(const Pickled& v, const std::string& where) {
  RL_CHECK(UnpicklingError, v.is(K::Float) || v.is(K::Int), where,
           ": expected a number in the description of a quantised tensor");
  return v.is(K::Float) ? v.number : double(v.integer);
}

// (scheme, scale, zero point), or (scheme, scales, zero points, axis): in tensors, before 1.4 in lists.
Quantizer TensorLoader::quantizer(const Pickled& said, const Tensor& of) {
  constexpr const char* what = "a quantised tensor";
  const Pickled& scheme = item(said, 0, where_, what);
  std::string_view name = scheme.is(K::Global) ? std::string_view(scheme.text) : "";
  if (name == "torch.per_tensor_affine") {
    double scale = number(item(said, 1, where_, what), where_);
    return one_scale(scale, integer(item(said, 2, where_, what), where_));
  }
  RL_CHECK(UnpicklingError, name == "torch.per_channel_affine" || name == "torch.per_channel_affine_float_qparams",
           where_, ": a tensor quantised as '", name, "', which is not supported");
  auto numbers = [&](size_t i, DType d) {
    const Pickled& v = item(said, i, where_, what);
    Tensor t;
    if (std::optional<Tensor> stored = tensor(v)) {
      RL_CHECK(UnpicklingError, is_computed(stored->dtype()) && !stored->impl()->parts() && stored->device().is_cpu(),
               where_, ": a quantised tensor whose scales are no numbers");
      t = dense(*stored, is_floating(stored->dtype()) && d == DType::Int64 ? DType::Float32 : d);
    } else {
      t = empty_tensor({int64_t(v.items.size())}, d);
      for (size_t k = 0; k < v.items.size(); k++) {
        if (d == DType::Float64) t.data<double>()[k] = number(*v.items[k], where_);
        else t.data<int64_t>()[k] = integer(*v.items[k], where_);
      }
    }
    return t;
  };
  Tensor scales = numbers(1, DType::Float64), zeros = numbers(2, DType::Int64);
  int64_t axis = integer(item(said, 3, where_, what), where_);
  bool fits = axis >= 0 && axis < of.dim() && scales.dim() == 1 && zeros.dim() == 1 &&
              scales.numel() == of.sizes()[size_t(axis)] && zeros.numel() == scales.numel();
  RL_CHECK(UnpicklingError, fits, where_, ": a quantised tensor of shape ", of.sizes(), " with ", scales.numel(),
           " scales and ", zeros.numel(), " zero points for dimension ", axis);
  return channel_scales(detached_alias(scales), detached_alias(zeros), axis);
}

// (storage, offset, sizes, strides, quantizer, requires_grad, hooks)
Tensor TensorLoader::quantized_tensor(const Pickled& args) {
  const Pickled& id = item(args, 0, where_, "a quantised tensor");
  RL_CHECK(UnpicklingError, id.is(K::Persistent), where_, ": a quantised tensor without a storage");
  std::optional<DType> kind;
  Ref<Storage> s = storage(id, kind);
  RL_CHECK(UnpicklingError, kind && is_quantized(*kind), where_, ": a quantised tensor over a storage of ",
           kind ? name_of(*kind) : std::string_view("no dtype"));
  RL_CHECK(UnpicklingError,
           item_size(*kind) == item_size(integers_of(*kind)) && *kind != DType::QUInt4x2 && *kind != DType::QUInt2x4,
           where_, ": a quantised tensor of dtype ", *kind, ", which is not supported");
  Tensor t = over(std::move(s), integers_of(*kind), integer(item(args, 1, where_, "a quantised tensor"), where_),
                  integers(item(args, 2, where_, "a quantised tensor"), where_),
                  integers(item(args, 3, where_, "a quantised tensor"), where_));
  return quantized_over(t, *kind, quantizer(item(args, 4, where_, "a quantised tensor"), t));
}

Tensor TensorLoader::over(Ref<Storage> s, DType d, int64_t offset, const Dims& sizes, const Dims& strides) {
  RL_CHECK(UnpicklingError, sizes.size() <= kMaxDims, where_, ": a tensor of ", sizes.size(),
           " dimensions; the most is ", kMaxDims);
  RL_CHECK(UnpicklingError, sizes.size() == strides.size() && offset >= 0, where_, ": a tensor of sizes ", sizes,
           ", strides ", strides, " and offset ", offset);
  int64_t last = offset, bytes = item_size(d);
  bool overflow = false, empty = false;
  for (size_t i = 0; i < sizes.size(); i++) {
    int64_t reach = 0;
    RL_CHECK(UnpicklingError, sizes[i] >= 0 && strides[i] >= 0, where_, ": a tensor of sizes ", sizes, " and strides ",
             strides);
    empty |= sizes[i] == 0;
    // A size of 0 counts as 1 here: the other sizes must not overflow either.
    overflow |= __builtin_mul_overflow(std::max<int64_t>(sizes[i], 1) - 1, strides[i], &reach) ||
                __builtin_add_overflow(last, reach, &last) ||
                __builtin_mul_overflow(bytes, std::max<int64_t>(sizes[i], 1), &bytes);
  }
  int64_t held = int64_t(s->bytes()) / item_size(d);
  RL_CHECK(UnpicklingError, !overflow && (empty || last < held), where_, ": a tensor of sizes ", sizes, ", strides ",
           strides, " and offset ", offset, " reaches outside of its storage of ", held, " elements");
  return Tensor(make_ref<TensorImpl>(s, d, sizes, strides, offset));
}

Tensor TensorLoader::plain_tensor(const std::string& f, const Pickled& args) {
  if (f == kRebuildMeta) return meta_tensor(args);
  if (f == kRebuildSparse) return sparse_tensor(args);
  if (f == kRebuildQuantized) return quantized_tensor(args);
  bool v1 = f == "torch._utils._rebuild_tensor", v2 = f == "torch._utils._rebuild_tensor_v2",
       v3 = f == "torch._utils._rebuild_tensor_v3";
  RL_CHECK(UnpicklingError, v1 || v2 || v3, where_, ": tensors made by ", f.empty() ? "a computed function" : f,
           " are not supported");
  const Pickled& id = item(args, 0, where_, "a tensor");
  RL_CHECK(UnpicklingError, id.is(K::Persistent), where_, ": a tensor without a storage");
  std::optional<DType> kind;
  Ref<Storage> s = storage(id, kind);
  if (v3) kind = dtype(item(args, 6, where_, "a tensor"));
  RL_CHECK(UnpicklingError, kind, where_, ": a tensor over an untyped storage without a dtype");
  int64_t offset = integer(item(args, 1, where_, "a tensor"), where_);
  Dims sizes = integers(item(args, 2, where_, "a tensor"), where_),
       strides = integers(item(args, 3, where_, "a tensor"), where_);
  Tensor t = over(std::move(s), *kind, offset, sizes, strides);
  if (!v1 && args.items.size() > 4 && args.items[4]->is(K::Bool))
    t.impl()->set_requires_grad(args.items[4]->boolean && is_differentiable(*kind));
  return t;
}

int format_version(const ZipReader& zip) {
  constexpr int kNewest = 10;
  int version = 0;
  for (const char* entry : {"version", ".data/version"}) {
    if (!zip.has(zip.root() + entry)) continue;
    Bytes bytes = zip.read_for_parser(zip.root() + entry);
    std::string text(reinterpret_cast<const char*>(bytes.data.data()), std::min<size_t>(bytes.data.size(), 40));
    text.resize(text.find_last_not_of(" \r\n") + 1);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
    bool number = error == std::errc() && end == text.data() + text.size();
    RL_CHECK(FileError, number && version >= 1 && version <= kNewest, "load '", zip.name(),
             "': the file's version is '", printable(text), "'; versions 1 to ", kNewest, " can be read");
  }
  return version;
}

// The storages' bytes by their keys, which may be in the folder of 1.4.
static std::unique_ptr<TensorLoader> zip_tensors(const std::shared_ptr<ZipReader>& zip, const std::string& where,
                                                 bool copy) {
  auto entry = [zip](const std::string& key) {
    std::string name = zip->root() + "data/" + key;
    return zip->has(name) || !zip->has(zip->root() + "tensors/" + key) ? name : zip->root() + "tensors/" + key;
  };
  auto tensors = std::make_unique<TensorLoader>(
      [zip, entry](const std::string& key) { return zip->read(entry(key), false); }, where, copy);
  tensors->set_read_into(
      [zip, entry](const std::string& key, void* to, size_t n) { zip->read_into(entry(key), to, n); });
  return tensors;
}

Checkpoint open_checkpoint(const Bytes& bytes, const std::string& name, bool copy, bool big_endian) {
  RL_CHECK(FileError, !bytes.data.empty(), "load '", name, "': the file is empty");
  if (looks_like_tar(bytes.data)) return open_tar(bytes, name);
  Checkpoint out;
  if (looks_like_zip(bytes.data)) {
    auto zip = std::make_shared<ZipReader>(bytes, name);
    const std::string& root = zip->root();
    RL_CHECK(FileError, zip->has(root + "data.pkl"), "load '", name,
             "': a zip archive without data.pkl is no checkpoint");
    format_version(*zip);
    if (zip->has(root + "byteorder")) {
      Bytes order = zip->read(root + "byteorder");
      std::string_view text(reinterpret_cast<const char*>(order.data.data()), order.data.size());
      big_endian = text.starts_with("big");
      RL_CHECK(FileError, big_endian || text.starts_with("little"), "load '", name, "': the byte order is '",
               printable(std::string(text.substr(0, 40))), "', neither little nor big");
    }
    out.where = str("load '", name, "': entry 'data.pkl'");
    out.pickle = zip->read_for_parser(root + "data.pkl");
    out.tensors = zip_tensors(zip, out.where, copy);
    if (big_endian) out.tensors->swap_bytes();
    return out;
  }
  // Before 1.6: four pickles (magic number, protocol, system, the object), the list of storage keys, then each storage's count and bytes.
  std::string where = out.where = str("load '", name, "'");
  std::span<const uint8_t> rest = bytes.data;
  auto next = [&] {
    size_t used = 0;
    PickleTree t = unpickle(rest, where, &used);
    rest = rest.subspan(used);
    return t;
  };
  PickleTree magic;
  try {
    magic = next();
  } catch (const UnpicklingError&) {
    throw FileError(str(where,
                        ": neither a zip archive nor a pickle; this is no file that torch.save wrote; for other "
                        "formats see rushlight.safetensors, numpy.load or "
                        "Python's open"));
  }
  RL_CHECK(FileError, magic.root->is(K::BigInt) && magic.root->text == "0x1950a86a20f9469cfc6c", where,
           ": a pickle without torch.save's magic number; this is no checkpoint");
  next();
  PickleTree system = next();
  for (size_t i = 0; i + 1 < system.root->items.size(); i += 2)
    if (system.root->items[i]->text == "little_endian") big_endian = !system.root->items[i + 1]->boolean;
  size_t begins = bytes.data.size() - rest.size();
  PickleTree tree = next();
  out.pickle = {bytes.data.subspan(begins, bytes.data.size() - rest.size() - begins), bytes.owner};
  PickleTree keys = next();
  RL_CHECK(FileError, keys.root->is(K::List), where, ": the list of storages is damaged");
  auto places = std::make_shared<std::map<std::string, std::span<const uint8_t>>>();
  // A count says how many elements follow, not how wide they are: that stands in the persistent ids of the object.
  std::map<std::string, int> widths;
  std::vector<const Pickled*> todo = {tree.root};
  std::map<const Pickled*, bool> seen;
  while (!todo.empty()) {
    const Pickled* v = todo.back();
    todo.pop_back();
    if (!v || !seen.emplace(v, true).second) continue;
    if (v->is(K::Persistent) && v->items[0]->items.size() >= 3 && v->items[0]->items[0]->text == "storage" &&
        v->items[0]->items[1]->is(K::Global))
      widths[v->items[0]->items[2]->text] =
          item_size(dtype_of_storage_class(v->items[0]->items[1]->text).value_or(DType::UInt8));
    todo.insert(todo.end(), v->items.begin(), v->items.end());
    todo.insert(todo.end(), v->appended.begin(), v->appended.end());
    todo.push_back(v->state);
  }
  for (const Pickled* k : keys.root->items) {
    RL_CHECK(FileError, rest.size() >= 8, where, ": ends before storage '", k->text, "'; the file is cut short");
    uint64_t count = 0;
    for (int i = 0; i < 8; i++) count |= uint64_t(rest[size_t(i)]) << (8 * i);
    rest = rest.subspan(8);
    uint64_t size = 0;
    auto width = widths.find(k->text);
    bool fits =
        width != widths.end() && !__builtin_mul_overflow(count, uint64_t(width->second), &size) && size <= rest.size();
    RL_CHECK(FileError, fits, where, ": storage '", k->text, "' of ", count, " elements runs past the end of the file");
    (*places)[k->text] = rest.subspan(0, size);
    rest = rest.subspan(size);
  }
  auto owner = bytes.owner;
  out.tensors = std::make_unique<TensorLoader>(
      [places, owner, where](const std::string& key) {
        auto found = places->find(key);
        RL_CHECK(FileError, found != places->end(), where, ": there is no storage '", key, "'");
        return Bytes{found->second, owner};
      },
      where, true);  // not aligned: always copied
  if (big_endian) out.tensors->swap_bytes();
  return out;
}

static void pickle_dims(Pickler& p, const Dims& dims) {
  p.mark();
  for (int64_t i : dims) p.integer(i);
  p.tuple(4);  // since the mark
}

void pickle_meta_tensor(Pickler& p, const Tensor& t) {
  p.global("torch._utils", "_rebuild_meta_tensor_no_storage");
  p.mark();
  p.global("torch", name_of(t.dtype()));
  pickle_dims(p, t.sizes());
  pickle_dims(p, t.strides());
  p.boolean(t.requires_grad());
  p.tuple(4);
  p.reduce();
}

void pickle_layout(Pickler& p, Layout layout) {
  p.global("torch.serialization", "_get_layout");
  p.text(str(layout));
  p.tuple(1);
  p.reduce();
}

void pickle_sparse_tensor(Pickler& p, const Tensor& t, const PickleTensor& part) {
  const SparseParts& parts = *t.impl()->parts();
  p.global("torch._utils", "_rebuild_sparse_tensor");
  pickle_layout(p, parts.layout);
  p.mark();
  part(Tensor(parts.indices));
  if (parts.plain) part(Tensor(parts.plain));
  part(Tensor(parts.values));
  p.global("torch", "Size");
  pickle_dims(p, t.sizes());
  p.tuple(1);
  p.reduce();
  if (parts.layout == Layout::Sparse) p.boolean(parts.coalesced);
  p.tuple(4);
  p.tuple(2);
  p.reduce();
}

void pickle_script_sparse_tensor(Pickler& p, const Tensor& t, const PickleTensor& part) {
  const SparseParts& parts = *t.impl()->parts();
  RL_CHECK(NotImplementedError, parts.layout == Layout::Sparse || parts.layout == Layout::SparseCsr,
           "save: a tensor of layout ", t.layout(),
           " can't be part of this archive, sparse_coo and sparse_csr can; convert it, or save it with torch.save");
  p.global("torch._utils", "_rebuild_sparse_tensor");
  p.mark();
  p.integer(int64_t(parts.layout));
  pickle_dims(p, t.sizes());
  p.boolean(t.requires_grad());
  part(Tensor(parts.indices));
  if (parts.plain) part(Tensor(parts.plain));
  part(Tensor(parts.values));
  p.global("collections", "OrderedDict");
  p.empty_tuple();
  p.reduce();
  p.tuple(4);
  p.reduce();
}

void pickle_tensor(Pickler& p, const Tensor& t, const std::string& key, bool legacy, const PickleTensor& part) {
  RL_CHECK(NotImplementedError, !t.impl()->parts() || has_quantizer(t), "save: a tensor of layout ", t.layout(),
           " can't be part of this archive; save it with torch.save, or its to_dense()");
  bool typed = has_storage_class(t.dtype());
  std::optional<Quantizer> q;
  if (has_quantizer(t)) q = quantizer_of(t);
  p.global("torch._utils", q ? "_rebuild_qtensor" : typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
  p.mark();
  p.mark();
  p.text("storage");
  if (typed) p.global("torch", storage_class(t.dtype()));
  else p.global("torch.storage", "UntypedStorage");
  p.text(key);
  p.text(t.device().text());
  p.integer(int64_t(t.storage().bytes()) / (typed ? t.item_size() : 1));
  if (legacy) p.none();  // no part of another storage
  p.tuple(5);            // since the mark
  p.persistent_id();
  p.integer(t.storage_offset());
  pickle_dims(p, t.sizes());
  pickle_dims(p, t.strides());
  if (q && !q->per_channel()) {
    p.global("torch", "per_tensor_affine");
    p.number(q->scale);
    p.integer(q->zero_point);
    p.tuple(3);
  } else if (q) {
    p.mark();
    p.global("torch", is_floating(q->zero_points.dtype()) ? "per_channel_affine_float_qparams" : "per_channel_affine");
    part(q->scales);
    part(q->zero_points);
    p.integer(q->axis);
    p.tuple(4);
  }
  p.boolean(t.requires_grad());
  p.global("collections", "OrderedDict");
  p.empty_tuple();
  p.reduce();
  if (!typed) p.global("torch", name_of(t.dtype()));
  p.tuple(6);
  p.reduce();
}

void add_storage(ZipWriter& zip, const std::string& name, const Storage& storage) {
  Device device = storage.device();
  if (device.is_cpu() || device.is_meta()) return zip.add(name, storage.data(), device.is_meta() ? 0 : storage.bytes());
  std::vector<char> host(storage.bytes());
  copy_bytes({}, host.data(), device, storage.data(), host.size());
  zip.add(name, host.data(), host.size());
}

void write_checkpoint(const Sink& sink, const std::string& pickle, const std::vector<Ref<Storage>>& storages,
                      const WriteOptions& options) {
  const std::string& root = options.root;
  ZipWriter zip(sink);
  zip.with_crc = options.with_crc;
  zip.add(root + "/data.pkl", pickle);
  zip.add(root + "/.format_version", "1");
  zip.add(root + "/.storage_alignment", "64");
  if (options.with_byte_order) zip.add(root + "/byteorder", "little");
  for (size_t i = 0; i < storages.size(); i++) {
    std::string name = str(root, "/data/", i);
    if (options.skip_data) zip.add(name, nullptr, storages[i]->device().is_meta() ? 0 : storages[i]->bytes());
    else add_storage(zip, name, *storages[i]);
  }
  zip.add(root + "/version", "3\n");
  zip.finish();
}

void write_legacy_checkpoint(const Sink& sink, const std::string& pickle, const std::vector<Ref<Storage>>& storages,
                             const std::vector<int64_t>& item_sizes) {
  auto write = [&](const std::string& s) { sink(s.data(), s.size()); };
  write(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15));  // the magic number
  auto dump = [&](auto&& fill) {
    Pickler p;
    fill(p);
    write(p.finish());
  };
  dump([](Pickler& p) { p.integer(1001); });  // the protocol
  dump([](Pickler& p) {
    p.empty_dict();
    p.mark();
    p.text("protocol_version");
    p.integer(1001);
    p.text("little_endian");
    p.boolean(true);
    p.text("type_sizes");
    p.empty_dict();
    p.mark();
    const char* names[] = {"short", "int", "long"};
    for (int i = 0; i < 3; i++) {
      p.text(names[i]);
      p.integer(i == 0 ? 2 : 4);
    }
    p.setitems();
    p.setitems();
  });
  write(pickle);
  std::vector<std::string> keys;  // sorted as text, as PyTorch does
  for (size_t i = 0; i < storages.size(); i++) keys.push_back(str(i));
  std::sort(keys.begin(), keys.end());
  dump([&](Pickler& p) {
    p.empty_list();
    p.mark();
    for (const std::string& k : keys) p.text(k);
    p.appends();
  });
  for (const std::string& k : keys) {
    size_t i = std::stoul(k);
    const Storage& s = *storages[i];
    size_t bytes = s.device().is_meta() ? 0 : s.bytes();
    uint64_t count = bytes / size_t(item_sizes[i]);
    bytes = count * size_t(item_sizes[i]);
    std::string head;
    for (int b = 0; b < 64; b += 8) head += char(count >> b);
    write(head);
    if (s.device().is_cpu() || !bytes) {
      sink(s.data(), bytes);
    } else {
      std::vector<char> host(s.bytes());
      copy_bytes({}, host.data(), s.device(), s.data(), host.size());
      sink(host.data(), bytes);
    }
  }
}

}  // namespace rushlight::io
