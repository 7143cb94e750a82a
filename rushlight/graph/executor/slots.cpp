#include "rushlight/graph/executor/slots.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <mutex>
#include <thread>
#include <vector>

namespace rushlight::graph {
namespace {

// A thread's mark: the epoch at which its outermost Reading began; 0 while there is none. Records outlive their threads and are used again.
struct alignas(64) Record {
  std::atomic<uint64_t> since{0};
  std::atomic<bool> taken{true};
  Record* next = nullptr;
};
std::atomic<Record*> records{nullptr};
std::atomic<uint64_t> epoch{1};

Record* record_for_this_thread() {
  for (Record* r = records.load(std::memory_order_acquire); r; r = r->next)
    if (bool free = false; r->taken.compare_exchange_strong(free, true)) return r;
  auto* r = new Record;
  r->next = records.load(std::memory_order_relaxed);
  while (!records.compare_exchange_weak(r->next, r, std::memory_order_release)) {}
  return r;
}
struct Mark {
  Record* record = record_for_this_thread();
  int depth = 0;
  ~Mark() { record->taken.store(false, std::memory_order_release); }
};
Mark& mark() {
  static thread_local Mark m;
  return m;
}

uint64_t oldest_reading() {
  uint64_t oldest = UINT64_MAX;
  for (Record* r = records.load(std::memory_order_acquire); r; r = r->next)
    if (uint64_t since = r->since.load()) oldest = std::min(oldest, since);
  return oldest;
}

// Values that a Reading may still look at, with the epoch from which on none can.
struct Retired {
  std::mutex mutex;
  std::vector<std::pair<uint64_t, IValue>> values;
  std::atomic<size_t> count{0};
};
Retired& retired() {
  static auto* all = new Retired;  // threads may end after static objects
  return *all;
}
void drop_unread() {
  std::vector<std::pair<uint64_t, IValue>> unread;
  std::lock_guard lock(retired().mutex);  // let go of before `unread` is destroyed
  uint64_t oldest = oldest_reading();
  auto& values = retired().values;
  auto keep = std::partition(values.begin(), values.end(), [&](const auto& v) { return v.first > oldest; });
  unread.assign(std::make_move_iterator(keep), std::make_move_iterator(values.end()));
  values.erase(keep, values.end());
  retired().count.store(values.size(), std::memory_order_relaxed);
}

// Which lock guards a slot. Few calls meet at one, and it is held for a copy of 16 bytes and a count.
class SlotLock {
 public:
  explicit SlotLock(const IValue& slot)
      : flag_(flags[(reinterpret_cast<uintptr_t>(&slot) / sizeof(IValue)) % flags.size()]) {
    for (int tries = 0; flag_.held.test_and_set(std::memory_order_acquire); tries++)
      if (tries > 100) std::this_thread::yield();  // its holder was put to sleep
  }
  ~SlotLock() { flag_.held.clear(std::memory_order_release); }
  SlotLock(const SlotLock&) = delete;

 private:
  struct alignas(64) Flag { std::atomic_flag held; };
  static inline std::array<Flag, 64> flags;
  Flag& flag_;
};

// A value's two words, which those who borrow read without the lock: its pointer, and what kind it is of. In the midst of an assignment
// they see the pointer of before or after, or null.
using Word = uint64_t __attribute__((may_alias));
static_assert(sizeof(IValue) == 2 * sizeof(Word));

union Peeked {  // not destroyed: it owns nothing
  explicit Peeked(const IValue& v) {
    const Word* from = reinterpret_cast<const Word*>(&v);
    const Word kind = __atomic_load_n(from + 1, __ATOMIC_ACQUIRE),
               words[2] = {__atomic_load_n(from, __ATOMIC_ACQUIRE), kind};
    std::memcpy(static_cast<void*>(&value), words, sizeof words);
  }
  ~Peeked() {}
  IValue value;
};
void swap_while_peeked(IValue& slot, IValue& value) {
  Word *to = reinterpret_cast<Word*>(&slot), *from = reinterpret_cast<Word*>(&value);
  for (int k = 0; k < 2; k++) from[k] = __atomic_exchange_n(to + k, from[k], __ATOMIC_ACQ_REL);
}

}  // namespace

Reading::Reading() {
  if (Mark& m = mark(); m.depth++ == 0) m.record->since.store(epoch.load());  // before any slot is read
}
Reading::~Reading() {
  Mark& m = mark();
  if (--m.depth) return;
  m.record->since.store(0, std::memory_order_release);
  if (retired().count.load(std::memory_order_relaxed)) drop_unread();
}

IValue read_slot(const IValue& slot) {
  SlotLock lock(slot);
  return IValue(slot);
}

IValue borrow_slot(const IValue& slot) {
  const Peeked there(slot);
  const bool counted = there.value.is_tensor() || there.value.is_object();
  if (counted && there.value.object()) return IValue::borrow(there.value);  // null: about to hold None
  return read_slot(slot);
}

void set_slot(IValue& slot, IValue value) {
  {
    SlotLock lock(slot);
    swap_while_peeked(slot, value);
  }
  if (!value.is_tensor() && !value.is_object()) return;  // nothing borrows other values
  uint64_t unread_from = epoch.fetch_add(1) + 1;
  if (oldest_reading() >= unread_from) return;
  {
    std::lock_guard lock(retired().mutex);
    retired().values.emplace_back(unread_from, std::move(value));
    retired().count.store(retired().values.size(), std::memory_order_relaxed);
  }
  drop_unread();
}

}  // namespace rushlight::graph
