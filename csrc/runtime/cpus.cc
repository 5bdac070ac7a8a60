// How many CPUs this process may really use.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "runtime/threads.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace octavo {
namespace {

size_t affinity_cpus() {
#if defined(__linux__)
  // The kernel refuses a mask smaller than its own, so grow until it fits.
  for (int cpus = CPU_SETSIZE; cpus <= (1 << 20); cpus *= 4) {
    cpu_set_t* mask = CPU_ALLOC(cpus);
    if (mask == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    const bool ok = sched_getaffinity(0, bytes, mask) == 0;
    const int count = ok ? CPU_COUNT_S(bytes, mask) : 0;
    CPU_FREE(mask);
    if (ok) return static_cast<size_t>(std::max(count, 1));
  }
#endif
  return std::max<size_t>(std::thread::hardware_concurrency(), 1);
}

// CPUs of "quota period" in microseconds, rounded up; SIZE_MAX if there is no limit.
size_t quota_cpus(std::istream&& quota_and_period) {
  double quota = 0, period = 0;
  if (!(quota_and_period >> quota >> period) || quota <= 0 || period <= 0) return SIZE_MAX;
  return std::max<size_t>(static_cast<size_t>(std::ceil(quota / period)), 1);
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The process's path in the cgroup hierarchy that `controller` ("" for version 2) lives in.
std::string cgroup_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::istringstream names(line.substr(first + 1, second - first - 1));
    if (controller.empty() && second == first + 1) return line.substr(second + 1);
    for (std::string name; std::getline(names, name, ',');) {
      if (name == controller) return line.substr(second + 1);
    }
  }
  return "/";
}

// The tightest quota from the process's own group up to the root.
template <class ReadQuota>
size_t tightest(std::string path, const ReadQuota& read_quota) {
  size_t cpus = SIZE_MAX;
  while (true) {
    if (path == "/") path.clear();
    cpus = std::min(cpus, read_quota(path));
    if (path.empty()) return cpus;
    const size_t slash = path.find_last_of('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
}

size_t cgroup_cpus() {
  const size_t v2 = tightest(cgroup_path(""), [](const std::string& path) {
    return quota_cpus(std::istringstream(first_line("/sys/fs/cgroup" + path + "/cpu.max")));
  });
  const size_t v1 = tightest(cgroup_path("cpu"), [](const std::string& path) {
    const std::string folder = "/sys/fs/cgroup/cpu" + path;
    return quota_cpus(std::istringstream(first_line(folder + "/cpu.cfs_quota_us") + " " +
                                         first_line(folder + "/cpu.cfs_period_us")));
  });
  return std::min(v1, v2);
}

}  // namespace

size_t available_cpus() { return std::min({affinity_cpus(), cgroup_cpus(), kMaxThreads}); }

}  // namespace octavo
