// How many CPUs' time the control groups (containers) of this process allow.
#pragma once
#include <string>

namespace rushlight {

// The smallest quota of the process's group and those around it, in whole CPUs rounded up; 0 where there is none. Reads version 2 and
// version 1 hierarchies below `root`, which ends with a slash: "/" but in tests.
int cgroup_cpus(const std::string& root);

}  // namespace rushlight
