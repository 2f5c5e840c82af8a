// `almagest-bench ann`: queries per second at fixed recall, beside hnswlib and FAISS.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>

#include "engine/index/fastscan_kernels.h"
#include "tests/bench/ann_system.h"
#include "tests/bench/bench_data.h"
#include "tests/bench/benchmark.h"

namespace almagest::bench {
namespace {

constexpr double kRecallTargets[] = {0.90, 0.95, 0.99};
constexpr uint32_t kBeamMax = 2048;

// What is measured: one system at the smallest beam that reaches one recall.
struct Point {
  double target = 0.0;
  uint32_t beam_width = 0;  // 0: not reached.
  double recall = 0.0;
  std::vector<double> queries_per_second;

  double Median() const {
    std::vector<double> sorted = queries_per_second;
    if (sorted.empty()) return 0.0;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

struct Measured {
  std::unique_ptr<AnnSystem> system;
  double build_seconds = 0.0;
  double bytes_per_vector = 0.0;
  std::vector<Point> points;
};

// Of this thread: other work on the machine does not count.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::unique_ptr<AnnSystem> MakeSystem(const std::string& name) {
  if (name == "graph") return MakeAlmagestGraph("f16", 0);
  if (name == "graph-f32") return MakeAlmagestGraph("f32", 0);
  if (name.starts_with("graph-bits-")) {
    const unsigned long bits = std::strtoul(name.c_str() + 11, nullptr, 10);
    return MakeAlmagestGraph("f16", static_cast<uint32_t>(bits));
  }
  if (name == "hnsw") return MakeAlmagestHnsw();
  if (name.starts_with("engine-")) return MakeCollection(name.substr(7));
#ifdef ALMAGEST_BENCH_PEERS
  if (name == "hnswlib") return MakeHnswlib();
  if (name == "faiss") return MakeFaissHnsw(false);
  if (name == "faiss-sq8") return MakeFaissHnsw(true);
#endif
  return nullptr;
}

double MeanRecall(AnnSystem& system, const AnnData& data, uint32_t beam_width) {
  std::vector<uint32_t> found;
  double sum = 0.0;
  for (uint32_t q = 0; q < data.queries; ++q) {
    system.Search(data.Query(q), beam_width, found);
    sum += data.Recall(q, found);
  }
  return sum / data.queries;
}

// The smallest beam that reaches each target. Recall grows with the beam, so halving finds it.
std::vector<Point> FindPoints(AnnSystem& system, const AnnData& data) {
  std::map<uint32_t, double> known;
  const auto recall = [&](uint32_t beam) {
    const auto [at, added] = known.try_emplace(beam, 0.0);
    if (added) at->second = MeanRecall(system, data, beam);
    return at->second;
  };
  std::vector<Point> points;
  for (const double target : kRecallTargets) {
    Point point;
    point.target = target;
    uint32_t high = kNeighbours;
    while (high < kBeamMax && recall(high) < target) high *= 2;
    high = std::min(high, kBeamMax);
    if (recall(high) >= target) {
      uint32_t low = std::max<uint32_t>(high / 2, kNeighbours);
      while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (recall(middle) >= target) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      point.beam_width = high;
      point.recall = recall(high);
    }
    points.push_back(point);
  }
  if (system.DefaultBeamWidth() != 0) {
    Point& point = points.emplace_back();
    point.beam_width = system.DefaultBeamWidth();
    point.recall = recall(point.beam_width);
  }
  return points;
}

void TimeRound(Measured& measured, const AnnData& data) {
  std::vector<uint32_t> found;
  for (Point& point : measured.points) {
    if (point.beam_width == 0) continue;
    const double start = CpuSeconds();
    for (uint32_t q = 0; q < data.queries; ++q) {
      measured.system->Search(data.Query(q), point.beam_width, found);
    }
    point.queries_per_second.push_back(data.queries / (CpuSeconds() - start));
  }
}

void PrintTable(const AnnData& data, const std::vector<Measured>& all) {
  std::printf("\n%s: %u x %u, %u queries, recall@10, one thread, kernels %s\n", data.name.c_str(),
              data.rows, data.dimension, data.queries, BestFastscanKernels().target);
  std::printf("| system | bytes/vector | build s |");
  for (const double target : kRecallTargets) std::printf(" QPS@%.2f (beam) |", target);
  std::printf(" by default |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Measured& measured : all) {
    std::printf("| %s | %.0f | %.1f |", measured.system->name().c_str(), measured.bytes_per_vector,
                measured.build_seconds);
    for (const Point& point : measured.points) {
      if (point.beam_width == 0) {
        std::printf(" not reached |");
      } else if (point.target == 0.0) {
        std::printf(" %.0f (%u, recall %.3f)", point.Median(), point.beam_width, point.recall);
      } else {
        std::printf(" %.0f (%u) |", point.Median(), point.beam_width);
      }
    }
    std::printf(" |\n");
  }
  std::fflush(stdout);
}

void AddRows(const AnnData& data, const std::vector<Measured>& all, BenchReport& report) {
  for (const Measured& measured : all) {
    for (const Point& point : measured.points) {
      if (point.beam_width == 0) continue;
      report.Add({{"system", measured.system->name()},
                  {"dataset", data.name},
                  {"recall_target", point.target},
                  {"recall_at_10", point.recall},
                  {"qps", point.Median()},
                  {"beam_width", point.beam_width},
                  {"bytes_per_vector", measured.bytes_per_vector},
                  {"build_seconds", measured.build_seconds}});
    }
  }
}

std::vector<std::string> SplitNames(const std::string& text) {
  std::vector<std::string> names;
  for (size_t first = 0; first <= text.size();) {
    const size_t end = std::min(text.find(',', first), text.size());
    names.push_back(text.substr(first, end - first));
    first = end + 1;
  }
  return names;
}

Result<> MeasureAnn(const AnnData& data, const std::vector<std::string>& systems, uint64_t rounds,
                    BenchReport& report) {
  std::vector<Measured> all;
  for (const std::string& name : systems) {
    Measured measured;
    measured.system = MakeSystem(name);
    if (measured.system == nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  "unknown system " + name +
                      "; known: graph, graph-f32, graph-bits-N, hnsw, engine-default, "
                      "engine-none, engine-float16, engine-one_bit, ..., and where the peers are "
                      "compiled in hnswlib, faiss, faiss-sq8");
    }
    std::fprintf(stderr, "%s: building %s\n", data.name.c_str(), name.c_str());
    const double start = CpuSeconds();
    measured.system->Build(data);
    measured.build_seconds = CpuSeconds() - start;
    measured.bytes_per_vector = measured.system->BytesPerVector();
    measured.points = FindPoints(*measured.system, data);
    all.push_back(std::move(measured));
  }
  for (uint64_t round = 0; round < rounds; ++round) {
    for (Measured& measured : all) TimeRound(measured, data);
  }
  PrintTable(data, all);
  AddRows(data, all, report);
  return {};
}

Result<int> RunAnn(const BenchOptions& options) {
#ifdef ALMAGEST_BENCH_PEERS
  const std::string known = "graph,hnswlib,faiss,faiss-sq8";
#else
  const std::string known = "graph,hnsw";
#endif
  const auto systems = SplitNames(options.Text("systems", known));
  const auto queries = static_cast<uint32_t>(options.Number("queries", 2000));
  BenchReport report;
  if (options.tiny) {
    ALMAGEST_TRY_VOID(MeasureAnn(MakeClusteredData(1500, 20, 24, 1), systems, 1, report));
  }
  for (const std::string& specification : options.data) {
    ALMAGEST_TRY(const AnnData data,
                 LoadAnnData(specification, queries, ExecutableFolder() / "bench-truth"));
    ALMAGEST_TRY_VOID(MeasureAnn(data, systems, options.Number("rounds", 5), report));
  }
  ALMAGEST_TRY_VOID(report.Write(options.json_path));
  return 0;
}

}  // namespace

int RunAnnBench(const std::vector<std::string>& arguments) {
  const auto options = ParseBenchOptions(arguments, {"systems", "queries", "rounds"});
  const auto code = options ? RunAnn(*options) : Result<int>(Fail(options.error()));
  if (code) return *code;
  std::cerr << code.error().message << "\n";
  return 1;
}

}  // namespace almagest::bench
