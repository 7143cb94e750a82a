// Lists of any representation, seen as one kind of thing.
#pragma once
#include "rushlight/core/ivalue.h"

namespace rushlight::graph {

size_t list_size(const IValue& list);
IValue list_get(const IValue& list, size_t i);
void list_set(const IValue& list, size_t i, IValue v);
void list_insert(const IValue& list, size_t i, IValue v);
void list_erase(const IValue& list, size_t i);
// A new list of an element type, in the representation operators take.
IValue make_list(const TypePtr& element, std::vector<IValue> items);
// The index that Python's list[i] means. Throws IndexError.
size_t list_index(const IValue& list, int64_t i);
// Python's ==.
bool values_equal(const IValue& a, const IValue& b);

}  // namespace rushlight::graph
