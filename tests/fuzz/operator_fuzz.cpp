// Calls every operator, in all its forms, with random valid and invalid arguments; an Error is the only failure allowed.
// A case is an operator and a number, the same everywhere. Half start from a call that is right (calls.txt) and spoil some of
// it. Worker processes run them, so that a crash has a name and ends nothing else.
//
//   operator_fuzz CALLS.TXT [--cases N] [--first K] [--workers N]     N cases of each operator, from the K-th
//   operator_fuzz CALLS.TXT --op add.Tensor --case 17                 one case, here and now, for a debugger
//   [--match TEXT]                                                    only operators with TEXT in their name
//   [--meta 0]                                                        no tensors on the meta device
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <set>

#include "calls.h"
#include "rushlight/autograd/engine.h"
#include "rushlight/core/checked.h"
#include "rushlight/core/generator.h"
#include "rushlight/core/notice.h"
#include "rushlight/kernels/parallel.h"

#ifdef RL_SANITIZED
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=1024:hard_rss_limit_mb=6000:handle_abort=1:"
         "handle_sigill=1";
}
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }
#endif

namespace fuzz {
namespace {

constexpr double kSecondsOfOneCall = 5;  // of the processor's time: a busy machine changes nothing
constexpr double kSecondsAsleep = 120;

struct Work {
  std::vector<const Op*> ops;
  std::map<const Op*, std::vector<Call>> right;  // calls that are right, or are of another form of the operator
  int64_t first = 0, cases = 200;
  bool meta = true;
};

uint64_t hash(const std::string& text) {
  uint64_t h = 14695981039346656037u;
  for (char c : text) h = (h ^ uint8_t(c)) * 1099511628211u;
  return h;
}

Call case_of(const Work& work, const Op& op, int64_t number) {
  Random random(hash(op.qualified_name()) + uint64_t(number));
  random.next();
  auto found = work.right.find(&op);
  bool from_right = found != work.right.end() && !random.chance(15);
  Call call = from_right ? random.pick(found->second) : random_call(op, random);
  bool grad = random.chance(35);
  for (Value& v : call.args)
    for (TensorValue& t : v.tensors) {
      t.seed = random.next();
      t.requires_grad = t.requires_grad || (grad && !random.chance(20));
    }
  for (int64_t n = random.pick(std::initializer_list<int64_t>{0, 1, 1, 1, 1, 2, 2, 3, 4}); n > 0; n--)
    change(call, random);
  if (!work.meta)
    for (Value& v : call.args)
      for (TensorValue& t : v.tensors) t.meta = false;
  return call;
}

// ---- one call ----

// Adds every byte up, and looks first whether they are the tensor's.
uint64_t read(const Tensor& t) {
  if (t.defined() && t.impl()->parts()) {
    const SparseParts& p = *t.impl()->parts();
    return (read(Tensor(p.indices)) * 31 + (p.plain ? read(Tensor(p.plain)) : 0)) * 31 + read(Tensor(p.values));
  }
  if (!t.defined() || !t.device().is_cpu() || t.numel() == 0) return 0;
  int64_t low = 0, high = 0;
  for (size_t d = 0; d < t.sizes().size(); d++) {
    int64_t reach = 0, &side = t.strides()[d] < 0 ? low : high;
    bool wraps =
        __builtin_mul_overflow(t.sizes()[d] - 1, t.strides()[d], &reach) || __builtin_add_overflow(side, reach, &side);
    if (wraps) throw InternalError("a result's geometry overflows");
  }
  int64_t size = t.item_size(), room = int64_t(t.storage().bytes()) / size;
  if (low < -t.storage_offset() || t.storage_offset() > room || high >= room - t.storage_offset())
    throw InternalError(str("a result reaches out of its storage: sizes ", t.sizes(), ", strides ", t.strides(),
                            ", offset ", t.storage_offset(), " in ", room));
  uint64_t sum = 0;
  if (t.numel() > (1 << 22)) return 0;
  std::vector<int64_t> at(t.sizes().size());
  for (int64_t i = 0; i < t.numel(); i++) {
    int64_t offset = 0, rest = i;
    for (size_t d = t.sizes().size(); d-- > 0; rest /= t.sizes()[d]) offset += rest % t.sizes()[d] * t.strides()[d];
    const unsigned char* p = static_cast<const unsigned char*>(t.raw()) + offset * size;
    for (int64_t b = 0; b < size; b++) sum = sum * 31 + p[b];
  }
  return sum;
}
uint64_t read(const IValue& v) {
  uint64_t sum = 0;
  if (v.is_tensor()) return read(v.tensor());
  if (v.is_tensor_list())
    for (const Tensor& t : v.tensor_list()) sum = sum * 31 + read(t);
  else sum = hash(v.text());
  return sum;
}

// What the call and its gradients return, as a number. Throws what they throw.
uint64_t run(const Call& call) {
  default_generator().manual_seed(1);
  std::vector<IValue> args = call.make();
  std::vector<IValue> rets(size_t(std::max(1, call.op->num_returns())));
  std::vector<IValue> borrowed;
  for (const IValue& a : args) borrowed.push_back(IValue::borrow(a));
  rushlight::call(*call.op, borrowed.data(), rets.data());
  uint64_t sum = 0;
  Tensors roots, leaves;
  auto collect = [&](const Tensor& t) {
    if (t.defined() && t.requires_grad() && t.numel() < (1 << 20)) roots.push_back(t);
  };
  for (int i = 0; i < call.op->num_returns(); i++) {
    sum = sum * 31 + read(rets[size_t(i)]);
    if (rets[size_t(i)].is_tensor()) collect(rets[size_t(i)].tensor());
    else if (rets[size_t(i)].is_tensor_list())
      for (const Tensor& t : rets[size_t(i)].tensor_list()) collect(t);
  }
  for (const IValue& a : args) sum = sum * 31 + read(a);  // what was written in place, too
  if (roots.empty()) return sum;
  Tensors grads;
  for (const Tensor& t : roots) {
    TensorValue like;
    like.dtype = t.dtype(), like.sizes = IntArrayRef(t.sizes()).vec(), like.meta = t.device().is_meta();
    Call one{nullptr, {{.kind = Value::Kind::Tensor, .tensors = {like}}}};
    grads.push_back(one.make()[0].tensor());
  }
  BackwardOptions options;
  options.create_graph = sum % 4 == 0;
  run_backward(roots, grads, options);
  for (const IValue& a : args) {
    if (a.is_tensor()) sum = sum * 31 + read(grad_of(a.tensor()));
    else if (a.is_tensor_list())
      for (const Tensor& t : a.tensor_list())
        if (t.defined()) sum = sum * 31 + read(grad_of(t));
  }
  return sum;
}

// What is wrong with how the call ended; empty if nothing is.
std::string fault_of(const Call& call, bool& right) {
  right = false;
  try {
#ifdef RL_SANITIZED
    static const std::set<std::string_view> uninitialised = {"empty",         "empty_like",        "new_empty",
                                                             "empty_strided", "new_empty_strided", "empty_permuted",
                                                             "resize_",       "resize_as_"};
    fresh_memory = 0xFF;
    uint64_t first = run(call);
    fresh_memory = 0x3C;
    uint64_t second = run(call);
    bool known = false;
    for (std::string_view name : uninitialised) known = known || call.op->name() == name;
    if (first != second && !known) return "the result depends on memory that nobody wrote";
#else
    run(call);
#endif
    right = true;
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Internal) return e.text();
  } catch (const std::exception& e) { return str("an exception that is no Error: ", typeid(e).name(), ": ", e.what()); }
  return {};
}

// ---- workers ----

// In memory that the workers share with their parent.
struct Slot {
  std::atomic<int64_t> running{-1};  // the case's number among all
  std::atomic<int64_t> right{0}, done{0};
};
struct Shared {
  std::atomic<int64_t> next{0};
  std::atomic<bool> hangs[1 << 14];  // of these operators no more cases are tried: each costs seconds
  Slot slots[64];
};

struct Finding { std::string title, detail; };

class Fuzzer {
 public:
  Fuzzer(Work work, int workers) : work_(std::move(work)), workers_(workers) {
    void* p = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared_ = new (p) Shared;
    total_ = int64_t(work_.ops.size()) * work_.cases;
  }

