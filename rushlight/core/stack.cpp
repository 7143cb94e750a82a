#include "rushlight/core/stack.h"

#include <pthread.h>

#include <cstdint>

namespace rushlight {

bool stack_is_short() {
  // Its middle. A stack grows towards smaller addresses.
  static thread_local const uintptr_t middle = [] {
    pthread_attr_t attributes;
    void* lowest = nullptr;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
      if (pthread_attr_getstack(&attributes, &lowest, &size) != 0) size = 0;
      pthread_attr_destroy(&attributes);
    }
    return size ? reinterpret_cast<uintptr_t>(lowest) + size / 2 : uintptr_t(0);
  }();
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) < middle;
}

}  // namespace rushlight
