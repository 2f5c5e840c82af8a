// almagest-bench-learning [--data DIR] [--wordnet DIR --gcide DIR --models DIR --cache DIR]
//                         [--json FILE] [--only SET/MODEL] [--threads N] [--seed N]
//                         [--options JSON]
//                         [--compatibility main|all [--seeds N] [--versions N]]
//                         [--nonlinear SEEDS]
//
// Trains on the train judgements of every judged set under DIR/retrieval, with every model stored
// there, and of the reverse dictionary where its sources are named; prints nDCG@10 / Recall@100 on
// the test judgements (which the trainer never sees), with paired 95 % intervals to the reference
// adapter, and the published figures of DIR/BASELINES.md, if that file is there. --json writes
// {"rows": [...]} (set_measurement.h). --options are options of the job (docs/job-folder.md).
//
// With --compatibility, instead: ways of keeping versions searchable together, the main ones or all
// (compatibility_bench.h), over N seeds (5) and N versions (3). With --nonlinear: whether a hidden
// layer of queries is worth having (nonlinear_bench.h); test judgements are not read.
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "storage/base/file.h"
#include "tests/bench/learning/compatibility_bench.h"
#include "tests/bench/learning/judged_set.h"
#include "tests/bench/learning/nonlinear_bench.h"
#include "tests/bench/learning/reverse_dictionary_set.h"
#include "tests/bench/learning/set_measurement.h"
#include "training/thread_settings.h"

namespace almagest::bench {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Arguments {
  fs::path data;
  fs::path json;
  fs::path cache;
  DictionarySources dictionary;
  std::string only;
  MeasurementOptions measurement;
  bool compares_compatibility = false;
  CompatibilityOptions compatibility;
  int64_t nonlinear_seeds = 0;  // 0: not asked for.
};

// BASELINES.md is a table: method | one column a set. Keys "method" then "set".
std::map<std::string, std::map<std::string, std::string>> ReadReference(const fs::path& path) {
  std::map<std::string, std::map<std::string, std::string>> table;
  const auto text = ReadFile(path);
  if (!text) return table;
  std::vector<std::string> heading;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    std::vector<std::string> cells;
    std::istringstream fields(line.substr(1));
    for (std::string cell; std::getline(fields, cell, '|');) {
      const size_t first = cell.find_first_not_of(' ');
      const size_t last = cell.find_last_not_of(' ');
      cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    }
    if (heading.empty()) {
      heading = cells;
      continue;
    }
    for (size_t i = 1; i < cells.size() && i < heading.size(); ++i) {
      table[cells[0]][heading[i]] = cells[i];
    }
  }
  return table;
}

Result<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) return Fail(ErrorCode::kInvalidArgument, flag + " needs a value");
    const std::string value = argv[i + 1];
    if (flag == "--data") {
      arguments.data = value;
    } else if (flag == "--json") {
      arguments.json = value;
    } else if (flag == "--only") {
      arguments.only = value;
    } else if (flag == "--wordnet") {
      arguments.dictionary.wordnet = value;
    } else if (flag == "--gcide") {
      arguments.dictionary.gcide = value;
    } else if (flag == "--models") {
      arguments.dictionary.models = value;
    } else if (flag == "--cache") {
      arguments.cache = value;
    } else if (flag == "--threads") {
      arguments.measurement.threads = std::max(1L, std::atol(value.c_str()));
    } else if (flag == "--compatibility") {
      if (value != "main" && value != "all") {
        return Fail(ErrorCode::kInvalidArgument, "--compatibility must be main or all");
      }
      arguments.compares_compatibility = true;
      arguments.compatibility.ablations = value == "all";
    } else if (flag == "--seeds") {
      arguments.compatibility.seeds = std::max(1L, std::atol(value.c_str()));
    } else if (flag == "--versions") {
      arguments.compatibility.versions = std::max(1L, std::atol(value.c_str()));
    } else if (flag == "--nonlinear") {
      arguments.nonlinear_seeds = std::max(1L, std::atol(value.c_str()));
    } else if (flag == "--seed") {
      arguments.measurement.seed = std::atol(value.c_str());
    } else if (flag == "--options") {
      arguments.measurement.options = Json::parse(value, nullptr, false);
      if (!arguments.measurement.options.is_object()) {
        return Fail(ErrorCode::kInvalidArgument, "--options must be a JSON object");
      }
    } else {
      return Fail(ErrorCode::kInvalidArgument, "unknown argument '" + flag + "'");
    }
  }
  if (arguments.data.empty() && arguments.dictionary.wordnet.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "neither --data nor --wordnet is given");
  }
  return arguments;
}

