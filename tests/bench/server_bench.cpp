// `almagest-bench server`: the same queries in this process and through REST (almagestd as a
// process of its own, keep-alive connections, one thread each), one query a request, 16, and 16 as
// a .npy array. And the floor: the same requests to a server that reads none of them
// (canned_server.h) and answers the same bytes.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <thread>

#include "engine/search/query_executor.h"
#include "tests/bench/bench_data.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/canned_server.h"
#include "tests/bench/http_connection.h"
#include "tests/bench/server_child.h"

namespace almagest::bench {
namespace {

// What applications with high rates put into one request.
constexpr uint32_t kBatchQueries = 16;
constexpr unsigned kConnections[] = {1, 4, 16};

struct Load {
  double qps = 0;  // Queries.
  double seconds = 0;
  double p50 = 0;  // Seconds, of a request.
  double p99 = 0;
  double own_cpu = 0;     // Of this process per query, seconds: the whole query, or the client.
  double server_cpu = 0;  // Of the server per query.
};

double OwnCpuSeconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

// `workers` threads ask for `seconds`; `make` gives each its own asker, which takes the number of a
// query and returns whether all went well.
using Asker = std::function<bool(uint32_t query)>;
Load Drive(unsigned workers, double seconds, uint32_t queries,
           const std::function<Asker(unsigned worker)>& make) {
  std::vector<std::vector<double>> times(workers);
  std::vector<Asker> askers;
  for (unsigned i = 0; i < workers; ++i) askers.push_back(make(i));
  std::atomic<bool> failed{false};
  const double cpu_start = OwnCpuSeconds();
  const double start = SecondsNow();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < workers; ++i) {
    threads.emplace_back([&, i] {
      double before = SecondsNow();
      for (uint32_t n = i * 97; before - start < seconds && !failed; ++n) {
        if (!askers[i](n % queries)) failed = true;
        const double now = SecondsNow();
        times[i].push_back(now - before);
        before = now;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double spent = SecondsNow() - start;
  std::vector<double> all;
  for (const auto& some : times) all.insert(all.end(), some.begin(), some.end());
  Load load;
  if (failed) return load;
  load.qps = static_cast<double>(all.size()) / spent;
  load.seconds = spent;
  load.p50 = Percentile(all, 0.5);
  load.p99 = Percentile(all, 0.99);
  load.own_cpu = (OwnCpuSeconds() - cpu_start) / static_cast<double>(all.size());
  return load;
}

Load MeasureEngine(const Collection& collection, const AnnData& data, unsigned threads,
                   double seconds) {
  return Drive(threads, seconds, data.queries, [&](unsigned) -> Asker {
    return [&](uint32_t q) {
      QueryRequest request;
      request.root.query = NearestQuery{DenseVector(data.Query(q), data.Query(q) + data.dimension)};
      const auto hits = ExecuteQuery(collection, request);
      return hits && hits->size() == kNeighbours;
    };
  });
}

// Requests of one kind, each with `queries` of the data's queries in their order.
struct Requests {
  std::string what;
  std::string target;
  uint32_t queries = 1;
  std::vector<std::string> bodies;
  const char* content_type = "application/json";
  std::string answer;  // The server's to the first one, byte by byte.
};

Requests MakeRequests(const AnnData& data, uint32_t per_request) {
  Requests requests;
  requests.what = "REST";
  requests.target = "/collections/bench/points/query";
  requests.queries = per_request;
  if (per_request > 1) {
    requests.what += ", " + std::to_string(per_request) + " a request";
    requests.target += "/batch";
  }
  for (uint32_t first = 0; first + per_request <= data.queries; first += per_request) {
    auto searches = nlohmann::json::array();
    for (uint32_t q = first; q < first + per_request; ++q) {
      const std::vector<float> vector(data.Query(q), data.Query(q) + data.dimension);
      searches.push_back({{"query", vector}, {"limit", kNeighbours}});
    }
    const bool single = per_request == 1;
    requests.bodies.push_back(
        (single ? searches[0] : nlohmann::json{{"searches", searches}}).dump());
  }
  return requests;
}

Requests MakeArrayRequests(const AnnData& data, uint32_t per_request) {
  Requests requests;
  requests.what = "REST, .npy, " + std::to_string(per_request) + " a request";
  requests.target = "/collections/bench/points/query/batch?limit=" + std::to_string(kNeighbours);
  requests.queries = per_request;
  requests.content_type = "application/octet-stream";
  for (uint32_t first = 0; first + per_request <= data.queries; first += per_request) {
    requests.bodies.push_back(NpyArray(data.Query(first), per_request, data.dimension));
  }
  return requests;
}

// Also keeps an answer for the floor.
Result<double> RestRecall(uint16_t port, const AnnData& data, Requests& requests) {
  ALMAGEST_TRY(auto connection, HttpConnection::Open(port));
  double sum = 0;
  uint32_t query = 0;
  for (const std::string& body : requests.bodies) {
    ALMAGEST_TRY(const auto answer,
                 connection.Send("POST", requests.target, body, requests.content_type));
    if (requests.answer.empty()) requests.answer = connection.received();
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    if (answer.status != 200) return Fail(ErrorCode::kInternal, answer.body);
    auto results = json["result"];
    if (requests.queries == 1) results = nlohmann::json::array({results});
    for (const auto& result : results) {
      std::vector<uint32_t> found;
      for (const auto& hit : result["points"]) found.push_back(hit["id"].get<uint32_t>());
      sum += data.Recall(query++, found);
    }
  }
  return query == 0 ? 0 : sum / query;
}

// Times are of requests; rates and processor time are of queries.
Load DriveHttp(uint16_t port, const Requests& requests, unsigned connections, double seconds) {
  const auto count = static_cast<uint32_t>(requests.bodies.size());
  Load load = Drive(connections, seconds, count, [&](unsigned) -> Asker {
    auto opened = HttpConnection::Open(port);
    if (!opened) return [](uint32_t) { return false; };
    const auto connection = std::make_shared<HttpConnection>(std::move(*opened));
    return [connection, &requests](uint32_t i) {
      const auto answer =
          connection->Send("POST", requests.target, requests.bodies[i], requests.content_type);
      return answer && answer->status == 200;
    };
  });
  load.qps *= requests.queries;
  load.own_cpu /= requests.queries;
  return load;
}

Load MeasureRest(const ServerChild& server, const Requests& requests, unsigned connections,
                 double seconds) {
  const double cpu_start = server.CpuSeconds();
  Load load = DriveHttp(server.port(), requests, connections, seconds);
  const double asked = load.qps * load.seconds;
  if (asked > 0) load.server_cpu = (server.CpuSeconds() - cpu_start) / asked;
  return load;
}

Load MeasureFloor(const Requests& requests, unsigned connections, double seconds) {
  const auto server = CannedServer::Start(requests.answer);
  if (!server) return {};
  Load load = DriveHttp((*server)->port(), requests, connections, seconds);
  const double asked = load.qps * load.seconds;
  if (asked > 0) load.server_cpu = (*server)->Stop() / asked;
  load.own_cpu -= load.server_cpu;  // Both are this process.
  return load;
}

Result<> MeasureServer(const AnnData& data, double seconds, unsigned rounds, BenchReport& report) {
  ScratchFolder scratch;
  const auto folder = scratch.path() / "data";
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  std::printf("\n%s: recall@10 by default parameters, %u cores\n", data.name.c_str(), cores);
  std::printf(
      "| how | QPS | p50 us | p99 us | CPU us, server | client |\n"
      "| --- | --- | --- | --- | --- | --- |\n");
  const auto add = [&](const std::string& how, unsigned width, double recall, const Load& load) {
    const bool in_process = load.server_cpu == 0;
    std::printf("| %s, %u | %.0f | %.0f | %.0f | %.0f | %.0f |\n", how.c_str(), width, load.qps,
                load.p50 * 1e6, load.p99 * 1e6, (in_process ? load.own_cpu : load.server_cpu) * 1e6,
                in_process ? 0 : load.own_cpu * 1e6);
    report.Add({{"system", how},
                {"dataset", data.name},
                {"width", width},
                {"recall_at_10", recall},
                {"qps", load.qps},
                {"server_cpu_seconds", load.server_cpu == 0 ? load.own_cpu : load.server_cpu},
                {"client_cpu_seconds", load.server_cpu == 0 ? 0 : load.own_cpu},
                {"p50_seconds", load.p50},
                {"p99_seconds", load.p99}});
  };
  Requests kinds[] = {MakeRequests(data, 1), MakeRequests(data, kBatchQueries),
                      MakeArrayRequests(data, kBatchQueries)};
  {
    ALMAGEST_TRY(const auto database, OpenBenchDatabase(folder));
    ALMAGEST_TRY_VOID(FillCollection(*database, data, nullptr, {}));
  }
  double recall = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    double engine_qps = 0;  // By all cores.
    {
      ALMAGEST_TRY(const auto database, OpenBenchDatabase(folder));
      ALMAGEST_TRY(const auto collection, database->FindCollection(kBenchCollection));
      MeasureEngine(*collection, data, 1, seconds / 4);  // Warms up.
      for (const unsigned threads : {1u, cores}) {
        const Load load = MeasureEngine(*collection, data, threads, seconds);
        add("engine in process, threads", threads, recall, load);
        engine_qps = load.qps;
      }
    }
    ALMAGEST_TRY(auto server, ServerChild::Start(folder));
    for (Requests& requests : kinds) {
      ALMAGEST_TRY(recall, RestRecall(server.port(), data, requests));
      for (const unsigned connections : kConnections) {
        const Load load = MeasureRest(server, requests, connections, seconds);
        if (load.qps == 0) return Fail(ErrorCode::kUnavailable, "a request through REST failed");
        add(requests.what + ", connections", connections, recall, load);
      }
      std::printf("recall@10 %.3f\n", recall);
    }
    server.Stop();
    for (const Requests& requests : kinds) {
      double floor_qps = 0;
      for (const unsigned connections : kConnections) {
        const Load load = MeasureFloor(requests, connections, seconds);
        if (load.qps == 0) return Fail(ErrorCode::kUnavailable, "a request to the floor failed");
        add("floor of " + requests.what + ", connections", connections, 0, load);
        floor_qps = load.qps;
      }
      std::printf("this floor and the engine one after the other, all cores: %.0f QPS\n",
                  1 / (1 / floor_qps + 1 / engine_qps));
    }
  }
  return {};
}

Result<int> RunServer(const BenchOptions& options) {
  BenchReport report;
  const auto queries = static_cast<uint32_t>(options.Number("queries", 1000));
  const auto rounds = static_cast<unsigned>(options.Number("rounds", 3));
  if (options.tiny) {
    ALMAGEST_TRY_VOID(MeasureServer(MakeClusteredData(1500, 20, 24, 1), 0.04, 1, report));
  }
  for (const std::string& specification : options.data) {
    ALMAGEST_TRY(const AnnData data,
                 LoadAnnData(specification, queries, ExecutableFolder() / "bench-truth"));
    ALMAGEST_TRY_VOID(MeasureServer(data, 3.0, rounds, report));
  }
  ALMAGEST_TRY_VOID(report.Write(options.json_path));
  return 0;
}

}  // namespace

int RunServerBench(const std::vector<std::string>& arguments) {
  const auto options = ParseBenchOptions(arguments, {"queries", "rounds"});
  const auto code = options ? RunServer(*options) : Result<int>(Fail(options.error()));
  if (code) return *code;
  std::cerr << code.error().message << "\n";
  return 1;
}

}  // namespace almagest::bench
