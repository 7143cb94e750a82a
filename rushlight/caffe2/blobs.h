// Blobs as messages (BlobProto, TensorProto), and the databases that hold them: minidb, LevelDB, LMDB.
#pragma once
#include <memory>

#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {

MessageRef tensor_message(const Value& v, const std::string& name, int64_t from = 0, int64_t to = -1);
// Throws for data that doesn't fit its dims.
Value tensor_value(const Message& tensor);
// A BlobProto; REQUIRES: a tensor, a string tensor, an Int8 tensor or a std::string. Throws for other blobs.
MessageRef blob_message(const Value& v, const std::string& name);
Value blob_value(const Message& blob);
// One part of a blob that was saved in chunks is added to what is there.
void add_blob_chunk(Value& to, const Message& blob);

class DbCursor {
 public:
  virtual ~DbCursor() = default;
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual void next() = 0;
  virtual void first() = 0;
  virtual void seek(std::string_view key) = 0;
};
class DbWriter {
 public:
  virtual ~DbWriter() = default;
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void commit() = 0;  // at the latest when it goes
};
// Throws for a type that isn't there, a file that can't be opened, and damage.
std::unique_ptr<DbCursor> open_db(const std::string& type, const std::string& path);
std::unique_ptr<DbWriter> create_db(const std::string& type, const std::string& path);
bool db_exists(const std::string& type, const std::string& path);

// Kinds of objects that are saved, by BlobProto.type; the files of their operators add them when the registry is made.
struct SavedObject {
  bool (*write)(const Value& v, Message& blob);  // false for another kind
  Value (*read)(const Message& blob);
};
std::map<std::string, SavedObject>& saved_objects();

}  // namespace rushlight::caffe2
