// Entries of the table of primitives, a file a family: a schema of PyTorch's, and what runs it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "rushlight/core/error.h"
#include "rushlight/core/ivalue.h"

namespace rushlight::graph {

struct Entry {
  const char* schema;
  void (*run)(IValue* args, IValue* rets);
};

// An entry whose only result is an expression of the arguments a[0], a[1], ...
#define RL_P(schema, expression)      \
  {schema, [](IValue* a, IValue* r) { \
     (void)a;                         \
     r[0] = IValue(expression);       \
   }}
// An entry that is statements, which set r[0], ...
#define RL_DO(schema, ...)            \
  {schema, [](IValue* a, IValue* r) { \
     (void)a;                         \
     (void)r;                         \
     __VA_ARGS__;                     \
   }}

std::span<const Entry> number_entries();
std::span<const Entry> text_entries();
std::span<const Entry> container_entries();
std::span<const Entry> tensor_entries();

// Integers that Python's would be, or an error where they don't fit in 64 bits.
int64_t floor_divide(int64_t a, int64_t b);
int64_t modulo(int64_t a, int64_t b);
int64_t whole(double v, const char* what);  // v rounded towards zero

// Python's str() of a value, and its repr().
std::string shown(const IValue& v);
std::string represented(const IValue& v);

}  // namespace rushlight::graph
