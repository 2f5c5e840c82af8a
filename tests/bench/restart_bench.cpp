// `almagest-bench restart`: from the start of the process to the first correct answer, after a
// clean stop and after kill -9 with rows that no segment holds yet.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <random>

#include "engine/database.h"
#include "storage/base/check.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/http_connection.h"
#include "tests/bench/server_child.h"

namespace almagest::bench {
namespace {

constexpr uint64_t kRestartBatch = 2000;
constexpr char kName[] = "restart";

struct Size {
  uint64_t rows;
  uint32_t dimension;
  uint64_t tail;
  unsigned runs;
  uint32_t build_beam;
};

// The same vector for the same id everywhere; on a surface of few dimensions, as real ones are.
DenseVector VectorOf(uint64_t id, uint32_t dimension) {
  constexpr uint32_t kInner = 12;
  static const std::vector<float> basis = [] {
    std::mt19937_64 random(0);
    std::vector<float> values(size_t{kInner} * 1024);
    for (float& value : values) value = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
    return values;
  }();
  std::mt19937_64 random(id + 1);
  DenseVector vector(dimension);
  for (uint32_t k = 0; k < kInner; ++k) {
    const auto weight = static_cast<float>(random() % 20'001) / 10'000.0f - 1.0f;
    for (uint32_t i = 0; i < dimension; ++i) vector[i] += weight * basis[k * 1024 + i];
  }
  return vector;
}

Result<> FillForRestart(const std::filesystem::path& data, const Size& size) {
  DatabaseOptions options;
  options.data_directory = data;
  options.optimizer_enabled = false;  // Steps are taken here, with all of a core.
  ALMAGEST_TRY(const auto database, Database::Open(options));
  CollectionConfig config;
  config.dense[""].dimension = size.dimension;
  config.dense[""].distance = Distance::kEuclid;
  config.dense[""].hnsw.degree = 8;
  config.dense[""].hnsw.build_beam = size.build_beam;
  config.optimizer.seal_rows = static_cast<uint32_t>(std::max<uint64_t>(1000, size.rows / 4));
  config.payload_indexes["group"] = PayloadIndexType::kInteger;
  ALMAGEST_TRY_VOID(database->CreateCollection(kName, config));
  ALMAGEST_TRY(const auto collection, database->FindCollection(kName));
  for (uint64_t first = 0; first < size.rows; first += kRestartBatch) {
    UpsertOperation upsert;
    for (uint64_t id = first; id < std::min(size.rows, first + kRestartBatch); ++id) {
      PointInput point;
      point.id = id;
      point.vectors[""] = VectorOf(id, size.dimension);
      point.payload = R"({"group":)" + std::to_string(id % 10) + "}";
      upsert.points.push_back(std::move(point));
    }
    const WriteOperation operations[] = {std::move(upsert)};
    ALMAGEST_TRY_VOID(collection->Write(operations, Durability::kProcess));
    if ((first / kRestartBatch) % 10 == 9) {
      ALMAGEST_TRY_VOID(collection->OptimizeOnce([](double) { return true; }));
    }
  }
  while (true) {
    ALMAGEST_TRY(const bool worked, collection->OptimizeOnce([](double) { return true; }));
    if (worked) continue;
    // The tiny form has too few points for a checkpoint of the optimizer's own.
    return size.rows < 20'000 ? collection->Checkpoint() : Result<>();
  }
}

// The point's own vector must find it first.
Result<> Ask(HttpConnection& connection, uint64_t id, const Size& size) {
  const nlohmann::json query = {{"query", VectorOf(id, size.dimension)}, {"limit", 1}};
  ALMAGEST_TRY(const auto answer,
               connection.Send("POST", "/collections/restart/points/query", query.dump()));
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  if (answer.status == 200 && json["result"]["points"][0]["id"] == id) return {};
  return Fail(ErrorCode::kInternal, "point " + std::to_string(id) +
                                        " was not found: " + std::to_string(answer.status) + " " +
                                        answer.body.substr(0, 200));
}

Result<> WriteTail(uint16_t port, const Size& size) {
  ALMAGEST_TRY(auto connection, HttpConnection::Open(port));
  for (uint64_t first = 0; first < size.tail; first += kRestartBatch / 4) {
    nlohmann::json points = nlohmann::json::array();
    for (uint64_t i = first; i < std::min(size.tail, first + kRestartBatch / 4); ++i) {
      points.push_back({{"id", size.rows + i},
                        {"vector", VectorOf(size.rows + i, size.dimension)},
                        {"payload", {{"group", 99}}}});
    }
    ALMAGEST_TRY(const auto answer,
                 connection.Send("PUT", "/collections/restart/points?durability=process&wait=true",
                                 nlohmann::json{{"points", points}}.dump()));
    if (answer.status != 200) return Fail(ErrorCode::kInternal, answer.body);
  }
  return {};
}

Result<int> RunRestart(const BenchOptions& options) {
  Size size{options.Number("rows", 1'000'000), 128, options.Number("tail", 5'000), 5,
            static_cast<uint32_t>(options.Number("build-beam", 16))};
  if (options.tiny) size = {3'000, 16, 300, 1, 16};
  ScratchFolder scratch;
  const auto data = scratch.path() / "data";
  const double fill_start = SecondsNow();
  ALMAGEST_TRY_VOID(FillForRestart(data, size));
  std::fprintf(stderr, "filled and indexed in %.0f s\n", SecondsNow() - fill_start);
  BenchReport report;
  std::printf("restart, %llu x %u, %llu unsealed rows after kill -9\n",
              static_cast<unsigned long long>(size.rows), size.dimension,
              static_cast<unsigned long long>(size.tail));
  std::printf(
      "| end before | run | first correct answer ms | CPU ms | memory then MB |\n"
      "| --- | --- | --- | --- | --- |\n");
  bool has_tail = false;
  for (const char* end : {"stop", "kill -9"}) {
    for (unsigned run = 0; run < size.runs; ++run) {
      ALMAGEST_TRY(auto server, ServerChild::Start(data, {"--optimizer-cpu-share", "0.05"}));
      ALMAGEST_TRY(auto connection, HttpConnection::Open(server.port()));
      ALMAGEST_TRY_VOID(Ask(connection, has_tail ? size.rows : size.rows / 2, size));
      const double seconds = SecondsNow() - server.started();
      const double cpu = server.CpuSeconds();
      const uint64_t resident = server.ResidentBytes();
      ALMAGEST_TRY_VOID(Ask(connection, 7, size));
      std::printf("| %s | %u | %.0f | %.0f | %.0f |\n", end, run, seconds * 1e3, cpu * 1e3,
                  static_cast<double>(resident) / 1e6);
      report.Add({{"system", "almagest"},
                  {"dataset", "synthetic-" + std::to_string(size.rows)},
                  {"end", end},
                  {"rows", size.rows},
                  {"unsealed_rows", has_tail ? size.tail : 0},
                  {"first_answer_seconds", seconds},
                  {"cpu_seconds", cpu},
                  {"resident_bytes", resident}});
      if (run + 1 == size.runs && !has_tail) {
        ALMAGEST_TRY_VOID(WriteTail(server.port(), size));
        has_tail = true;
        server.Kill();
      } else if (has_tail) {
        server.Kill();
      } else {
        server.Stop();
      }
    }
  }
  ALMAGEST_TRY_VOID(report.Write(options.json_path));
  return 0;
}

}  // namespace

int RunRestartBench(const std::vector<std::string>& arguments) {
  const auto options = ParseBenchOptions(arguments, {"rows", "tail", "build-beam"});
  const auto code = options ? RunRestart(*options) : Result<int>(Fail(options.error()));
  if (code) return *code;
  std::cerr << code.error().message << "\n";
  return 1;
}

}  // namespace almagest::bench
