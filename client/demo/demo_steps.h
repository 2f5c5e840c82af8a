// The demo, step by step: make, load, search, measure, learn, activate, migrate, measure again.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/commands/commands.h"
#include "client/demo/demo_report.h"
#include "client/demo/reverse_dictionary.h"

namespace almagest::client {

// One object per run; Run does everything and prints as it goes. The test queries are used for
// evaluation only; feedback comes from the train queries.
class Demo {
 public:
  Demo(const ServerChoice& server, const DemoOptions& options);
  // kExitDone, or kExitGateSaidNo when the gate keeps the trained version from being activated (a
  // report is written only in the first case).
  int Run();

 private:
  void ReadData();
  void Load();
  void ShowSearches(const std::string& title);
  void MeasureBefore();
  void SendFeedback();
  void MeasureWhitening();
  // Returns the job when it is over.
  Json Adapt();
  void Migrate();
  void PrintResults(const Json& job);
  void PrintExamples();

  Json RunJob(const std::string& label, const Json& request);
  void WaitForIndexes();
  std::vector<Json> LoadRequests() const;
  // Ends the phase that began at the last call (or at the start).
  void EndPhase(const std::string& name);

  ServerChoice server_;
  DemoOptions options_;
  ClientOptions client_options_;
  Client client_;
  ReverseDictionary data_;
  DemoReport report_;
  std::unique_ptr<LoadGenerator> load_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point phase_start_;
};

}  // namespace almagest::client
