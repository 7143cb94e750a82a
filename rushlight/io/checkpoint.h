// Tensors in checkpoints: how torch.save names storages and rebuilds tensors over them, for zip files and for the format before PyTorch 1.6.
#pragma once
#include <functional>
#include <map>
#include <optional>

#include "rushlight/core/ivalue.h"
#include "rushlight/io/pickle.h"
#include "rushlight/io/zip.h"

namespace rushlight::io {

// Makes tensors from what a pickle says of them; storages are read once and shared.
class TensorLoader {
 public:
  // `read` gives a storage's bytes by its key; `where` names the file in errors.
  TensorLoader(std::function<Bytes(const std::string& key)> read, std::string where, bool copy = true)
      : read_(std::move(read)), where_(std::move(where)), copy_(copy) {}

  // The tensor of a Call to torch._utils._rebuild_tensor_v2, _rebuild_tensor, _rebuild_parameter and their relatives; empty for any other
  // call. Throws UnpicklingError where sizes, strides and offset reach outside of the storage.
  std::optional<Tensor> tensor(const Pickled& call, bool* is_parameter = nullptr, const Pickled** attributes = nullptr);
  // The storage behind a persistent id ('storage', torch.FloatStorage, key, location, numel), and its element type (none: untyped).
  Ref<Storage> storage(const Pickled& id, std::optional<DType>& dtype);
  // Says where the storages are made that were on `was` ("cuda:0"): by default on the CPU. On the meta device they have no bytes.
  void set_place(std::function<Device(const std::string& was)> place) { place_ = std::move(place); }

 private:
  Tensor plain_tensor(const std::string& function, const Pickled& args);
  Tensor meta_tensor(const Pickled& args);
  Tensor sparse_tensor(const Pickled& args);
  DType dtype(const Pickled& named);
  std::function<Bytes(const std::string&)> read_;
  std::string where_;
  bool copy_;
  std::function<Device(const std::string&)> place_;
  std::map<std::string, Ref<Storage>> storages_;
};

// A checkpoint opened for reading: the pickle's tree and the loader for its tensors.
struct Checkpoint {
  PickleTree tree;
  std::unique_ptr<TensorLoader> tensors;
};
// Throws FileError for what is no checkpoint, UnpicklingError for a damaged pickle.
Checkpoint open_checkpoint(const Bytes& bytes, const std::string& name, bool copy = true);

// What the archive's entry `version` says, 1 to 10; 0 where there is none. Throws FileError for anything else.
int format_version(const ZipReader& zip);

// "FloatStorage", and back from "torch.FloatStorage". Newer dtypes have none; their tensors are rebuilt over untyped storages.
bool has_storage_class(DType d);
std::string storage_class(DType d);
std::optional<DType> dtype_of_storage_class(std::string_view name);

// Writes the entries of a torch.save file: the pickle, then each storage under its key.
void write_checkpoint(const Sink& sink, const std::string& pickle, const std::vector<Ref<Storage>>& storages,
                      const std::string& root = "archive");

// One storage's entry; empty for one on the meta device.
void add_storage(ZipWriter& zip, const std::string& name, const Storage& storage);

// Opcodes for one tensor; `key` names its storage.
void pickle_tensor(Pickler& p, const Tensor& t, const std::string& key);
// Opcodes for a sparse tensor; `part` writes those of the tensors that it is made of.
void pickle_sparse_tensor(Pickler& p, const Tensor& t, const std::function<void(const Tensor&)>& part);
// "torch.sparse_coo" and others, as `_get_layout(name)`.
void pickle_layout(Pickler& p, Layout layout);
// Of a call to _get_layout; empty for any other value.
std::optional<Layout> layout_of(const Pickled& call);
// What torch.save writes for a tensor on the meta device: no storage. Script archives don't know it.
void pickle_meta_tensor(Pickler& p, const Tensor& t);

}  // namespace rushlight::io
