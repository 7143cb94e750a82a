// numpy's files: .npy (versions 1 to 3 of its format) and .npz. Arrays of numbers of any order and byte order are read; arrays of objects, which
// are pickles, and of structures and texts are not.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "rushlight/core/tensor.h"
#include "rushlight/io/zip.h"

namespace rushlight::data {

struct NpyHeader {
  DType dtype = DType::UInt8;
  bool swapped = false;  // the bytes of each number come in the other order
  bool fortran = false;  // the first index moves fastest
  Dims sizes;
  size_t data = 0;  // where the numbers begin
};
bool looks_like_npy(std::span<const uint8_t> bytes);
NpyHeader npy_header(std::span<const uint8_t> bytes, const std::string& where);
// Reads numpy's "<f4". Throws FileError for what no tensor holds.
void set_numpy_type(NpyHeader& h, const std::string& descr, const std::string& where);
// The numbers from byte `at` on, shared with `bytes` where they are aligned and in the machine's order.
Tensor npy_tensor(const NpyHeader& h, const io::Bytes& bytes, size_t at, const std::string& where);

// `shared`: over the bytes themselves, which costs nothing for a mapped file; a file whose bytes are in the other order is copied in any case.
Tensor read_npy(const io::Bytes& bytes, const std::string& where, bool shared = false);
// `file`: its name, for errors.
std::map<std::string, Tensor> read_npz(const io::Bytes& bytes, const std::string& file, bool shared = false);

// The header that numpy.save writes for such a tensor. Throws TypeError for a dtype that numpy lacks.
std::string npy_header_text(const Tensor& t);
void write_npy(const io::Sink& sink, const Tensor& t);
void write_npz(const io::Sink& sink, const std::vector<std::pair<std::string, Tensor>>& tensors);

}  // namespace rushlight::data
