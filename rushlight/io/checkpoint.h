// Tensors in checkpoints: how torch.save names storages and rebuilds tensors over them, for zip files and for the format before PyTorch 1.6.
#pragma once
#include <functional>
#include <map>
#include <optional>

#include "rushlight/core/ivalue.h"
#include "rushlight/dispatch/quantized.h"
#include "rushlight/io/pickle.h"
#include "rushlight/io/zip.h"

namespace rushlight::io {

// What a persistent id says of a storage.
struct StorageId {
  std::string key, was;        // its name in the file, and the device where it was
  std::optional<DType> dtype;  // none: untyped
  int64_t count = 0;           // elements, or bytes of an untyped one
  // Before 0.4 a part of a storage was a storage too.
  bool part = false;
  int64_t part_first = 0, part_count = 0;
};

// Makes tensors from what a pickle says of them; storages are read once and shared.
class TensorLoader {
 public:
  using Read = std::function<Bytes(const std::string& key)>;
  // Fills memory with the storage's first bytes.
  using ReadInto = std::function<void(const std::string& key, void* to, size_t bytes)>;
  // `read` gives a storage's bytes by its key; `where` names the file in errors.
  TensorLoader(Read read, std::string where, bool copy = true)
      : read_(std::move(read)), where_(std::move(where)), copy_(copy) {}
  // For bytes that are copied anyhow: without a look at them by `read`, which then says only how many there are.
  void set_read_into(ReadInto f) { read_into_ = std::move(f); }

  // The tensor of a Call to torch._utils._rebuild_tensor_v2, _rebuild_tensor, _rebuild_parameter and their relatives; empty for any other
  // call. Throws UnpicklingError where sizes, strides and offset reach outside of the storage.
  std::optional<Tensor> tensor(const Pickled& call, bool* is_parameter = nullptr, const Pickled** attributes = nullptr);
  // The storage behind a persistent id ('storage', torch.FloatStorage, key, location, numel), and its element type (none: untyped).
  Ref<Storage> storage(const Pickled& id, std::optional<DType>& dtype);
  Ref<Storage> storage(const StorageId& id);
  // The tensor that a number stands for: in the tar files of PyTorch 0.1 tensors are persistent too. Throws UnpicklingError.
  Tensor numbered_tensor(const std::string& number);
  bool has_numbered_tensors() const { return numbered_ != nullptr; }
  // Says where the storages are made that were on `was` ("cuda:0"): by default on the CPU. On the meta device they have no bytes.
  void set_place(std::function<Device(const std::string& was)> place) { place_ = std::move(place); }
  // Another way to say it: takes a storage on the CPU, gives the one to be used.
  using Restore = std::function<Ref<Storage>(Ref<Storage> held, const std::string& was)>;
  void set_restore(Restore f) { restore_ = std::move(f); }
  // Storages get memory, but of whatever bytes.
  void skip_data() { skip_ = true; }
  // The file's numbers have their bytes in the other order.
  void swap_bytes() { swap_ = true; }

  struct Numbered {
    StorageId storage;
    Dims sizes, strides;
    int64_t offset = 0;
  };
  void set_numbered(std::map<std::string, Numbered> tensors) {
    numbered_ = std::make_unique<std::map<std::string, Numbered>>(std::move(tensors));
  }

 private:
  Tensor plain_tensor(const std::string& function, const Pickled& args);
  Tensor over(Ref<Storage> s, DType d, int64_t offset, const Dims& sizes, const Dims& strides);
  Tensor data_of(const Pickled& v);
  Tensor meta_tensor(const Pickled& args);
  Tensor sparse_tensor(const Pickled& args);
  Tensor quantized_tensor(const Pickled& args);
  Quantizer quantizer(const Pickled& said, const Tensor& of);
  DType dtype(const Pickled& named);
  Read read_;
  ReadInto read_into_;
  std::string where_;
  bool copy_, skip_ = false, swap_ = false;
  Restore restore_;
  std::unique_ptr<std::map<std::string, Numbered>> numbered_;
  std::function<Device(const std::string&)> place_;
  std::map<std::string, Ref<Storage>> storages_;
};

// A checkpoint opened for reading: the pickle, and the loader for its tensors.
struct Checkpoint {
  Bytes pickle;
  std::string where;  // names the pickle in errors
  std::unique_ptr<TensorLoader> tensors;
  PickleTree parse() const { return unpickle(pickle.data, where); }
};
// Throws FileError for what is no checkpoint, UnpicklingError for a damaged pickle.
// Reads zip files (1.4 and later), the format before (0.1.12 to 1.5) and tar files (before 0.1.12). `big_endian`: for files that don't say.
Checkpoint open_checkpoint(const Bytes& bytes, const std::string& name, bool copy = true, bool big_endian = false);
// The tar format; io/tar.cpp.
bool looks_like_tar(std::span<const uint8_t> bytes);
Checkpoint open_tar(const Bytes& bytes, const std::string& name);

// What the archive's entry `version` says, 1 to 10; 0 where there is none. Throws FileError for anything else.
int format_version(const ZipReader& zip);

// "FloatStorage", and back from "torch.FloatStorage". Newer dtypes have none; their tensors are rebuilt over untyped storages.
bool has_storage_class(DType d);
std::string storage_class(DType d);
std::optional<DType> dtype_of_storage_class(std::string_view name);

// The text of a number that a pickle holds, as a string or an integer.
std::string number_text(const Pickled& v);

struct WriteOptions {
  std::string root = "archive";  // the folder of the zip file's entries
  bool skip_data = false;        // zeros in the place of the storages' bytes
  bool with_crc = true;
  bool with_byte_order = true;
};
// Writes the entries of a torch.save file: the pickle, then each storage under its key.
void write_checkpoint(const Sink& sink, const std::string& pickle, const std::vector<Ref<Storage>>& storages,
                      const WriteOptions& options = {});
// The format before PyTorch 1.6. `item_sizes`: bytes of an element of each storage. The pickle's persistent ids have a sixth item, None.
void write_legacy_checkpoint(const Sink& sink, const std::string& pickle, const std::vector<Ref<Storage>>& storages,
                             const std::vector<int64_t>& item_sizes);

// One storage's entry; empty for one on the meta device.
void add_storage(ZipWriter& zip, const std::string& name, const Storage& storage);

// Opcodes for one tensor; `key` names its storage.
// `part` writes the tensors of scales that a tensor with several of them has.
using PickleTensor = std::function<void(const Tensor&)>;
void pickle_tensor(Pickler& p, const Tensor& t, const std::string& key, bool legacy, const PickleTensor& part);
// Opcodes for a sparse tensor; `part` writes those of the tensors that it is made of.
void pickle_sparse_tensor(Pickler& p, const Tensor& t, const PickleTensor& part);
// The same in script archives, which know sparse_coo and sparse_csr. Throws NotImplementedError for other layouts.
void pickle_script_sparse_tensor(Pickler& p, const Tensor& t, const PickleTensor& part);
// "torch.sparse_coo" and others, as `_get_layout(name)`.
void pickle_layout(Pickler& p, Layout layout);
// Of a call to _get_layout; empty for any other value.
std::optional<Layout> layout_of(const Pickled& call);
// What torch.save writes for a tensor on the meta device: no storage. Script archives don't know it.
void pickle_meta_tensor(Pickler& p, const Tensor& t);

}  // namespace rushlight::io
