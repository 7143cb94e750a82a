// Note [Mapped files]: a mapping has the length that its file had. A file that is cut afterwards leaves pages without bytes behind, and who
// touches one gets a signal in the middle of any instruction, which nothing can turn into an exception. (Locks would not help: a lease
// ends before the file is cut only where its holder answers a signal.) So small files are read, not mapped (io/file.cpp); for large ones the
// process ends as the system wants it to, but says why.
#include "rushlight/core/mapped_files.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace rushlight {
namespace {

// Fixed, for a signal handler reads it: files beyond these are mapped without a word.
struct Place {
  std::atomic<uintptr_t> from{0}, to{0};
  char path[240];
};
std::array<Place, 128> places;
struct sigaction before;
std::atomic_flag told;

// One write, so that it stays whole.
struct Line {
  char text[600];
  size_t bytes = 0;
  void add(const char* more, size_t n) {
    n = std::min(n, sizeof text - bytes);
    std::memcpy(text + bytes, more, n);
    bytes += n;
  }
  void add(const char* more) { add(more, std::strlen(more)); }
};

void on_bus_error(int number, siginfo_t* info, void* context) {
  const auto at = reinterpret_cast<uintptr_t>(info->si_addr);
  for (const Place& p : places) {
    const uintptr_t from = p.from.load(std::memory_order_acquire);
    if (!from || info->si_code != BUS_ADRERR || at < from || at >= p.to.load(std::memory_order_relaxed)) continue;
    // Another thread may meet the same end: the first one says so.
    while (told.test_and_set()) ::pause();
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, at - from).ptr;
    Line line;
    line.add("rushlight: the file '");
    line.add(p.path);
    line.add("' is mapped, and was cut while it was in use: byte ");
    line.add(digits, size_t(end - digits));
    line.add(
        " is gone, which ends this process. To replace a file that is in use, write another one and rename it; or load "
        "without "
        "mmap.\n");
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.text, line.bytes);
    break;
  }
  if ((before.sa_flags & SA_SIGINFO) && before.sa_sigaction) return before.sa_sigaction(number, info, context);
  if (!(before.sa_flags & SA_SIGINFO) && before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
    return before.sa_handler(number);
  ::signal(number, SIG_DFL);  // the same instruction runs again, and ends it
}

void install() {
  struct sigaction action{};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigaction(SIGBUS, nullptr, &before);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

void watch_mapped_file(const void* data, size_t bytes, const std::string& path) {
  [[maybe_unused]] static const bool installed = (install(), true);
  for (Place& p : places) {
    uintptr_t free = 0;
    if (!p.from.compare_exchange_strong(free, 1, std::memory_order_acq_rel)) continue;
    // The end of a name says more than its beginning.
    const size_t length = std::min(path.size(), sizeof p.path - 1), cut = path.size() - length;
    std::memcpy(p.path, path.data() + cut, length);
    p.path[length] = 0;
    p.to.store(reinterpret_cast<uintptr_t>(data) + bytes, std::memory_order_relaxed);
    p.from.store(reinterpret_cast<uintptr_t>(data), std::memory_order_release);
    return;
  }
}

void forget_mapped_file(const void* data) {
  for (Place& p : places) {
    if (p.from.load(std::memory_order_relaxed) != reinterpret_cast<uintptr_t>(data)) continue;
    p.to.store(0, std::memory_order_relaxed);
    p.from.store(0, std::memory_order_release);
    return;
  }
}

}  // namespace rushlight
