// Storages that share their bytes until one of them is written to, which then gets a copy: what Tensor._lazy_clone makes.
// Such a storage counts as read-only, so that only those who are about to write meet it.
#pragma once
#include "rushlight/core/storage.h"

namespace rushlight {

// A storage with the same bytes. Both are shared until written. Throws RuntimeError for memory that the storage itself borrows.
Ref<Storage> lazy_copy(Storage& storage);
bool is_shared_until_written(const Storage& storage);
// Gives the storage bytes of its own if it shares them; the last one that shares them keeps them.
void materialize(Storage& storage);

}  // namespace rushlight
