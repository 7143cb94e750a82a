// How much of the thread's stack is left, for what recurses as deep as an input says.
#pragma once

namespace rushlight {

// Whether less than half of the calling thread's stack is left. Throws nothing; false where the stack's size can't be found.
bool stack_is_short();

}  // namespace rushlight
