#include "storage/base/memory_limit.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace almagest {
namespace {

constexpr size_t kBlock = size_t{64} << 20;

void WaitForFreshFigure() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

TEST(MemoryLimitTest, CountsWhatIsTouchedAndRefusesBeyond) {
  EXPECT_TRUE(AdmitMemory(uint64_t{1} << 40));  // No limit.
  WaitForFreshFigure();
  const uint64_t before = MemoryUsed();
  ASSERT_GT(before, 0u);
  std::vector<char> block(kBlock, 1);
  WaitForFreshFigure();
  EXPECT_GE(MemoryUsed(), before + kBlock * 9 / 10);
  SetMemoryLimit(MemoryUsed() + kBlock);
  EXPECT_TRUE(AdmitMemory(kBlock / 2));
  const auto refused = AdmitMemory(kBlock * 2);
  SetMemoryLimit(0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(refused.error().message.find("memory_limit"), std::string::npos);
  EXPECT_EQ(block[kBlock / 2], 1);
}

TEST(MemoryLimitTest, CountsChildren) {
  WaitForFreshFigure();
  const uint64_t before = MemoryUsed();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto* block = static_cast<char*>(std::malloc(kBlock));
    std::memset(block, 2, kBlock);
    if (write(ready[1], block, 1) == 1) pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  WaitForFreshFigure();
  EXPECT_GE(MemoryUsed(), before + kBlock * 9 / 10);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace almagest
