#include "tests/bench/benchmark.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "storage/base/check.h"

namespace almagest::bench {

std::string BenchOptions::Text(const std::string& name, const std::string& otherwise) const {
  const auto found = values.find(name);
  return found == values.end() ? otherwise : found->second;
}

uint64_t BenchOptions::Number(const std::string& name, uint64_t otherwise) const {
  const auto found = values.find(name);
  return found == values.end() ? otherwise : std::strtoull(found->second.c_str(), nullptr, 10);
}

Result<BenchOptions> ParseBenchOptions(const std::vector<std::string>& arguments,
                                       const std::vector<std::string>& known) {
  BenchOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--tiny") {
      options.tiny = true;
      continue;
    }
    const std::string name = argument.starts_with("--") ? argument.substr(2) : argument;
    const bool accepted = name == "json" || name == "data" ||
                          std::find(known.begin(), known.end(), name) != known.end();
    if (!argument.starts_with("--") || !accepted) {
      std::string names = "--json --tiny --data";
      for (const std::string& other : known) names += " --" + other;
      return Fail(ErrorCode::kInvalidArgument, "unknown option " + argument + "; known: " + names);
    }
    if (i + 1 == arguments.size()) {
      return Fail(ErrorCode::kInvalidArgument, argument + " needs a value");
    }
    const std::string& value = arguments[++i];
    if (name == "json") {
      options.json_path = value;
    } else if (name == "data") {
      options.data.push_back(value);
    } else {
      options.values[name] = value;
    }
  }
  return options;
}

Result<> BenchReport::Write(const std::string& path) const {
  if (path.empty()) return {};
  std::ofstream file(path);
  file << nlohmann::json{{"rows", rows_}}.dump(1) << "\n";
  if (!file.flush()) return Fail(ErrorCode::kInternal, "cannot write " + path);
  return {};
}

std::filesystem::path ExecutableFolder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

ScratchFolder::ScratchFolder() {
  const char* base = std::getenv("ALMAGEST_BENCH_DIR");
  std::string pattern =
      ((base != nullptr ? std::filesystem::path(base) : std::filesystem::temp_directory_path()) /
       "almagest-bench-XXXXXX")
          .string();
  ALMAGEST_CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

double SecondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Percentile(std::vector<double>& values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(p * static_cast<double>(values.size())))];
}

}  // namespace almagest::bench
