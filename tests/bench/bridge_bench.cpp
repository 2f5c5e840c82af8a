// `almagest-bench bridge`: what a search costs while a collection moves from one embedding model to
// another. The new space is the old one with its components in reverse order, so the bridge is
// exact and recall can be told; the two fields know nothing of that. In this process, one thread,
// CPU time, rounds interleaved.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <random>

#include "engine/collection/bridge.h"
#include "engine/search/query_executor.h"
#include "storage/base/check.h"
#include "storage/base/safetensors.h"
#include "storage/memory_store.h"
#include "tests/bench/bench_data.h"
#include "tests/bench/benchmark.h"

namespace almagest::bench {
namespace {

constexpr size_t kBridgeBatch = 1000;
constexpr int kBridgeRounds = 5;

double CpuOfThread() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

DenseVector OldVector(const float* row, uint32_t dimension) {
  return DenseVector(row, row + dimension);
}
DenseVector NewVector(const float* row, uint32_t dimension) {
  DenseVector vector = OldVector(row, dimension);
  std::reverse(vector.begin(), vector.end());
  return vector;
}

class Migration {
 public:
  Migration(const AnnData& data, uint32_t rows) : data_(data), rows_(rows) {}

  // All points have old vectors, and a bridge is active.
  Result<> Open() {
    CollectionConfig config;
    for (const char* name : {"new", "old"}) {
      config.dense[name].dimension = data_.dimension;
      config.dense[name].distance = Distance::kCosine;
      config.dense[name].hnsw.full_scan_threshold_kb = 1;
    }
    config.optimizer.seal_rows = std::max(rows_, 1000u);
    ALMAGEST_TRY(collection_, Collection::Open(1, "bridge", config, store_, folder_.path()));
    for (uint32_t first = 0; first < rows_; first += kBridgeBatch) {
      UpsertOperation upsert;
      for (uint32_t row = first; row < std::min<uint32_t>(rows_, first + kBridgeBatch); ++row) {
        PointInput& point = upsert.points.emplace_back();
        point.id = uint64_t{row};
        point.vectors["old"] = OldVector(data_.Row(row), data_.dimension);
      }
      const WriteOperation operations[] = {std::move(upsert)};
      ALMAGEST_TRY_VOID(collection_->Write(operations, Durability::kProcess));
    }
    return AddBridge();
  }
  // The points `ids` get their new vectors.
  Result<> Encode(std::span<const uint32_t> ids) {
    for (size_t first = 0; first < ids.size(); first += kBridgeBatch) {
      UpdateVectorsOperation update;
      for (const uint32_t id : ids.subspan(first, std::min(kBridgeBatch, ids.size() - first))) {
        PointInput& point = update.points.emplace_back();
        point.id = uint64_t{id};
        point.vectors["new"] = NewVector(data_.Row(id), data_.dimension);
      }
      const WriteOperation operations[] = {std::move(update)};
      ALMAGEST_TRY_VOID(collection_->Write(operations, Durability::kProcess));
    }
    return {};
  }
  Result<> Settle() {
    while (true) {
      ALMAGEST_TRY(const bool worked, collection_->OptimizeOnce([](double) { return true; }));
      if (!worked) return {};
    }
  }
  // The ids of each query's ten nearest, and the seconds that one took.
  Result<double> Ask(const char* field, bool exact, std::vector<std::vector<PointId>>& answers) {
    QueryRequest request;
    request.root.using_vector = field;
    request.root.params.exact = exact;
    const auto vector_of = std::string_view(field) == "new" ? NewVector : OldVector;
    answers.clear();
    double seconds = 0;
    for (uint32_t q = 0; q < data_.queries; ++q) {
      request.root.query = NearestQuery{vector_of(data_.Query(q), data_.dimension)};
      const double start = CpuOfThread();
      ALMAGEST_TRY(const auto hits, ExecuteQuery(*collection_, request));
      seconds += CpuOfThread() - start;
      std::vector<PointId>& ids = answers.emplace_back();
      for (const Hit& hit : hits) ids.push_back(hit.id);
      std::sort(ids.begin(), ids.end());
    }
    return seconds / data_.queries;
  }

