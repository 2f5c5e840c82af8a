// almagest-bench-learning --data DIR [--json FILE] [--only SET/MODEL] [--threads N]
//                         [--seed N] [--options JSON]
//
// Trains on the train judgements of every judged set under DIR/retrieval, with every model stored
// there, and prints nDCG@10 / Recall@100 on the test judgements (which the trainer never sees)
// beside the reference figures of DIR/BASELINES.md, if that file is there.
#include <stdlib.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "storage/base/bootstrap.h"
#include "storage/base/file.h"
#include "training/evaluation.h"
#include "training/gate.h"
#include "training/judged_set.h"
#include "training/run_job.h"
#include "training/thread_settings.h"

namespace almagest::training {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Arguments {
  fs::path data;
  fs::path json;
  std::string only;
  int64_t threads = 1;
  int64_t seed = 1;
  Json options = Json::object();
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

std::string Show(const std::vector<QueryMetrics>& metrics) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3f / %.3f", Mean(Column(metrics, &QueryMetrics::ndcg_at_10)),
                Mean(Column(metrics, &QueryMetrics::recall_at_100)));
  return text;
}

Json ToJson(const std::vector<QueryMetrics>& metrics) {
  return {{"ndcg_at_10", Mean(Column(metrics, &QueryMetrics::ndcg_at_10))},
          {"recall_at_100", Mean(Column(metrics, &QueryMetrics::recall_at_100))}};
}

Result<Json> RunOne(const JudgedSet& set, const std::string& model, const Arguments& arguments,
                    const fs::path& folder) {
  ALMAGEST_TRY(const ModelVectors vectors, ReadModel(set, model));
  Json options = arguments.options;
  if (!options.contains("held_out_fraction")) options["held_out_fraction"] = 0;
  const Json config = {{"format_version", 1},    {"job_id", set.path.filename().string()},
                       {"distance", "Cosine"},   {"dimension", vectors.dimension},
                       {"seed", arguments.seed}, {"threads", arguments.threads},
                       {"options", options}};
  ALMAGEST_TRY_VOID(WriteJobFolder(folder, vectors, set.train, config.dump()));
  ALMAGEST_TRY(const auto progress, Progress::Open(folder / "progress.jsonl"));
  ALMAGEST_TRY(const JobReport report, RunJob(folder, {}, progress.get()));
  if (!report.selection) {
    return Fail(ErrorCode::kFailedPrecondition, "skipped: " + report.reason);
  }

  // The test judgements, through the adapter file as a server would read it.
  const std::vector<float> weight(set.test.query.size(), 1.0f);
  const std::vector<JudgedQuery> test =
      GroupJudgements({set.test.query, set.test.document, set.test.grade, weight, {}});
  ALMAGEST_TRY(const auto space, VectorSpace::Create(vectors.documents, vectors.queries,
                                                     {vectors.dimension, Distance::kCosine,
                                                      DeviceChoice::kAuto, arguments.threads}));
  ALMAGEST_TRY(const LinearAdapter trained,
               ReadAdapter(folder / "adapter.safetensors", vectors.dimension));
  const LinearAdapter identity = LinearAdapter::Identity(vectors.dimension);
  const LinearAdapter& whitened = report.selection->whitened;
  const auto before = Evaluate(*space, identity, identity, test, 100, true, {});
  const auto white = Evaluate(*space, whitened, whitened, test, 100, true, {});
  const auto after = Evaluate(*space, trained, trained, test, 100, true, {});
  std::vector<int32_t> each;
  for (const JudgedQuery& query : test) each.push_back(query.query);
  const auto ndcg = [](const auto& metrics) { return Column(metrics, &QueryMetrics::ndcg_at_10); };
  const Interval gain = PairedGain(ndcg(after), ndcg(before), each);
  const Interval over_whitened = PairedGain(ndcg(after), ndcg(white), each);

  double seconds = 0;
  for (const auto& [phase, spent] : report.seconds) seconds += spent;
  std::printf("  untrained  %s\n  whitened   %s   (power %g)\n", Show(before).c_str(),
              Show(white).c_str(), report.selection->whitening_power);
  std::printf("  trained    %s   (%s)\n", Show(after).c_str(), report.selection->winner.c_str());
  std::printf(
      "  gain       %+.3f [%+.3f, %+.3f] over untrained, %+.3f [%+.3f, %+.3f] over "
      "whitened; %.1f s\n",
      gain.mean, gain.low, gain.high, over_whitened.mean, over_whitened.low, over_whitened.high,
      seconds);
  for (const CandidateRecord& candidate : report.selection->candidates) {
    std::printf("    candidate %-32s best step %3ld, validation nDCG@10 %.3f\n",
                candidate.name.c_str(), static_cast<long>(candidate.best_step),
                candidate.validation_ndcg_at_10);
  }
  return Json{{"set", set.path.filename().string()},
              {"model", model},
              {"winner", report.selection->winner},
              {"untrained", ToJson(before)},
              {"whitened", ToJson(white)},
              {"trained", ToJson(after)},
              {"gain_interval_95", {gain.low, gain.high}},
              {"gain_over_whitened_interval_95", {over_whitened.low, over_whitened.high}},
              {"seconds", seconds}};
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
    } else if (flag == "--threads") {
      arguments.threads = std::max(1L, std::atol(value.c_str()));
    } else if (flag == "--seed") {
      arguments.seed = std::atol(value.c_str());
    } else if (flag == "--options") {
      arguments.options = Json::parse(value, nullptr, false);
      if (!arguments.options.is_object()) {
        return Fail(ErrorCode::kInvalidArgument, "--options must be a JSON object");
      }
    } else {
      return Fail(ErrorCode::kInvalidArgument, "unknown argument '" + flag + "'");
    }
  }
  if (arguments.data.empty()) return Fail(ErrorCode::kInvalidArgument, "--data is missing");
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
  for (const auto& entry : fs::directory_iterator(arguments.data / "retrieval")) {
    if (entry.is_directory()) sets.push_back(entry.path());
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
      const auto row = RunOne(set, model, arguments, folder);
      if (!row) {
        std::printf("  %s\n", row.error().message.c_str());
        continue;
      }
      Json entry = *row;
      for (const char* side : {"both", "query"}) {
        const std::string method = model + " + full adapter, " + side + " side";
        const auto found = reference.find(method);
        if (found == reference.end() || !found->second.contains(name)) continue;
        entry["reference"][side] = found->second.at(name);
        std::printf("  reference  %s (%s)\n", found->second.at(name).c_str(), method.c_str());
      }
      std::fflush(stdout);
      results.push_back(std::move(entry));
    }
  }
  fs::remove_all(folder);
  if (arguments.json.empty()) return {};
  return WriteFileAtomically(arguments.json, results.dump(2) + "\n");
}

}  // namespace
}  // namespace almagest::training

int main(int argc, char** argv) {
  using namespace almagest::training;
  const auto arguments = ParseArguments(argc, argv);
  if (!arguments) {
    std::fprintf(stderr, "%s\n", arguments.error().message.c_str());
    return 2;
  }
  RestartWithThreads(arguments->threads, argv);
  const auto done = RunAll(*arguments);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return 1;
}
