#include "rushlight/kernels/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace rushlight {

namespace {

int cpus(long long quota, long long period) {
  if (quota <= 0 || period <= 0) return 0;
  return int(std::min<long long>(quota / period + (quota % period != 0), 1 << 20));
}

long long number_in(const std::string& path) {
  std::ifstream f(path);
  long long v = 0;
  return f >> v ? v : 0;  // "max" is no number: no quota
}

int quota_of(const std::string& folder, bool version2) {
  if (!version2) return cpus(number_in(folder + "/cpu.cfs_quota_us"), number_in(folder + "/cpu.cfs_period_us"));
  std::ifstream f(folder + "/cpu.max");
  long long quota = 0, period = 0;
  return f >> quota >> period ? cpus(quota, period) : 0;
}

bool has_cpu(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string one; std::getline(list, one, ',');)
    if (one == "cpu") return true;
  return false;
}

}  // namespace

int cgroup_cpus(const std::string& root) {
  int least = 0;
  auto take = [&](const std::string& mount, std::string path, bool version2) {
    // Inside of a container the mount may show the group itself as its root, so the path may lead nowhere: then its ancestors do.
    for (;;) {
      if (int n = quota_of(mount + path, version2)) least = least ? std::min(least, n) : n;
      if (path.empty()) return;
      path.erase(path.find_last_of('/') == path.npos ? 0 : path.find_last_of('/'));
    }
  };
  take(root + "sys/fs/cgroup", "", true);
  std::ifstream groups(root + "proc/self/cgroup");
  bool found = false;
  for (std::string line; std::getline(groups, line);) {  // number:controllers:path
    size_t a = line.find(':'), b = a == line.npos ? a : line.find(':', a + 1);
    if (b == line.npos) continue;
    std::string controllers = line.substr(a + 1, b - a - 1), path = line.substr(b + 1);
    while (!path.empty() && path.back() == '/') path.pop_back();
    if (controllers.empty()) take(root + "sys/fs/cgroup", path, true);
    if (!has_cpu(controllers)) continue;
    found = true;
    for (const char* mount : {"sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup/cpuacct,cpu"})
      take(root + mount, path, false);
  }
  if (!found) take(root + "sys/fs/cgroup/cpu", "", false);
  return least;
}

}  // namespace rushlight
