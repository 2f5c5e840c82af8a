// almagestd as a child process of a benchmark.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace almagest::bench {

class ServerChild {
 public:
  // Returns when the server has said its address; `started` (SecondsNow) is before the fork. Its
  // log goes to `data`/../server.log.
  static Result<ServerChild> Start(const std::filesystem::path& data,
                                   const std::vector<std::string>& more_arguments = {});
  ServerChild(ServerChild&& other) noexcept;
  ServerChild& operator=(ServerChild&&) = delete;
  // Kills it if it still runs.
  ~ServerChild();

  uint16_t port() const { return port_; }
  double started() const { return started_; }
  // Resident bytes now.
  uint64_t ResidentBytes() const;
  // Processor time since its start: says more than the clock where the machine is busy.
  double CpuSeconds() const;
  void Kill();  // kill -9, and wait until it is gone.
  void Stop();  // SIGTERM, and wait.

 private:
  ServerChild() = default;
  void End(int signal);
  pid_t pid_ = -1;
  int output_ = -1;
  uint16_t port_ = 0;
  double started_ = 0;
};

}  // namespace almagest::bench
