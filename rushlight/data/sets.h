// The files of well-known data sets: MNIST's IDX, CIFAR-10 and CIFAR-100, and folders of pictures by class.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "rushlight/core/tensor.h"
#include "rushlight/io/file.h"
#include "rushlight/io/pickle.h"

namespace rushlight::data {

// An IDX file (yann.lecun.com/exdb/mnist), plain or through gzip: bytes, shorts, ints, floats and doubles of up to 8 dimensions, big-endian.
Tensor read_idx(std::span<const uint8_t> bytes, const std::string& where);
// What its header says.
struct IdxInfo {
  DType dtype;
  Dims sizes;
};
IdxInfo idx_info(std::span<const uint8_t> bytes, const std::string& where);
bool looks_like_idx(std::span<const uint8_t> bytes);

// One file of CIFAR (cs.toronto.edu/~kriz/cifar.html). `images`: uint8 (N, 3, 32, 32). `labels`: int64 (N); of CIFAR-100 the fine ones, and the
// coarse ones in `coarse`.
struct Cifar { Tensor images, labels, coarse; };
enum class CifarKind : uint8_t { Ten, Hundred };
// The binary version has no header: records of 3073 bytes (CIFAR-10) or 3074 (CIFAR-100). The Python version is a pickle, which is parsed and
// never run.
Cifar read_cifar(std::span<const uint8_t> bytes, CifarKind kind, const std::string& where);
// The texts under a key of the pickle of class names (batches.meta, meta), or of all its lists.
std::vector<std::string> cifar_names(std::span<const uint8_t> bytes, const std::string& key, const std::string& where);

// A numpy array that a pickle rebuilds. Throws FileError for what is none, or has objects.
Tensor pickled_array(const io::Pickled& v, const std::string& where);

// A folder with a folder for each class.
struct Folder {
  std::vector<std::string> classes;                    // in order
  std::vector<std::pair<std::string, int64_t>> files;  // path and class, in order of both
};
// Files whose names end with one of `endings` (".png", any case), in subfolders too, in the order of torchvision's ImageFolder. Links are
// followed; a folder that contains itself is an error. Throws OsError.
Folder scan_folder(const std::string& root, const std::vector<std::string>& endings, const std::string& where);

}  // namespace rushlight::data
