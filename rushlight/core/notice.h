// What a program says besides its results: warnings, and errors that are Python's alone.
#pragma once
#include "rushlight/core/error.h"

namespace rushlight {

// Says something that is no error: on stderr, unless a front end has its own way (Python's a UserWarning, which may throw).
extern void (*show_warning)(const std::string& text);
// The same of a line of a script.
extern void (*show_warning_at)(const std::string& text, const std::string& file, int line);
// Prints a line of a script: to stdout, unless a front end has its own way (Python's sys.stdout).
extern void (*print_line)(const std::string& line);
// Whether what is said once (`said`, of that place) is to be said now: the first time, or always if the program wants it so.
bool shall_warn(bool& said);
extern bool warn_always;

// What `assert` in a script's text raises; Python's AssertionError.
class AssertionError : public RuntimeError {
 public:
  using RuntimeError::RuntimeError;
};

}  // namespace rushlight
