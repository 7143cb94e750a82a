// A header name of PyTorch, for tests of operators with gtest, and with gmock where there is one; see torch/torch.h.
#pragma once
#if __has_include(<gmock/gmock.h>)
#include <gmock/gmock.h>
#endif
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "rushlight/api/api.h"
#include "rushlight/api/library.h"

template <class... Inputs>
std::vector<c10::IValue> makeStack(Inputs&&... inputs) {
  return {std::forward<Inputs>(inputs)...};
}

// Calls an operator with boxed values; what it returns.
template <class... Args>
std::vector<c10::IValue> callOp(const c10::OperatorHandle& op, Args... args) {
  auto stack = makeStack(std::forward<Args>(args)...);
  op.callBoxed(&stack);
  return stack;
}

// Calls an operator as the C++ function that it is.
template <class Result, class... Args>
Result callOpUnboxed(const c10::OperatorHandle& op, Args... args) {
  return op.typed<Result(Args...)>().call(std::forward<Args>(args)...);
}
