// Slots of script objects, read without counting references: threads that run one module at once would else hand its parameters' counts
// to and fro between their caches, and be no faster than one.
//
// Note [Slots that are read]: a Reading marks, in memory of its thread's own, that from now on values may be borrowed from slots. Who puts
// another value into a slot keeps the old one until every Reading that began before has ended.
#pragma once
#include <atomic>

#include "rushlight/core/ivalue.h"

namespace rushlight::graph {

class Reading {
 public:
  Reading();
  ~Reading();
  Reading(const Reading&) = delete;
};

// Puts a value into a slot. Assignments to one slot at once are the caller's to keep apart.
void set_slot(IValue& slot, IValue value);

}  // namespace rushlight::graph
