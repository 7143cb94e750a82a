// rushlight.UntypedStorage: the bytes under tensors.
#pragma once
#include "py.h"
#include "rushlight/core/storage.h"

namespace rushlight::py {

// One Python object stands for a storage only by equality, not identity: compare data_ptr().
PyObject* wrap(Ref<Storage> s);
// Of an UntypedStorage, or of an object that has one as `_untyped_storage`. Throws TypeError.
Ref<Storage> expect_storage(PyObject* o);

void bind_storage(PyObject* module);

}  // namespace rushlight::py
