// `almagest-bench churn`: what deletions, updates in place and a re-embedding leave behind: recall
// and speed of a collection that went through them, once its optimizer is idle, beside a collection
// that got the same points at once. In this process, one thread, CPU time.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <random>

#include "engine/search/query_executor.h"
#include "storage/base/check.h"
#include "storage/base/safetensors.h"
#include "storage/memory_store.h"
#include "tests/bench/bench_data.h"
#include "tests/bench/benchmark.h"

namespace almagest::bench {
namespace {

constexpr size_t kPointsPerWrite = 1000;
constexpr int kChurnRounds = 5;

// One collection, changed and optimized by hand.
class Subject {
 public:
  explicit Subject(const AnnData& data) : data_(data) {}

  // Sealed when it has `rows`.
  Result<> Open(uint32_t rows) {
    CollectionConfig config;
    config.dense[""].dimension = data_.dimension;
    config.dense[""].distance = data_.cosine ? Distance::kCosine : Distance::kEuclid;
    config.dense[""].hnsw.full_scan_threshold_kb = 1;
    config.optimizer.seal_rows = std::max(rows, 1000u);
    ALMAGEST_TRY(collection_, Collection::Open(1, "churn", config, store_, folder_.path()));
    return {};
  }
  // The points `ids`, each with the vector of the row `row_of` gives.
  template <class RowOf>
  Result<> Upsert(const std::vector<uint32_t>& ids, const RowOf& row_of) {
    for (size_t first = 0; first < ids.size(); first += kPointsPerWrite) {
      UpsertOperation upsert;
      for (size_t i = first; i < std::min(ids.size(), first + kPointsPerWrite); ++i) {
        PointInput& point = upsert.points.emplace_back();
        point.id = uint64_t{ids[i]};
        const float* row = data_.Row(row_of(ids[i]));
        point.vectors[""] = DenseVector(row, row + data_.dimension);
      }
      const WriteOperation operations[] = {std::move(upsert)};
      ALMAGEST_TRY_VOID(collection_->Write(operations, Durability::kProcess));
    }
    return {};
  }
  Result<> Delete(std::span<const uint32_t> ids) {
    std::vector<PointId> points;
    for (const uint32_t id : ids) points.emplace_back(uint64_t{id});
    const WriteOperation operations[] = {DeletePointsOperation{std::move(points)}};
    ALMAGEST_TRY_VOID(collection_->Write(operations, Durability::kProcess));
    return {};
  }
  // A version that maps queries and documents by a reflection: the same neighbours, other rows.
  Result<> Reembed(uint64_t seed) {
    const size_t d = data_.dimension;
    std::mt19937_64 random(seed);
    std::vector<double> axis(d);
    for (double& value : axis) value = static_cast<double>(random() % 2001) / 1000.0 - 1.0;
    const double square = std::inner_product(axis.begin(), axis.end(), axis.begin(), 0.0);
    std::vector<float> weights(d * d);
    for (size_t i = 0; i < d; ++i) {
      for (size_t j = 0; j < d; ++j) {
        weights[i * d + j] =
            static_cast<float>((i == j ? 1.0 : 0.0) - 2.0 * axis[i] * axis[j] / square);
      }
    }
    const std::vector<float> bias(d, 0.0f);
    const auto size = static_cast<int64_t>(d);
    SafetensorsWriter writer;
    writer.SetMetadata("format_version", "1");
    writer.SetMetadata("kind", "two_sided_linear");
    writer.SetMetadata("document_side", "linear");
    writer.SetMetadata("dimension", std::to_string(d));
    for (const char* side : {"query", "document"}) {
      writer.AddFloat32(side + std::string("_weight"), {size, size}, weights);
      writer.AddFloat32(side + std::string("_bias"), {size}, bias);
    }
    ALMAGEST_TRY(const VersionId version, collection_->AddVersion("", {}, writer.Serialize()));
    ALMAGEST_TRY_VOID(collection_->ActivateVersion("", version));
    ALMAGEST_TRY_VOID(Settle());
    ALMAGEST_TRY(const ReembeddingProgress progress, collection_->Reembedding(""));
    ALMAGEST_CHECK(progress.rows_done == progress.rows_total);
    return {};
  }
  Result<> Settle() {
    while (true) {
      ALMAGEST_TRY(const bool worked, collection_->OptimizeOnce([](double) { return true; }));
      if (!worked) return {};
    }
  }
  const Collection& collection() const { return *collection_; }

