// Plans: steps that run nets, or further steps, in order, several times, in threads.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "rushlight/caffe2/turn.h"
#include "rushlight/caffe2/workspace.h"

namespace rushlight::caffe2 {
namespace {

// The nets of a plan. The first step that runs one has it in the plan's workspace, under its name; others have nets of their own, as they may run at
// the same time.
class Nets {
 public:
  Nets(const Message& plan, Workspace& root) : root_(root) {
    for (const MessageRef& n : plan.messages("network")) defs_[n->text("name")] = {n, false};
  }
  std::shared_ptr<Net> make(const std::string& name, Workspace& ws) {
    auto at = defs_.find(name);
    if (at == defs_.end()) return ws.has_net(name) ? ws.shared_net(name) : root_.shared_net(name);
    auto& [def, used] = at->second;
    if (used || &ws != &root_) return std::make_shared<Net>(*def, ws);
    used = true;
    root_.create_net(*def, true);
    return root_.shared_net(name);
  }

  void count(int64_t steps) {
    C2_ENFORCE(steps <= kMostSteps && (steps_ += steps) <= kMostSteps, "a plan may have ", kMostSteps, " steps");
  }

 private:
  static constexpr int64_t kMostSteps = 1 << 16;  // as many threads, too
  std::atomic<int64_t> steps_{0};
  Workspace& root_;
  std::map<std::string, std::pair<MessageRef, bool>> defs_;
};

bool group_failed() { return Turn::group() && Turn::group()->any_failed(); }

// Threads that run beside a step every so many milliseconds, and a last time when it has ended.
class Reporters {
 public:
  ~Reporters() {
    if (threads_.empty()) return;
    {
      std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.notify_all();
    children_.wait([this] {
      for (std::thread& t : threads_) t.join();
    });
  }
  void start(int64_t milliseconds, std::function<void()> run) {
    children_.expect();
    threads_.emplace_back([this, milliseconds, run = std::move(run)] {
      children_.arrived();
      for (bool last = false; !last;) {
        {
          std::unique_lock lock(mutex_);
          last = wake_.wait_for(lock, std::chrono::milliseconds(milliseconds), [&] { return done_; });
        }
        Turn turn;
        try {
          run();
        } catch (const std::exception&) {  // what reports says nothing of the step
        }
      }
      children_.left();
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  Turn::Children children_;
  std::vector<std::thread> threads_;
};

class Step {
 public:
  // Makes the nets of the step and of its substeps, but for those that have a workspace of their own: it is new in each of their runs.
  Step(const Message& def, Workspace& outside, Nets& nets, int depth)
      : def_(def), nets_(nets), depth_(depth), stop_(def.text("should_stop_blob")) {
    C2_ENFORCE(depth < 100, "execution steps lie too deep in each other");
    C2_ENFORCE(def.messages("substep").empty() || def.texts("network").empty(),
               "An ExecutionStep should either have substep or networks but not both.");
    if (def.whole("create_workspace")) own_ = std::make_unique<Workspace>(outside.root(), &outside);
    ws_ = own_ ? own_.get() : &outside;
    int64_t instances = std::max<int64_t>(def.whole("num_concurrent_instances"), 1);
    nets.count(instances * std::max<int64_t>(int64_t(def.messages("substep").size()), 1));
    for (const MessageRef& s : def.messages("substep")) {
      bool reports = s->whole("run_every_ms") > 0;
      for (int64_t k = 0; k < (reports ? 1 : instances); k++) {
        Sub sub{s.get(), nullptr};
        if (!s->whole("create_workspace")) sub.ready = std::make_unique<Step>(*s, *ws_, nets, depth + 1);
        (reports ? reporting_ : subs_).push_back(std::move(sub));
      }
    }
    for (const std::string& name : def.texts("network")) runs_.push_back(nets.make(name, *ws_));
    if (const std::string& name = def.text("report_net"); !name.empty()) report_ = nets.make(name, *ws_);
    concurrent_ = subs_.size() > 1 && (def.whole("concurrent_substeps") || instances > 1);
  }

  void run() {
    Reporters reporters;
    if (report_)
      reporters.start(std::max<int64_t>(def_.whole("report_interval"), 1) * 1000, [this] { report_->run(*ws_); });
    for (Sub& s : reporting_) reporters.start(s.def->whole("run_every_ms"), [this, &s] { run(s); });
    bool counted = def_.has("num_iter");
    int64_t n = counted ? def_.whole("num_iter") : stop_.empty() ? 1 : INT64_MAX;
    if (def_.whole("only_once")) n = std::min<int64_t>(n, 1);
    for (int64_t k = 0; k < n && !group_failed(); k++) {
      Turn::pass();
      if (concurrent_) {
        run_all();
        if (stopped()) return;
        continue;
      }
      for (Sub& s : subs_) {
        run(s);
        if (stopped() || group_failed()) return;
      }
      for (auto& net : runs_) {
        Turn::pass();
        net->run(*ws_);
        if (stopped() || group_failed()) return;
      }
    }
  }

 private:
  struct Sub {
    const Message* def;
    std::unique_ptr<Step> ready;
  };

  void run(Sub& s) {
    if (s.ready) s.ready->run();
    else Step(*s.def, *ws_, nets_, depth_ + 1).run();
  }

  // What a thread of a concurrent step does.
  void run_as(Sub& s, Turn::Children& children, Turn::Group& group, std::exception_ptr& error) {
    children.arrived();
    Turn::group() = &group;
    {
      Turn turn;
      try {
        run(s);
      } catch (...) {
        if (!group.any_failed()) error = std::current_exception();
        group.failed = true;
      }
    }
    Turn::changed();
    children.left();
  }

  bool stopped() const {
    if (stop_.empty()) return false;
    const Value& v = ws_->blob(stop_);
    C2_ENFORCE(v.is_tensor() && Tensor(v.tensor()).numel() == 1, "should_stop_blob ", stop_, " should hold one bool");
    return Tensor(v.tensor()).reshape({}).item<double>() != 0;
  }

  void run_all() {
    Turn::Group group(Turn::group());
    std::exception_ptr error;
    Turn::Children children;
    std::vector<std::thread> threads;
    for (Sub& s : subs_) {
      children.expect();
      try {
        threads.emplace_back([&] { run_as(s, children, group, error); });
      } catch (const std::system_error& e) {
        children.left();
        group.failed = true;
        error = std::make_exception_ptr(RuntimeError(str("no thread for a step of the plan: ", e.what())));
        break;
      }
    }
    children.wait([&] {
      for (std::thread& t : threads) t.join();
    });
    if (error) std::rethrow_exception(error);
  }

  const Message& def_;
  Nets& nets_;
  int depth_;
  std::string stop_;
  std::unique_ptr<Workspace> own_;
  Workspace* ws_;
  std::vector<Sub> subs_, reporting_;
  std::vector<std::shared_ptr<Net>> runs_;
  std::shared_ptr<Net> report_;
  bool concurrent_ = false;
};

}  // namespace

void Workspace::run_plan(const Message& plan) {
  Turn turn;
  Nets nets(plan, *this);
  std::vector<std::unique_ptr<Step>> steps;
  for (const MessageRef& s : plan.messages("execution_step"))
    steps.push_back(std::make_unique<Step>(*s, *this, nets, 0));
  for (auto& s : steps) s->run();
}

}  // namespace rushlight::caffe2
