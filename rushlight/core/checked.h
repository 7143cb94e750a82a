// What only builds under a sanitizer have.
#pragma once
#include <cstdint>

namespace rushlight {

// Every byte of fresh memory has this value there: two runs with two values tell who reads memory that nobody has written.
extern uint8_t fresh_memory;

}  // namespace rushlight
