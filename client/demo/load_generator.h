// Searches a collection all the time on a thread of its own, and counts what goes wrong.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"

namespace almagest::client {

struct LoadCounts {
  uint64_t sent = 0;
  uint64_t failed = 0;  // No answer or an error answer.
  uint64_t empty = 0;   // An answer without a single hit.
};

// One request after the other over one connection, going through `requests` in a circle, with a
// pause between them. No request is repeated when it fails, so that every failure counts.
class LoadGenerator {
 public:
  // `requests` are bodies of POST /collections/{c}/points/query. Starts at once.
  LoadGenerator(ClientOptions options, std::string collection, std::vector<Json> requests,
                std::chrono::milliseconds pause);
  ~LoadGenerator();
  LoadGenerator(const LoadGenerator&) = delete;
  LoadGenerator& operator=(const LoadGenerator&) = delete;

  void SetPause(std::chrono::milliseconds pause) { pause_ms_ = pause.count(); }
  LoadCounts counts() const { return {sent_, failed_, empty_}; }
  // The first failure in words; empty if there was none. Call after Stop.
  const std::string& first_failure() const { return first_failure_; }
  // Lets the request under way finish.
  LoadCounts Stop();

 private:
  void Run();

  ClientOptions options_;
  std::string collection_;
  std::vector<Json> requests_;
  std::atomic<int64_t> pause_ms_;
  std::atomic<uint64_t> sent_{0}, failed_{0}, empty_{0};
  std::atomic<bool> stopping_{false};
  std::string first_failure_;
  std::thread thread_;
};

}  // namespace almagest::client
