// Recycled<T>: gives a class operator new/delete from a per-thread free list, for objects made on every call.
#pragma once
#include <cstddef>
#include <new>

#include "rushlight/core/cxx17.h"

namespace rushlight {

template <class T>
class Recycled {
 public:
  static void* operator new(size_t bytes) {
    if (bytes == sizeof(T) && list.head) [[likely]] {
      Link* p = list.head;
      list.head = p->next;
      list.count--;
      return p;
    }
    return ::operator new(bytes);
  }
  static void operator delete(void* p, size_t bytes) {
    if (bytes == sizeof(T) && list.count < kKept) [[likely]] {
      list.head = new (p) Link{list.head};
      list.count++;
      return;
    }
    ::operator delete(p);
  }

 private:
#ifdef __SANITIZE_ADDRESS__
  static constexpr int kKept = 0;  // let the sanitizer see every use after free
#else
  static constexpr int kKept = 256;
#endif
  struct Link { Link* next; };
  struct List {
    Link* head = nullptr;
    int count = 0;
  };
  // Trivially destructible, so that objects may still be freed while a thread ends.
  RL_CONSTINIT static thread_local inline List list [[gnu::tls_model("initial-exec")]] = {};
};

}  // namespace rushlight
