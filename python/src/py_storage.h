// rushlight.UntypedStorage: the bytes under tensors.
#pragma once
#include <optional>

#include "py.h"
#include "rushlight/core/dtype.h"
#include "rushlight/core/storage.h"

namespace rushlight::py {

// The object that stands for the storage, if one lives, else a new one: what programs set on it goes with the last reference.
PyObject* wrap(Ref<Storage> s);
// Of an UntypedStorage, or of an object that has one as `_untyped_storage`. Throws TypeError.
Ref<Storage> expect_storage(PyObject* o);
// True if it is an UntypedStorage, or an object that has one and a dtype.
bool as_storage(PyObject* o, Ref<Storage>& storage, std::optional<DType>& dtype);

void bind_storage(PyObject* module);

}  // namespace rushlight::py
