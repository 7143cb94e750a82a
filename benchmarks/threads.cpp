// Calls of a scripted module from several threads at once: how many a second, and what they cost.
//
//   threads MODEL.pt COLUMNS [SECONDS]
//
// Rounds of one thread and of two alternate in one process, each with a tensor of (1, COLUMNS) of its own, and the best of each counts.
// Where cores are not free, look at the CPU time of a call: it grows where threads share memory that both write, and at the
// switches, which are waits for a lock.
#include <sys/resource.h>
#include <torch/script.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

struct Round { double calls_per_second = 0, cpu_per_call = 0, switches_per_call = 0; };

Round run(torch::jit::Module& module, int64_t columns, int threads, double seconds) {
  std::atomic<bool> go{false}, stop{false};
  std::atomic<int> ready{0};
  struct Result {
    int64_t calls = 0;
    double cpu = 0;
    long switches = 0;
  };
  std::vector<Result> results(static_cast<size_t>(threads));
  std::vector<std::thread> running;
  for (Result& result : results)
    running.emplace_back([&] {
      torch::NoGradGuard no_grad;
      std::vector<torch::jit::IValue> input = {torch::ones({1, columns})};
      for (int i = 0; i < 100; i++) module.forward(input);
      rusage before{}, after{};
      ready++;
      while (!go) std::this_thread::yield();
      getrusage(RUSAGE_THREAD, &before);
      int64_t calls = 0;
      for (; !stop.load(std::memory_order_relaxed); calls++) module.forward(input);
      getrusage(RUSAGE_THREAD, &after);
      auto time = [](const rusage& u) {
        return double(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * double(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
      };
      result = {calls, time(after) - time(before), after.ru_nvcsw - before.ru_nvcsw};
    });
  while (ready < threads) std::this_thread::yield();
  auto start = std::chrono::steady_clock::now();
  go = true;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& t : running) t.join();
  double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Round out;
  double calls = 0;
  for (const Result& r : results) {
    calls += double(r.calls);
    out.cpu_per_call += r.cpu;
    out.switches_per_call += double(r.switches);
  }
  out.calls_per_second = calls / passed;
  out.cpu_per_call /= calls;
  out.switches_per_call /= calls;
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "threads MODEL.pt COLUMNS [SECONDS]\n"), 1;
  torch::set_num_threads(1);
  torch::jit::Module module = torch::jit::load(argv[1]);
  module.eval();
  double seconds = argc > 3 ? std::atof(argv[3]) : 4;
  constexpr int kRounds = 10;
  Round best[3];
  for (int i = 0; i < kRounds; i++)
    for (int threads : {1, 2}) {
      Round r = run(module, std::atoll(argv[2]), threads, seconds / (2 * kRounds));
      Round& b = best[threads];
      if (r.calls_per_second > b.calls_per_second) b.calls_per_second = r.calls_per_second;
      if (!b.cpu_per_call || r.cpu_per_call < b.cpu_per_call) {
        b.cpu_per_call = r.cpu_per_call;
        b.switches_per_call = r.switches_per_call;
      }
    }
  for (int threads : {1, 2})
    std::printf("%d: %9.0f calls/s, %6.3f us of CPU and %.5f waits a call\n", threads, best[threads].calls_per_second,
                best[threads].cpu_per_call * 1e6, best[threads].switches_per_call);
  std::printf("two over one: %.2f; with two free cores, by CPU time: %.2f\n",
              best[2].calls_per_second / best[1].calls_per_second, 2 * best[1].cpu_per_call / best[2].cpu_per_call);
}
