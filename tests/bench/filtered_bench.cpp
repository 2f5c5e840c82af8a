// `almagest-bench filtered`: recall and speed of filtered search at several selectivities, for a
// filter that has nothing to do with the vectors and for one that has, beside an exact scan of the
// matching rows and the unfiltered search.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <random>

#include "engine/search/query_executor.h"
#include "tests/bench/bench_data.h"
#include "tests/bench/benchmark.h"

namespace almagest::bench {
namespace {

constexpr double kPercents[] = {0.1, 1, 5, 10, 25, 50, 90};
constexpr uint32_t kRanks = 10'000;  // Payload values 0..9,999, equally often.

// The rank of each row, scaled to kRanks, by its product with a random direction.
std::vector<uint32_t> RanksAlongADirection(const AnnData& data) {
  std::mt19937_64 random(3);
  std::vector<float> direction(data.dimension);
  for (float& value : direction) value = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
  std::vector<std::pair<float, uint32_t>> order;
  for (uint32_t row = 0; row < data.rows; ++row) {
    order.emplace_back(std::inner_product(direction.begin(), direction.end(), data.Row(row), 0.0f),
                       row);
  }
  std::sort(order.begin(), order.end());
  std::vector<uint32_t> ranks(data.rows);
  for (uint32_t i = 0; i < data.rows; ++i) {
    ranks[order[i].second] = static_cast<uint32_t>(uint64_t{i} * kRanks / data.rows);
  }
  return ranks;
}

std::vector<uint32_t> RandomRanks(const AnnData& data) {
  std::vector<uint32_t> ranks(data.rows);
  for (uint32_t row = 0; row < data.rows; ++row) {
    ranks[row] = static_cast<uint32_t>(uint64_t{row} * kRanks / data.rows);
  }
  std::mt19937_64 random(4);
  std::shuffle(ranks.begin(), ranks.end(), random);
  return ranks;
}

struct Run {
  double recall = 1;
  double qps = 0;
  std::vector<std::vector<PointId>> found;
};

Result<Run> Search(const Collection& collection, const AnnData& data, QueryRequest request) {
  Run run;
  double seconds = 0;
  for (uint32_t q = 0; q < data.queries; ++q) {
    request.root.query = NearestQuery{DenseVector(data.Query(q), data.Query(q) + data.dimension)};
    const double start = SecondsNow();
    ALMAGEST_TRY(const auto hits, ExecuteQuery(collection, request));
    seconds += SecondsNow() - start;
    std::vector<PointId>& ids = run.found.emplace_back();
    for (const Hit& hit : hits) ids.push_back(hit.id);
    std::sort(ids.begin(), ids.end());
  }
  run.qps = data.queries / seconds;
  return run;
}

double Recall(const Run& run, const Run& truth) {
  size_t hits = 0;
  size_t wanted = 0;
  for (size_t q = 0; q < truth.found.size(); ++q) {
    std::vector<PointId> both;
    std::set_intersection(run.found[q].begin(), run.found[q].end(), truth.found[q].begin(),
                          truth.found[q].end(), std::back_inserter(both));
    hits += both.size();
    wanted += truth.found[q].size();
  }
  return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
}

Result<> MeasureFiltered(const AnnData& data, BenchReport& report) {
  ScratchFolder scratch;
  ALMAGEST_TRY(const auto database, OpenBenchDatabase(scratch.path() / "data"));
  const auto related = RanksAlongADirection(data);
  const auto unrelated = RandomRanks(data);
  ALMAGEST_TRY_VOID(FillCollection(*database, data,
                                   [&](uint32_t row) {
                                     return R"({"related":)" + std::to_string(related[row]) +
                                            R"(,"unrelated":)" + std::to_string(unrelated[row]) +
                                            "}";
                                   },
                                   {"related", "unrelated"}));
  ALMAGEST_TRY(const auto collection, database->FindCollection(kBenchCollection));
  ALMAGEST_TRY(const Run unfiltered, Search(*collection, data, {}));
  std::printf("\n%s: %u queries, one thread; unfiltered search %.0f/s\n", data.name.c_str(),
              data.queries, unfiltered.qps);
  std::printf(
      "| filter | matches %% | recall@10 | QPS | exact scan of matches QPS | slower of both / ours "
      "|\n"
      "| --- | --- | --- | --- | --- | --- |\n");
  for (const char* key : {"unrelated", "related"}) {
    for (const double percent : kPercents) {
      QueryRequest request;
      request.root.filter = Filter();
      Range range;
      range.lt = percent / 100 * kRanks;
      request.root.filter->must.push_back(FieldCondition{key, range});
      ALMAGEST_TRY(const Run run, Search(*collection, data, request));
      request.root.params.exact = true;
      ALMAGEST_TRY(const Run exact, Search(*collection, data, request));
      const double recall = Recall(run, exact);
      const double slower = std::min(exact.qps, unfiltered.qps);
      std::printf("| %s | %.1f | %.3f | %.0f | %.0f | %.2f |\n", key, percent, recall, run.qps,
                  exact.qps, slower / run.qps);
      report.Add({{"system", "almagest"},
                  {"dataset", data.name},
                  {"filter", key},
                  {"selectivity_percent", percent},
                  {"recall_at_10", recall},
                  {"qps", run.qps},
                  {"exact_qps", exact.qps},
                  {"unfiltered_qps", unfiltered.qps}});
    }
  }
  return {};
}

Result<int> RunFiltered(const BenchOptions& options) {
  BenchReport report;
  const auto queries = static_cast<uint32_t>(options.Number("queries", 500));
  if (options.tiny) {
    ALMAGEST_TRY_VOID(MeasureFiltered(MakeClusteredData(2000, 20, 24, 1), report));
  }
  for (const std::string& specification : options.data) {
    ALMAGEST_TRY(const AnnData data,
                 LoadAnnData(specification, queries, ExecutableFolder() / "bench-truth"));
    ALMAGEST_TRY_VOID(MeasureFiltered(data, report));
  }
  ALMAGEST_TRY_VOID(report.Write(options.json_path));
  return 0;
}

}  // namespace

int RunFilteredBench(const std::vector<std::string>& arguments) {
  const auto options = ParseBenchOptions(arguments, {"queries"});
  const auto code = options ? RunFiltered(*options) : Result<int>(Fail(options.error()));
  if (code) return *code;
  std::cerr << code.error().message << "\n";
  return 1;
}

}  // namespace almagest::bench
