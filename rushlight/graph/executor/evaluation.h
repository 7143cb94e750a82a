// Note [Evaluation]: what a module computes for training (dropout, the statistics of a batch, counters) it decides by attributes named
// `training`, its own and those of its parts. Calls that find all of them False, as those of a model in use do, run a program in which they
// are constants, so that convolutions with what normalises them become networks, and nothing is assigned. They are read at each call: a module
// goes back to training by an assignment to an attribute. The program with the attributes is made when one is first True.
#pragma once
#include <vector>

#include "rushlight/graph/ir.h"

namespace rushlight::graph {

class TrainingFlags {
 public:
  TrainingFlags() = default;
  // Those that a method reads; none where it assigns one. REQUIRES: calls are inlined.
  explicit TrainingFlags(const Graph& graph);
  bool empty() const { return flags_.empty(); }
  // Of the module that a call is given. False too where it is none of the method's class.
  bool all_off(const IValue& self) const;
  // In a copy of the graph: reads of them become False.
  void assume_off(Graph& graph) const;

 private:
  // Slots: of the module (owner 0), or of the part that parts_[owner - 1] is.
  struct Place {
    size_t owner, slot;
    bool operator==(const Place&) const = default;
  };
  std::vector<Place> parts_, flags_;
};

}  // namespace rushlight::graph
