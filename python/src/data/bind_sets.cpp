#include "rushlight/data/npy.h"
#include "rushlight/data/sets.h"
#include "tensors.h"

namespace rushlight::py {
namespace {

void named_tensors(nb::dict tensors, const char* function, std::vector<std::pair<std::string, Tensor>>& out) {
  for (auto [name, value] : tensors) {
    RL_CHECK(TypeError, PyUnicode_Check(name.ptr()) && PyObject_TypeCheck(value.ptr(), tensor_api->type), function,
             ": expected tensors by name");
    out.emplace_back(nb::cast<std::string>(name), unwrap(value.ptr()));
  }
}

}  // namespace

void bind_sets(nb::module_& m) {
  m.def(
      "read_idx",
      [](nb::handle from) {
        Source s = source_of(from, "read_idx");
        return without_gil([&] { return data::read_idx(s.bytes.data, s.where("read_idx")); });
      },
      "input"_a, "The tensor in an IDX file (MNIST), plain or gzip.");
  m.def(
      "idx_info",
      [](nb::handle from) {
        Source s = source_of(from, "idx_info");
        data::IdxInfo i = data::idx_info(s.bytes.data, s.where("idx_info"));
        return nb::make_tuple(std::string(name_of(i.dtype)), std::vector<int64_t>(i.sizes.begin(), i.sizes.end()));
      },
      "input"_a, "The name of its dtype, and its sizes.");
  m.def(
      "read_cifar",
      [](nb::handle from, int classes) {
        RL_CHECK(ValueError, classes == 10 || classes == 100, "read_cifar: expected 10 or 100 classes, got ", classes);
        Source s = source_of(from, "read_cifar");
        data::Cifar c = without_gil([&] {
          return data::read_cifar(s.bytes.data, classes == 10 ? data::CifarKind::Ten : data::CifarKind::Hundred,
                                  s.where("read_cifar"));
        });
        return nb::make_tuple(to_object(c.images), to_object(c.labels), to_object(c.coarse));
      },
      "input"_a, "classes"_a = 10,
      "A file of CIFAR-10 or CIFAR-100, binary or Python version: pictures, labels, coarse labels or None.");
  m.def(
      "cifar_names",
      [](nb::handle from, const std::string& key) {
        Source s = source_of(from, "cifar_names");
        return to_texts(data::cifar_names(s.bytes.data, key, s.where("cifar_names")));
      },
      "input"_a, "key"_a, "The list of names under a key of CIFAR's meta file.");
  m.def(
      "scan_folder",
      [](nb::handle root, const std::vector<std::string>& endings) {
        std::string path = path_of(root);
        data::Folder f = without_gil([&] { return data::scan_folder(path, endings, str("scan_folder '", path, "'")); });
        nb::list classes, files;
        for (const std::string& c : f.classes) classes.append(to_path(c));
        for (const auto& [file, label] : f.files) files.append(nb::make_tuple(to_path(file), label));
        return nb::make_tuple(classes, files);
      },
      "root"_a, "endings"_a, "The classes of a folder of folders, and (path, class) of the files whose names end so.");
  m.def(
      "load_npy",
      [](nb::handle from, bool mapped) {
        Source s = source_of(from, "load_npy");
        return without_gil([&] { return data::read_npy(s.bytes, s.where("load_npy"), mapped); });
      },
      "input"_a, "mapped"_a = false, "The tensor in a .npy file.");
  m.def(
      "load_npz",
      [](nb::handle from, bool mapped) {
        Source s = source_of(from, "load_npz");
        auto all = without_gil([&] { return data::read_npz(s.bytes, s.path.empty() ? "bytes" : s.path, mapped); });
        nb::dict out;
        for (const auto& [name, t] : all) out[to_text(name)] = to_object(t);
        return out;
      },
      "input"_a, "mapped"_a = false, "The tensors in a .npz file, by name.");
  m.def(
      "save_npy",
      [](nb::handle path, Tensor t) {
        io::AtomicFile file(path_of(path));
        without_gil([&] {
          data::write_npy(file.sink(), t);
          file.commit();
        });
      },
      "path"_a, "tensor"_a, "Writes a tensor as numpy.save does.");
  m.def(
      "save_npz",
      [](nb::handle path, nb::dict tensors) {
        std::vector<std::pair<std::string, Tensor>> all;
        named_tensors(tensors, "save_npz", all);
        io::AtomicFile file(path_of(path));
        without_gil([&] {
          data::write_npz(file.sink(), all);
          file.commit();
        });
      },
      "path"_a, "tensors"_a, "Writes tensors as numpy.savez does.");
}

}  // namespace rushlight::py
