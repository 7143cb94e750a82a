#include "rushlight/kernels/cpu_quota.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace rushlight {
namespace {

class CpuQuota : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "cgroup_" + testing::UnitTest::GetInstance()->current_test_info()->name() + "/";
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST_F(CpuQuota, IsNoneWithoutFilesOrLimits) {
  EXPECT_EQ(cgroup_cpus(root_), 0);
  put("sys/fs/cgroup/cpu.max", "max 100000\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  put("proc/self/cgroup", "4:cpu,cpuacct:/\nnonsense\n");
  EXPECT_EQ(cgroup_cpus(root_), 0);
}

TEST_F(CpuQuota, Version2) {
  put("sys/fs/cgroup/cpu.max", "250000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 3);
  put("proc/self/cgroup", "0::/a/b\n");
  put("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 2);
}

TEST_F(CpuQuota, Version1TakesTheSmallestOfTheGroupsAround) {
  put("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/docker/c1\n");
  put("sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_quota_us", "400000\n");
  put("sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 4);
  put("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "50000\n");
  put("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 1);
}

TEST_F(CpuQuota, Version1InsideOfAContainerWhosePathIsNotMounted) {
  put("proc/self/cgroup", "4:cpu,cpuacct:/docker/c1\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 2);
}

}  // namespace
}  // namespace rushlight
