#include "client/demo/load_generator.h"

namespace almagest::client {

LoadGenerator::LoadGenerator(ClientOptions options, std::string collection,
                             std::vector<Json> requests, std::chrono::milliseconds pause)
    : options_(std::move(options)),
      collection_(std::move(collection)),
      requests_(std::move(requests)),
      pause_ms_(pause.count()) {
  options_.retries = 0;
  thread_ = std::thread([this] { Run(); });
}

LoadGenerator::~LoadGenerator() { Stop(); }

LoadCounts LoadGenerator::Stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return counts();
}

void LoadGenerator::Run() {
  Client client(options_);
  for (size_t next = 0; !stopping_; next = (next + 1) % requests_.size()) {
    ++sent_;
    try {
      if (client.Query(collection_, requests_[next]).points.empty()) ++empty_;
    } catch (const std::exception& error) {
      if (failed_++ == 0) first_failure_ = error.what();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms_));
  }
}

}  // namespace almagest::client