Result<> RunAll(const Arguments& arguments) {
  const auto reference = ReadReference(arguments.data / "BASELINES.md");
  std::string folder = (fs::temp_directory_path() / "almagest-bench-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    return Fail(ErrorCode::kInternal, "cannot make the temporary folder " + folder);
  }
  Json results = Json::array();
  std::vector<fs::path> sets;
  if (!arguments.dictionary.wordnet.empty()) {
    sets.push_back(arguments.cache / "reverse-dictionary");
    ALMAGEST_TRY_VOID(WriteReverseDictionarySet(arguments.dictionary, sets.front()));
  }
  if (!arguments.data.empty()) {
    for (const auto& entry : fs::directory_iterator(arguments.data / "retrieval")) {
      if (entry.is_directory()) sets.push_back(entry.path());
    }
  }
  std::sort(sets.begin(), sets.end());
  for (const fs::path& path : sets) {
    const std::string name = path.filename().string();
    // "SET", "SET/MODEL" or "" for all.
    if (!arguments.only.starts_with(name) && !arguments.only.empty()) continue;
    ALMAGEST_TRY(const JudgedSet set, ReadJudgedSet(path));
    for (const std::string& model : ModelsOf(set)) {
      if (!(name + "/" + model).starts_with(arguments.only)) continue;
      std::printf("%s / %s\n", name.c_str(), model.c_str());
      if (arguments.nonlinear_seeds > 0) {
        ALMAGEST_TRY(
            const Json rows,
            MeasureNonLinear(set, model, arguments.nonlinear_seeds, arguments.measurement.threads,
                             arguments.measurement.options, fs::path(folder)));
        for (const Json& row : rows) results.push_back(row);
        continue;
      }
      CompatibilityOptions compatibility = arguments.compatibility;
      compatibility.threads = arguments.measurement.threads;
      const auto rows = arguments.compares_compatibility
                            ? MeasureLearnedCompatibility(set, model, compatibility)
                            : MeasureSet(set, model, arguments.measurement, folder);
      if (!rows) {
        std::printf("  %s\n", rows.error().message.c_str());
        continue;
      }
      for (const Json& row : *rows) results.push_back(row);
      for (const char* side : {"both", "query"}) {
        if (arguments.compares_compatibility) break;
        const std::string method = model + " + full adapter, " + side + " side";
        const auto found = reference.find(method);
        if (found == reference.end() || !found->second.contains(name)) continue;
        std::printf("  published: %s (%s)\n", found->second.at(name).c_str(), method.c_str());
      }
      std::fflush(stdout);
    }
  }
  fs::remove_all(folder);
  if (arguments.json.empty()) return {};
  return WriteFileAtomically(arguments.json, Json{{"rows", results}}.dump(2) + "\n");
}

}  // namespace
}  // namespace almagest::bench

int main(int argc, char** argv) {
  using namespace almagest::bench;
  const auto arguments = ParseArguments(argc, argv);
  if (!arguments) {
    std::fprintf(stderr, "%s\n", arguments.error().message.c_str());
    return 2;
  }
  almagest::training::RestartWithThreads(arguments->measurement.threads, argv);
  const auto done = RunAll(*arguments);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return 1;
}