 private:
  Result<> AddBridge() {
    const auto d = static_cast<int64_t>(data_.dimension);
    std::vector<float> weight(data_.dimension * data_.dimension);
    for (size_t i = 0; i < data_.dimension; ++i) {
      weight[i * data_.dimension + data_.dimension - 1 - i] = 1;
    }
    const std::vector<float> bias(data_.dimension), ends = {-1, 1};
    SafetensorsWriter writer;
    writer.SetMetadata("format_version", "1");
    writer.SetMetadata("direction", "queries");
    writer.SetMetadata("from", "new");
    writer.SetMetadata("to", "old");
    writer.SetMetadata("from_dimension", std::to_string(data_.dimension));
    writer.SetMetadata("to_dimension", std::to_string(data_.dimension));
    writer.AddFloat32("weight", {d, d}, weight);
    writer.AddFloat32("bias", {d}, bias);
    writer.AddFloat32("curve_inputs", {2}, ends);
    writer.AddFloat32("curve_outputs", {2}, ends);
    BridgeRecord record;
    record.from_name = "new";
    record.to_name = "old";
    ALMAGEST_TRY(const auto from, collection_->FindField("new"));
    ALMAGEST_TRY(const auto to, collection_->FindField("old"));
    record.from = from.id;
    record.to = to.id;
    ALMAGEST_TRY(const uint64_t id, collection_->AddBridge(record, writer.Serialize()));
    return collection_->ActivateBridge(id);
  }

  const AnnData& data_;
  const uint32_t rows_;
  ScratchFolder folder_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
};

double SharedShare(const std::vector<std::vector<PointId>>& found,
                   const std::vector<std::vector<PointId>>& truth) {
  size_t hits = 0;
  size_t wanted = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    for (const PointId& id : truth[q]) {
      hits += std::binary_search(found[q].begin(), found[q].end(), id) ? 1 : 0;
    }
    wanted += truth[q].size();
  }
  return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
}

Result<> MeasureBridge(const AnnData& data, uint32_t rows, BenchReport& report) {
  std::printf("\n%s: %u rows, %u queries, the ten nearest\n", data.name.c_str(), rows,
              data.queries);
  std::printf(
      "| re-encoded | recall@10 through the bridge | us a search | by the old field alone |\n"
      "| --- | --- | --- | --- |\n");
  Migration migration(data, rows);
  ALMAGEST_TRY_VOID(migration.Open());
  ALMAGEST_TRY_VOID(migration.Settle());
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  std::mt19937_64 random(9);
  std::shuffle(order.begin(), order.end(), random);
  size_t encoded = 0;
  for (const unsigned percent : {0u, 10u, 50u, 100u}) {
    const size_t wanted = size_t{rows} * percent / 100;
    ALMAGEST_TRY_VOID(migration.Encode(std::span(order).subspan(encoded, wanted - encoded)));
    encoded = wanted;
    ALMAGEST_TRY_VOID(migration.Settle());
    std::vector<std::vector<PointId>> truth, found;
    ALMAGEST_TRY_VOID(migration.Ask("old", /*exact=*/true, truth));
    std::vector<double> bridged, plain;
    for (int round = 0; round < kBridgeRounds; ++round) {
      ALMAGEST_TRY(const double old_seconds, migration.Ask("old", false, found));
      plain.push_back(old_seconds);
      ALMAGEST_TRY(const double seconds, migration.Ask("new", false, found));
      bridged.push_back(seconds);
    }
    const double recall = SharedShare(found, truth);
    const double seconds = Percentile(bridged, 0.5);
    const double old_seconds = Percentile(plain, 0.5);
    std::printf("| %u %% | %.3f | %.1f | %.1f |\n", percent, recall, seconds * 1e6,
                old_seconds * 1e6);
    report.Add({{"system", "almagest"},
                {"dataset", data.name},
                {"encoded_percent", percent},
                {"recall_at_10", recall},
                {"seconds", seconds},
                {"old_field_seconds", old_seconds}});
  }
  return {};
}

Result<int> RunBridge(const BenchOptions& options) {
  BenchReport report;
  const auto queries = static_cast<uint32_t>(options.Number("queries", 1000));
  if (options.tiny) {
    ALMAGEST_TRY_VOID(MeasureBridge(MakeClusteredData(1500, 20, 24, 1), 1500, report));
  }
  for (const std::string& specification : options.data) {
    ALMAGEST_TRY(const AnnData data,
                 LoadAnnData(specification, queries, ExecutableFolder() / "bench-truth"));
    const uint64_t rows = std::min<uint64_t>(options.Number("rows", 60'000), data.rows);
    ALMAGEST_TRY_VOID(MeasureBridge(data, static_cast<uint32_t>(rows), report));
  }
  ALMAGEST_TRY_VOID(report.Write(options.json_path));
  return 0;
}

}  // namespace

int RunBridgeBench(const std::vector<std::string>& arguments) {
  const auto options = ParseBenchOptions(arguments, {"queries", "rows"});
  const auto code = options ? RunBridge(*options) : Result<int>(Fail(options.error()));
  if (code) return *code;
  std::cerr << code.error().message << "\n";
  return 1;
}

}  // namespace almagest::bench
