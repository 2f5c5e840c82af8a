// Counters and gauges in Prometheus' text form, for GET /metrics.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/database.h"

namespace almagest {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // `route` is the route's pattern, never the path: the number of series stays bounded.
  void CountRequest(std::string_view method, std::string_view route, unsigned status,
                    double seconds);
  struct RequestCount {
    std::string method;
    std::string route;
    unsigned status = 0;
    uint64_t count = 0;
    double mean_seconds = 0;  // In the handler, over every status of the route.
  };
  // What was counted so far.
  std::vector<RequestCount> Requests() const;
  // Takes the gauges (points, segments, jobs, memory) from `database`, then writes everything.
  std::string Render(Database& database, const std::string& version);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace almagest
