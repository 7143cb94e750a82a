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
// Python's ==, and its < for numbers, texts, and lists and tuples of them. Throws where Python would.
bool values_equal(const IValue& a, const IValue& b);
bool value_less(const IValue& a, const IValue& b);

// The items that Python's [start:stop:step] takes of n: `count` of them from `start` on.
struct SliceRange { int64_t start, count; };
SliceRange slice_range(int64_t n, const IValue& start, const IValue& stop, int64_t step);

}  // namespace rushlight::graph