 private:
  const AnnData& data_;
  ScratchFolder folder_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
};

using Answers = std::vector<std::vector<PointId>>;

double ThreadSeconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

Result<double> Ask(const Subject& subject, const AnnData& data, const SearchParams& params,
                   Answers& answers) {
  answers.clear();
  QueryRequest request;
  request.root.params = params;
  double seconds = 0;
  for (uint32_t q = 0; q < data.queries; ++q) {
    request.root.query = NearestQuery{DenseVector(data.Query(q), data.Query(q) + data.dimension)};
    const double start = ThreadSeconds();
    ALMAGEST_TRY(const auto hits, ExecuteQuery(subject.collection(), request));
    seconds += ThreadSeconds() - start;
    std::vector<PointId>& ids = answers.emplace_back();
    for (const Hit& hit : hits) ids.push_back(hit.id);
    std::sort(ids.begin(), ids.end());
  }
  return data.queries / seconds;
}

double Recall(const Answers& found, const Answers& truth) {
  size_t hits = 0;
  size_t wanted = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    std::vector<PointId> both;
    std::set_intersection(found[q].begin(), found[q].end(), truth[q].begin(), truth[q].end(),
                          std::back_inserter(both));
    hits += both.size();
    wanted += truth[q].size();
  }
  return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
}

Result<> Compare(const char* what, const Subject& changed, const Subject& fresh,
                 const AnnData& data, BenchReport& report) {
  SearchParams exact;
  exact.exact = true;
  Answers truth;
  ALMAGEST_TRY_VOID(Ask(fresh, data, exact, truth));
  // By the beams found at seal time, and by one for both.
  for (const uint32_t beam_width : {0u, 64u}) {
    SearchParams params;
    if (beam_width > 0) params.beam_width = beam_width;
    Answers answers[2];
    std::vector<double> qps[2];
    for (int round = 0; round < kChurnRounds; ++round) {
      for (const bool is_fresh : {false, true}) {
        ALMAGEST_TRY(const double rate,
                     Ask(is_fresh ? fresh : changed, data, params, answers[is_fresh]));
        qps[is_fresh].push_back(rate);
      }
    }
    const double recall = Recall(answers[0], truth);
    const double fresh_recall = Recall(answers[1], truth);
    const double rate = Percentile(qps[0], 0.5);
    const double fresh_rate = Percentile(qps[1], 0.5);
    const std::string beam = beam_width == 0 ? "as tuned" : std::to_string(beam_width);
    std::printf("| %s | %s | %.4f | %.4f | %.0f | %.0f | %+.1f %% |\n", what, beam.c_str(), recall,
                fresh_recall, rate, fresh_rate, (rate / fresh_rate - 1) * 100);
    report.Add({{"system", "almagest"},
                {"dataset", data.name},
                {"change", what},
                {"beam_width", beam_width},
                {"recall_at_10", recall},
                {"fresh_recall_at_10", fresh_recall},
                {"qps", rate},
                {"fresh_qps", fresh_rate}});
  }
  return {};
}

Result<> MeasureChurn(const AnnData& data, BenchReport& report) {
  std::printf("\n%s: %u rows, %u queries\n", data.name.c_str(), data.rows, data.queries);
  std::printf(
      "| change | beam | recall@10 | of a fresh build | QPS | of a fresh build | difference |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n");
  std::mt19937_64 random(5);
  std::vector<uint32_t> all(data.rows);
  std::iota(all.begin(), all.end(), 0u);
  const auto own = [](uint32_t id) { return id; };
  std::vector<uint32_t> shuffled = all;
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  Subject fresh(data);
  ALMAGEST_TRY_VOID(fresh.Open(data.rows));
  ALMAGEST_TRY_VOID(fresh.Upsert(all, own));
  ALMAGEST_TRY_VOID(fresh.Settle());
  {
    const size_t deleted = data.rows * 3 / 10;
    std::vector<uint32_t> left(shuffled.begin() + static_cast<ptrdiff_t>(deleted), shuffled.end());
    std::sort(left.begin(), left.end());
    Subject changed(data);
    Subject rest(data);
    ALMAGEST_TRY_VOID(changed.Open(data.rows));
    ALMAGEST_TRY_VOID(changed.Upsert(all, own));
    ALMAGEST_TRY_VOID(changed.Settle());
    ALMAGEST_TRY_VOID(changed.Delete(std::span(shuffled).first(deleted)));
    ALMAGEST_TRY_VOID(changed.Settle());
    ALMAGEST_TRY_VOID(rest.Open(static_cast<uint32_t>(left.size())));
    ALMAGEST_TRY_VOID(rest.Upsert(left, own));
    ALMAGEST_TRY_VOID(rest.Settle());
    ALMAGEST_TRY_VOID(Compare("30 % deleted", changed, rest, data, report));
  }
  {
    Subject changed(data);
    ALMAGEST_TRY_VOID(changed.Open(data.rows));
    ALMAGEST_TRY_VOID(changed.Upsert(all, [&](uint32_t id) { return (id + 1) % data.rows; }));
    ALMAGEST_TRY_VOID(changed.Settle());
    ALMAGEST_TRY_VOID(changed.Upsert(shuffled, own));
    ALMAGEST_TRY_VOID(changed.Settle());
    ALMAGEST_TRY_VOID(Compare("all updated in place", changed, fresh, data, report));
  }
  if (!data.cosine) return {};  // Euclidean fields have no adapters.
  Subject changed(data);
  ALMAGEST_TRY_VOID(changed.Open(data.rows));
  ALMAGEST_TRY_VOID(changed.Upsert(all, own));
  ALMAGEST_TRY_VOID(changed.Settle());
  ALMAGEST_TRY_VOID(changed.Reembed(6));
  return Compare("re-embedded", changed, fresh, data, report);
}

// Rows and queries of length 1. The truth here is asked for, not the data's.
AnnData Normalised(AnnData data) {
  data.cosine = true;
  for (std::vector<float>* values : {&data.base, &data.query_values}) {
    for (size_t first = 0; first < values->size(); first += data.dimension) {
      float* row = values->data() + first;
      const float square = std::inner_product(row, row + data.dimension, row, 0.0f);
      for (uint32_t i = 0; i < data.dimension; ++i) row[i] /= std::sqrt(square);
    }
  }
  return data;
}

Result<int> RunChurn(const BenchOptions& options) {
  BenchReport report;
  const auto queries = static_cast<uint32_t>(options.Number("queries", 1000));
  if (options.tiny) {
    ALMAGEST_TRY_VOID(MeasureChurn(Normalised(MakeClusteredData(2000, 20, 24, 1)), report));
  }
  for (const std::string& specification : options.data) {
    ALMAGEST_TRY(const AnnData data,
                 LoadAnnData(specification, queries, ExecutableFolder() / "bench-truth"));
    ALMAGEST_TRY_VOID(MeasureChurn(data, report));
  }
  ALMAGEST_TRY_VOID(report.Write(options.json_path));
  return 0;
}

}  // namespace

int RunChurnBench(const std::vector<std::string>& arguments) {
  const auto options = ParseBenchOptions(arguments, {"queries"});
  const auto code = options ? RunChurn(*options) : Result<int>(Fail(options.error()));
  if (code) return *code;
  std::cerr << code.error().message << "\n";
  return 1;
}

}  // namespace almagest::bench
