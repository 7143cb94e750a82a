// Tensors of ONNX files.
//
// How element types that no dtype stands for are held: 4-bit and 2-bit integers as int8 or uint8, float4e2m1 as float8_e4m3fn, which has its
// values. Which of them is meant, the importer knows while it compiles. A tensor of strings is a tuple (int64 tensor, list of strings): the
// numbers are places in the list, so that what moves elements moves the numbers.
#pragma once
#include <map>

#include "rushlight/core/ivalue.h"
#include "rushlight/io/file.h"
#include "rushlight/onnx/proto.h"

namespace rushlight::onnx {

// The dtype that holds elements of the type. Throws ValueError naming `what` where there is none.
DType dtype_of_elem(int elem, const std::string& what);
// 0 for dtypes that ONNX has not.
int elem_of_dtype(DType d);
const char* elem_name(int elem);
// Tuple[Tensor, List[str]].
TypePtr strings_type();

// Reads tensors whose data lies in the model or in files beside it.
class TensorReader {
 public:
  // `folder`: where the files are; empty: there are none. `where` begins errors. `bytes`: of the model.
  TensorReader(std::string where, std::string folder, size_t bytes)
      : where_(std::move(where)), folder_(std::move(folder)), zeros_(int64_t(2 * bytes) + (32 << 20)) {}
  // A tensor, or what stands for one of strings. Throws FileError.
  IValue read(const TensorProto& t);
  // A sparse tensor with its zeros.
  IValue read(const SparseTensorProto& t);
  const std::string& where() const { return where_; }

 private:
  std::string_view external(const TensorProto& t, const std::string& what);
  std::string where_, folder_;
  std::map<std::string, io::Bytes> files_;
  int64_t zeros_;  // bytes that sparse tensors may yet take: a few bytes may say any size
};

}  // namespace rushlight::onnx
