// Memory that several processes map: a storage moved into it is passed on as a file descriptor.
// It is anonymous (memfd), so the size of /dev/shm does not bound it and nothing is left behind when the last process ends.
#pragma once
#include <string>

#include "rushlight/core/storage.h"

namespace rushlight {

// Moves the bytes to shared memory, in place: every tensor of the storage sees the new address. Does nothing if they are there
// already. Throws RuntimeError for another device than the CPU, and if the system gives no memory.
void move_to_shared_memory(Storage& storage);
// The descriptor, which the storage owns; -1 if its memory is not shared.
int shared_memory_descriptor(const Storage& storage);
// A storage over a descriptor's first `bytes`, which it takes over, and closes if it throws. Throws RuntimeError if the file is shorter.
// Without `keep` the descriptor is closed at once: the memory stays, but the storage counts as not shared.
Ref<Storage> storage_over(int descriptor, size_t bytes, bool keep = true);
// A storage over the first `bytes` of a file. Shared: what is written is written to the file, which is made and lengthened where needed;
// else the file stays as it is. Throws RuntimeError if the file can't be opened, or is shorter.
Ref<Storage> storage_of_file(const std::string& path, bool shared, size_t bytes);

// For an array of somebody else over the storage's memory: keeps the memory, which from now on is not resized, where it is. Null for
// memory that the storage borrows itself, or of a special allocator.
std::shared_ptr<void> lend_memory(Storage& storage);

}  // namespace rushlight