  int run() {
    for (int w = 0; w < workers_; w++) start(w);
    size_t alive = size_t(workers_);
    while (alive) {
      int status;
      pid_t pid = waitpid(-1, &status, WNOHANG);
      if (pid <= 0) {
        usleep(20000);
        watch();
        continue;
      }
      int w = 0;
      while (pids_[w] != pid) w++;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        read_log(w);
        alive--;
        pids_[w] = 0;
        continue;
      }
      std::string how = killed_[w] ? killed_[w]
                        : WIFSIGNALED(status)
                            ? str("killed by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)), ")")
                            : str("the process ended with ", WEXITSTATUS(status));
      std::string log = read_log(w);
      report(shared_->slots[w].running.load(), how, log);
      start(w);
    }
    int64_t done = 0, right = 0;
    for (Slot& s : shared_->slots) done += s.done, right += s.right;
    std::printf("%lld calls of %zu operators, %lld of them right, %zu findings\n", (long long)done, work_.ops.size(),
                (long long)right, seen_.size());
    return seen_.empty() ? 0 : 1;
  }

 private:
  void start(int w) {
    killed_[w] = nullptr;
    shared_->slots[w].running = -1;
    std::fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) work(w);
    pids_[w] = pid;
    since_[w] = std::time(nullptr), last_[w] = -1;
  }

  [[noreturn]] void work(int w) {
    FILE* log = std::freopen(log_name(w).c_str(), "w+", stderr);
    if (!log) _exit(3);
    setvbuf(stderr, nullptr, _IONBF, 0);
    rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
#ifndef RL_SANITIZED
    rlimit memory{rlim_t(4) << 30, rlim_t(4) << 30};
    setrlimit(RLIMIT_AS, &memory);
#endif
    Slot& slot = shared_->slots[w];
    for (int64_t n; (n = shared_->next++) < total_;) {
      if (shared_->hangs[n / work_.cases]) continue;
      slot.running = n;
      const Op& op = *work_.ops[size_t(n / work_.cases)];
      Call call = case_of(work_, op, work_.first + n % work_.cases);
      off_t before = lseek(2, 0, SEEK_CUR);
      set_num_threads(1 + int(n % 2));
      bool right;
      std::string fault = fault_of(call, right);
      slot.done++, slot.right += right;
      if (!fault.empty()) std::fprintf(stderr, "FAULT %s\n", fault.c_str());
      if (lseek(2, 0, SEEK_CUR) != before) std::fprintf(stderr, "\nCASE %lld\n", (long long)n);
    }
    _exit(0);
  }

  void watch() {
    for (int w = 0; w < workers_; w++) {
      int64_t running = shared_->slots[w].running;
      timespec used{};
      clockid_t clock;
      if (!pids_[w] || clock_getcpuclockid(pids_[w], &clock) != 0) continue;
      clock_gettime(clock, &used);
      double cpu = double(used.tv_sec) + 1e-9 * double(used.tv_nsec);
      if (running != last_[w]) {
        last_[w] = running, since_[w] = std::time(nullptr), cpu_[w] = cpu;
        continue;
      }
      bool busy = cpu - cpu_[w] > kSecondsOfOneCall,
           asleep = std::difftime(std::time(nullptr), since_[w]) > kSecondsAsleep && cpu - cpu_[w] < 1;
      if ((!busy && !asleep) || killed_[w]) continue;
      killed_[w] = busy ? "it doesn't end" : "it sleeps and doesn't wake";
      shared_->hangs[running / work_.cases] = true;
      kill(pids_[w], SIGKILL);
    }
  }

  static std::string log_name(int w) { return str("/tmp/operator_fuzz.", int64_t(getppid_of_workers()), ".", w); }
  static pid_t getppid_of_workers() {
    static pid_t parent = getpid();  // asked first before the first fork
    return parent;
  }

  // Reports what calls that came through have written; returns what the last one had to say.
  std::string read_log(int w) {
    std::ifstream in(log_name(w));
    std::string line, part;
    while (std::getline(in, line)) {
      if (line.starts_with("CASE ")) {
        size_t fault = part.find("FAULT ");
        size_t ub = part.find("runtime error: ");
        std::string how = fault != std::string::npos ? part.substr(fault + 6, part.find('\n', fault) - fault - 6)
                          : ub != std::string::npos
                              ? part.substr(part.rfind('\n', ub) + 1, part.find('\n', ub) - part.rfind('\n', ub) - 1)
                              : "it writes to stderr";
        report(std::atoll(line.c_str() + 5), how, part);
        part.clear();
      } else {
        part += line + "\n";
      }
    }
    unlink(log_name(w).c_str());
    return part;
  }

  void report(int64_t n, const std::string& how, const std::string& log) {
    if (n < 0) {
      std::printf("a worker failed before its first call: %s\n%s\n", how.c_str(), log.c_str());
      std::exit(2);
    }
    const Op& op = *work_.ops[size_t(n / work_.cases)];
    int64_t number = work_.first + n % work_.cases;
    if (!seen_.insert(op.qualified_name() + " " + how).second) return;
    std::printf("%s: %s\n  reproduce: --op %s --case %lld\n  %s\n", op.qualified_name().c_str(), how.c_str(),
                op.qualified_name().c_str(), (long long)number, case_of(work_, op, number).text().c_str());
    std::istringstream lines(log);
    std::string line;
    for (int i = 0; i < 24 && std::getline(lines, line); i++) std::printf("  | %.300s\n", line.c_str());
    std::fflush(stdout);
  }

  Work work_;
  int workers_;
  int64_t total_;
  Shared* shared_;
  std::set<std::string> seen_;
  pid_t pids_[64] = {};
  const char* killed_[64] = {};
  std::time_t since_[64] = {};
  int64_t last_[64] = {};
  double cpu_[64] = {};
};

