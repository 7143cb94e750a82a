// The types of values that are there later: Future[T], what a fork gives, and Await[T], what a call gives that is made when it is waited for.
#pragma once
#include "rushlight/core/type.h"

namespace rushlight {

TypePtr future_type(TypePtr element);
TypePtr await_type(TypePtr element);
bool is_future(const Type& t);  // of either kind
bool is_await(const Type& t);

}  // namespace rushlight
