// `almagest-bench ingest`: loading a collection through REST, as JSON and as .npy arrays: points
// acknowledged per second, time until all of them are indexed, and what reading the JSON costs
// beside simdjson alone (`--only parse`: just that, of generated points of 24, 100 and 784 floats).
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <thread>

#include "http/json_reader.h"
#include "http/write_parser.h"
#include "tests/bench/bench_data.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/http_connection.h"
#include "tests/bench/server_child.h"

namespace almagest::bench {
namespace {

std::string JsonBody(const AnnData& data, uint32_t first, uint32_t last) {
  nlohmann::json points = nlohmann::json::array();
  for (uint32_t row = first; row < last; ++row) {
    points.push_back(
        {{"id", row},
         {"vector", std::vector<float>(data.Row(row), data.Row(row) + data.dimension)}});
  }
  return nlohmann::json{{"points", points}}.dump();
}

struct Piece {
  std::string target;
  std::string body;
};

// Two connections take the pieces in turn; the answers are waited for.
Result<double> SendAll(uint16_t port, const std::vector<Piece>& pieces, const char* type) {
  constexpr size_t kConnections = 2;
  std::vector<Result<>> results(kConnections);
  const double start = SecondsNow();
  std::vector<std::thread> threads;
  for (size_t worker = 0; worker < kConnections; ++worker) {
    threads.emplace_back([&, worker] {
      results[worker] = [&]() -> Result<> {
        ALMAGEST_TRY(auto connection, HttpConnection::Open(port));
        for (size_t i = worker; i < pieces.size(); i += kConnections) {
          ALMAGEST_TRY(const auto answer,
                       connection.Send("PUT", pieces[i].target, pieces[i].body, type));
          if (answer.status != 200) return Fail(ErrorCode::kInternal, answer.body);
        }
        return {};
      }();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Result<>& result : results) ALMAGEST_TRY_VOID(result);
  return SecondsNow() - start;
}

// Until no growing segment is left to seal and nothing else to optimize.
Result<double> AwaitIndexed(uint16_t port) {
  const double start = SecondsNow();
  ALMAGEST_TRY(auto connection, HttpConnection::Open(port));
  for (int calm = 0; calm < 3;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ALMAGEST_TRY(const auto answer, connection.Send("GET", "/collections/bench", ""));
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    calm = json["result"]["status"] == "green" ? calm + 1 : 0;
  }
  return SecondsNow() - start - 0.3;
}

Result<> MeasureWay(const AnnData& data, bool json, uint32_t batch, BenchReport& report) {
  ScratchFolder scratch;
  ALMAGEST_TRY(auto server, ServerChild::Start(scratch.path() / "data"));
  const nlohmann::json config = {
      {"vectors", {{"size", data.dimension}, {"distance", data.cosine ? "Cosine" : "Euclid"}}}};
  // A connection of its own for each call: the server closes those that were idle for long.
  ALMAGEST_TRY(auto connection, HttpConnection::Open(server.port()));
  ALMAGEST_TRY(const auto created, connection.Send("PUT", "/collections/bench", config.dump()));
  if (created.status != 200) return Fail(ErrorCode::kInternal, created.body);
  std::vector<Piece> pieces;
  for (uint32_t first = 0; first < data.rows; first += batch) {
    const uint32_t last = std::min(data.rows, first + batch);
    pieces.push_back(
        {"/collections/bench/points?wait=true" + (json ? "" : "&first_id=" + std::to_string(first)),
         json ? JsonBody(data, first, last)
              : NpyArray(data.Row(first), last - first, data.dimension)});
  }
  ALMAGEST_TRY(
      const double acknowledged,
      SendAll(server.port(), pieces, json ? "application/json" : "application/octet-stream"));
  ALMAGEST_TRY(const double indexed, AwaitIndexed(server.port()));
  ALMAGEST_TRY(auto counting, HttpConnection::Open(server.port()));
  ALMAGEST_TRY(const auto counted,
               counting.Send("POST", "/collections/bench/points/count", R"({"exact":true})"));
  const auto count = nlohmann::json::parse(counted.body, nullptr, false)["result"]["count"];
  if (count != data.rows) return Fail(ErrorCode::kInternal, "points are missing: " + counted.body);
  const char* way = json ? "json" : "npy";
  std::printf("| %s, %u a request | %.0f | %.1f | %.1f |\n", way, batch, data.rows / acknowledged,
              acknowledged, acknowledged + indexed);
  report.Add({{"system", "almagest"},
              {"dataset", data.name},
              {"way", way},
              {"points_per_request", batch},
              {"acknowledged_per_second", data.rows / acknowledged},
              {"acknowledged_seconds", acknowledged},
              {"indexed_seconds", acknowledged + indexed}});
  return {};
}

// Reading one body of JSON again and again: simdjson's parser alone, and all of ours, in turn. The
// best of many short stretches counts, since other programs run beside this one.
Result<> MeasureParsing(const AnnData& data, uint32_t batch, double seconds, BenchReport& report) {
  const std::string body = JsonBody(data, 0, std::min(batch, data.rows));
  double rates[2] = {};
  constexpr int kStretches = 200;
  for (int stretch = 0; stretch < kStretches; ++stretch) {
    for (const bool ours : {false, true}) {
      TextModels models((std::filesystem::path()));
      size_t bytes = 0;
      const double start = SecondsNow();
      while (SecondsNow() - start < seconds / kStretches) {
        ALMAGEST_TRY(const JsonValue value, ParseJsonBody(body));
        if (ours) {
          ALMAGEST_TRY_VOID(ParseWithTexts(
              models, 1, [&](TextResolver& texts) { return ParseUpsert(value, texts); }));
        }
        bytes += body.size();
      }
      rates[ours] =
          std::max(rates[ours], static_cast<double>(bytes) / (SecondsNow() - start) / 1e6);
    }
  }
  std::printf(
      "reading JSON of %u floats a point: %.0f MB/s by simdjson alone, %.0f MB/s with all of ours "
      "(%.0f %% more time)\n",
      data.dimension, rates[0], rates[1], (rates[0] / rates[1] - 1) * 100);
  report.Add({{"system", "almagest"},
              {"dataset", data.name},
              {"way", "parse"},
              {"dimension", data.dimension},
              {"parse_floor_mb_per_second", rates[0]},
              {"parse_mb_per_second", rates[1]}});
  return {};
}

Result<> MeasureIngest(const AnnData& data, uint32_t batch, double seconds, BenchReport& report) {
  std::printf("\n%s: through REST, two connections, durability sync\n", data.name.c_str());
  std::printf(
      "| as | acknowledged points/s | all acknowledged s | all indexed s |\n"
      "| --- | --- | --- | --- |\n");
  ALMAGEST_TRY_VOID(MeasureWay(data, true, batch, report));
  ALMAGEST_TRY_VOID(MeasureWay(data, false, batch, report));
  return MeasureParsing(data, batch, seconds, report);
}

Result<int> RunIngest(const BenchOptions& options) {
  BenchReport report;
  const auto batch = static_cast<uint32_t>(options.Number("batch", 500));
  if (options.tiny) {
    ALMAGEST_TRY_VOID(MeasureIngest(MakeClusteredData(600, 1, 24, 1), 100, 0.01, report));
  }
  if (options.Text("only", "") == "parse") {
    for (const uint32_t dimension : {24u, 100u, 784u}) {
      ALMAGEST_TRY_VOID(
          MeasureParsing(MakeClusteredData(batch, 1, dimension, 1), batch, 1.0, report));
    }
    ALMAGEST_TRY_VOID(report.Write(options.json_path));
    return 0;
  }
  for (const std::string& specification : options.data) {
    ALMAGEST_TRY(const AnnData data,
                 LoadAnnData(specification, 1, ExecutableFolder() / "bench-truth"));
    ALMAGEST_TRY_VOID(MeasureIngest(data, batch, 1.0, report));
  }
  ALMAGEST_TRY_VOID(report.Write(options.json_path));
  return 0;
}

}  // namespace

int RunIngestBench(const std::vector<std::string>& arguments) {
  const auto options = ParseBenchOptions(arguments, {"batch", "only"});
  const auto code = options ? RunIngest(*options) : Result<int>(Fail(options.error()));
  if (code) return *code;
  std::cerr << code.error().message << "\n";
  return 1;
}

}  // namespace almagest::bench
