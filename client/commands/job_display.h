// Shows an adaptation job to a person: a live line while it runs, its outcome in words afterwards.
#pragma once

#include <chrono>
#include <set>
#include <string>

#include "client/client.h"

namespace almagest::client {

// Takes the events of FollowJob. Not thread-safe.
class JobDisplay {
 public:
  explicit JobDisplay(std::string label);
  void Show(const Json& event);
  // Ends the line.
  void Finish(const Json& job);

 private:
  std::string label_;
  std::set<std::string> shown_phases_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point shown_;
};

// The line of one event: "training step 120 of 400, loss 2.31, validation nDCG@10 0.214, 35 s
// left". Empty for events that say nothing to a person.
std::string EventText(const Json& event);

// The outcome: what the gate decided and why, with its numbers; or why there was no decision. Ends
// with what to do next, where there is something to do.
std::string OutcomeText(const Json& job);

// The trainer's report of a job or version; null when it has none.
Json ReportOf(const Json& job_or_version);

}  // namespace almagest::client
