// What the subcommands of almagest-bench share: options, the report, one entry function each.
//
// Every subcommand takes `--json FILE` (its figures as {"rows": [...]}) and `--tiny` (small
// generated data, seconds; the form that runs in the test suite, so that it cannot rot).
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace almagest::bench {

// "--name value" pairs; --tiny takes no value; --data may be repeated.
struct BenchOptions {
  bool tiny = false;
  std::string json_path;
  std::vector<std::string> data;
  std::map<std::string, std::string> values;  // By name, without the dashes.

  std::string Text(const std::string& name, const std::string& otherwise) const;
  uint64_t Number(const std::string& name, uint64_t otherwise) const;
};
// kInvalidArgument for a name that is not in `known` (besides json, tiny, data), a missing value or
// a number that is none.
Result<BenchOptions> ParseBenchOptions(const std::vector<std::string>& arguments,
                                       const std::vector<std::string>& known);

// Rows of figures: "system" and "dataset" say what was measured, the rest how it did.
class BenchReport {
 public:
  void Add(nlohmann::json row) { rows_.push_back(std::move(row)); }
  // Does nothing if the path is empty.
  Result<> Write(const std::string& path) const;

 private:
  nlohmann::json rows_ = nlohmann::json::array();
};

// Where almagestd and the like lie: the folder of this executable.
std::filesystem::path ExecutableFolder();
// An empty folder that goes away with the object. Below $ALMAGEST_BENCH_DIR, or the system's
// temporary folder.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

double SecondsNow();  // Of a clock that only goes forward.
// p in 0..1; sorts.
double Percentile(std::vector<double>& values, double p);

// Each returns the exit code, and prints a table.
int RunAnnBench(const std::vector<std::string>& arguments);
int RunFilteredBench(const std::vector<std::string>& arguments);
int RunServerBench(const std::vector<std::string>& arguments);
int RunRestartBench(const std::vector<std::string>& arguments);
int RunIngestBench(const std::vector<std::string>& arguments);
int RunChurnBench(const std::vector<std::string>& arguments);
int RunBridgeBench(const std::vector<std::string>& arguments);

}  // namespace almagest::bench
