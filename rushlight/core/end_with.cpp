#include "rushlight/core/end_with.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rushlight/core/error.h"

namespace rushlight {
namespace {

struct Watched {
  int pid;
  int descriptor;  // of the process; -1 where Linux is older than 5.3
};

void* wait_for(void* p) {
  Watched watched = *static_cast<Watched*>(p);
  delete static_cast<Watched*>(p);
  pollfd polled{watched.descriptor, POLLIN, 0};
  // Not PR_SET_PDEATHSIG: it fires when the thread that forked ends, and knows only the parent.
  if (watched.descriptor >= 0) {
    while (poll(&polled, 1, -1) < 0 && errno == EINTR) {}
  } else {
    while (kill(watched.pid, 0) == 0 || errno == EPERM) usleep(200'000);
  }
  _exit(1);
}

}  // namespace

void end_with_process(int pid) {
  int descriptor = int(syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0 && errno == ESRCH) _exit(1);
  auto* watched = new Watched{pid, descriptor};
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 256 << 10);
  pthread_t thread;
  int error = pthread_create(&thread, &small, wait_for, watched);
  pthread_attr_destroy(&small);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error) delete watched;
  RL_CHECK(RuntimeError, error == 0, "a worker process: the system gives no thread: ", std::strerror(error));
  pthread_detach(thread);
}

}  // namespace rushlight
