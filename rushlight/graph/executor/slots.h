// Slots of script objects, read without counting references: threads that run one module at once would else hand its parameters' counts
// to and fro between their caches, and be no faster than one.
//
// Note [Slots that are read]: a Reading marks, in memory of its thread's own, that from now on values may be borrowed from slots. Who puts
// another value into a slot keeps the old one until every Reading that began before has ended. Only tensors and objects are borrowed, from
// slots that hold nothing else; all other values are copied out of their slot while a lock of few instructions keeps assignments away.
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

// An owned copy of a slot's value, and a new value for it: threads may do both at once, and each read sees a value that was there.
IValue read_slot(const IValue& slot);
void set_slot(IValue& slot, IValue value);

// The tensor or object of a slot whose type says that it holds one, borrowed; a copy of anything else. REQUIRES: a Reading.
IValue borrow_slot(const IValue& slot);

}  // namespace rushlight::graph
