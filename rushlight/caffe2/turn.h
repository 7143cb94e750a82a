// Whose turn it is to work on workspaces: the threads of plans, and those of a front end, run one at a time. A thread that waits (for a queue that is
// full, for other threads) gives its turn up; between nets it lets the others in.
#pragma once
#include <functional>

namespace rushlight::caffe2 {

class Turn {
 public:
  Turn();  // waits for it; a thread that has it goes on
  ~Turn();
  Turn(const Turn&) = delete;

  // Lets other threads in that wait for their turn.
  static void pass();
  // What wait_for() asks about may be true now.
  static void changed();
  // Gives the turn up until ready(), which is asked with it, is true; false where that takes longer than `seconds` (0: there is no limit). Throws
  // where no thread is left that could change anything, naming what is waited for, and in a group that has failed.
  static bool wait_for(const std::function<bool()>& ready, const char* what, double seconds = 0);

  // Threads that a thread starts and then only waits for. That they will want their turn is known from before they run.
  class Children {
   public:
    void expect();   // another one
    void arrived();  // what that one does first
    void left();     // and last, or who expected it and couldn't start it
    // Gives the turn up while `join` waits for them.
    void wait(const std::function<void()>& join);

   private:
    int count_ = 0;
    bool awaited_ = false;
  };
  // Threads that give up where one of them failed.
  struct Group {
    explicit Group(const Group* outer) : outer(outer) {}
    const Group* outer;
    bool failed = false;  // written and read with the turn
    bool any_failed() const { return failed || (outer && outer->any_failed()); }
  };
  static const Group*& group();  // this thread's
};

// What a front end with threads of its own says: whether threads besides the `inside` of its that are here may come, and what to do while waiting
// (look for signals; may throw).
struct Outside {
  std::function<bool(int inside)> may_come;
  std::function<void()> idle;
};
Outside& outside_threads();

}  // namespace rushlight::caffe2