int main(int argc, char** argv) {
  Work work;
  int workers = 2;
  std::string only, match;
  int64_t number = -1;
  show_warning = [](const std::string&) {};  // what is written to stderr is a sanitizer's
  if (argc < 2)
    return std::puts(
               "operator_fuzz CALLS.TXT [--cases N] [--first K] [--workers N] [--match TEXT] [--op NAME --case K]"),
           2;
  for (int i = 2; i + 1 < argc; i += 2) {
    std::string option = argv[i];
    if (option == "--cases") work.cases = std::atoll(argv[i + 1]);
    else if (option == "--first") work.first = std::atoll(argv[i + 1]);
    else if (option == "--workers") workers = std::atoi(argv[i + 1]);
    else if (option == "--match") match = argv[i + 1];
    else if (option == "--meta") work.meta = std::atoi(argv[i + 1]) != 0;
    else if (option == "--op") only = argv[i + 1];
    else if (option == "--case") number = std::atoll(argv[i + 1]);
    else return std::printf("no option %s\n", argv[i]), 2;
  }
  std::ifstream file(argv[1]);
  std::map<const OpDef*, std::vector<Call>> of_record;
  for (std::string line; std::getline(file, line);) {
    Call call;
    if (!line.empty() && line[0] != '#' && parse_call(line, call)) {
      work.right[call.op].push_back(call);
      of_record[&call.op->def()].push_back(call);
    }
  }
  for (const Op* op : OpTable::get().all()) {
    if ((match.empty() || op->qualified_name().find(match) != std::string::npos) &&
        (only.empty() || op->qualified_name() == only))
      work.ops.push_back(op);
    // In-place and out= forms from the function's calls.
    if (work.right.contains(op)) continue;
    for (Call call : of_record[&op->def()]) {
      size_t given = call.args.size(), wanted = op->schema().args.size();
      bool fits = given <= wanted && (given == wanted || op->form() == Op::Form::Out);
      for (size_t i = 0; fits && i < given; i++)  // another overload may take a tensor where this one takes a number
        fits = op->schema().args[i].base_type().is(Type::Kind::Tensor) || call.args[i].kind != Value::Kind::Tensor;
      if (!fits) continue;
      call.op = op;
      for (; given < wanted; given++)
        call.args.push_back({.kind = Value::Kind::Tensor, .tensors = {TensorValue{.sizes = {0}}}});
      work.right[op].push_back(call);
    }
  }
  if (work.ops.empty()) return std::puts("no such operator"), 2;
  if (number >= 0) {
    Call call = case_of(work, *work.ops[0], number);
    std::puts(call.text().c_str());
    std::fflush(stdout);
    bool right;
    std::string fault = fault_of(call, right);
    std::puts(!fault.empty() ? fault.c_str() : right ? "returned" : "refused");
    if (!right && fault.empty()) try {
        run(call);
      } catch (const std::exception& e) { std::puts(e.what()); }
    return !fault.empty();
  }
  return Fuzzer(std::move(work), std::clamp(workers, 1, 64)).run();
}

}  // namespace
}  // namespace fuzz

int main(int argc, char** argv) { return fuzz::main(argc, argv); }
