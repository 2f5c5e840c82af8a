// A server that does nothing but wait for the end of a request and send an answer that it was
// given: what HTTP over this machine's loopback costs where nobody parses or searches.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage/base/result.h"

namespace almagest::bench {

class CannedServer {
 public:
  // Listens on a port of 127.0.0.1. Each connection has a thread of this process, which reads and
  // writes blocking: no other way needs fewer switches between threads.
  static Result<std::unique_ptr<CannedServer>> Start(std::string answer);
  ~CannedServer();
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  uint16_t port() const { return port_; }
  // Takes no more connections and waits for the end of those that there are, which the clients
  // bring about. Returns the processor time that all of them took, in seconds.
  double Stop();

 private:
  explicit CannedServer(std::string answer) : answer_(std::move(answer)) {}
  void Accept();
  void Serve(int socket) const;

  const std::string answer_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread accepting_;
  std::vector<std::thread> connections_;  // Of the accepting thread until it ends.
  mutable std::atomic<int64_t> cpu_ns_{0};
};

}  // namespace almagest::bench
