#include "http/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>
#include <tuple>
#include <unordered_map>

namespace almagest {
namespace {

// Resident memory of this process; 0 where /proc is not there.
double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::pair<std::string, std::string> MethodAndEndpoint(const prometheus::ClientMetric& metric) {
  std::pair<std::string, std::string> names;
  for (const auto& label : metric.label) {
    if (label.name == "method") names.first = label.value;
    if (label.name == "endpoint") names.second = label.value;
  }
  return names;
}

const prometheus::Histogram::BucketBoundaries& LatencyBuckets() {
  static const prometheus::Histogram::BucketBoundaries buckets{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};
  return buckets;
}

// What one answer is counted under. Looked up by views, so that counting allocates nothing.
struct Series {
  std::string method;
  std::string route;
  unsigned status = 0;
};
struct SeriesView {
  SeriesView(std::string_view given_method, std::string_view given_route, unsigned given_status)
      : method(given_method), route(given_route), status(given_status) {}
  SeriesView(const Series& series)
      : method(series.method), route(series.route), status(series.status) {}
  bool operator==(const SeriesView&) const = default;
  std::string_view method;
  std::string_view route;
  unsigned status;
};
struct SeriesHash {
  using is_transparent = void;
  size_t operator()(const SeriesView& series) const {
    const std::hash<std::string_view> hash;
    return hash(series.route) * 31 + hash(series.method) * 7 + series.status;
  }
};
struct SeriesEqual {
  using is_transparent = void;
  bool operator()(const SeriesView& a, const SeriesView& b) const { return a == b; }
};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("rest_responses_total")
          .Help("Requests answered, by route and status.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& latency = prometheus::BuildHistogram()
                                                           .Name("rest_responses_duration_seconds")
                                                           .Help("Time in the handler, by route.")
                                                           .Register(registry);
  struct Counted {
    prometheus::Counter* requests = nullptr;
    prometheus::Histogram* latency = nullptr;
  };
  // The families' entries by what they count: their own look-up by labels costs microseconds.
  std::mutex mutex;
  std::unordered_map<Series, Counted, SeriesHash, SeriesEqual> counted;
  // Under `mutex`.
  Counted Add(std::string_view method, std::string_view route, unsigned status);

  // One scrape's gauges, in a registry of their own so that dropped collections vanish.
  static void AddGauge(prometheus::Registry& gauges, const std::string& name,
                       const std::string& help, const prometheus::Labels& labels, double value) {
    prometheus::BuildGauge().Name(name).Help(help).Register(gauges).Add(labels).Set(value);
  }
};

Metrics::State::Counted Metrics::State::Add(std::string_view method, std::string_view route,
                                            unsigned status) {
  // Endpoints as Qdrant's dashboards know them.
  constexpr std::string_view kCollectionPart = "{collection}";
  std::string endpoint(route);
  const size_t at = endpoint.find(kCollectionPart);
  if (at != std::string::npos) endpoint.replace(at, kCollectionPart.size(), "{name}");
  const prometheus::Labels labels{{"method", std::string(method)}, {"endpoint", endpoint}};
  prometheus::Labels with_status = labels;
  with_status.emplace("status", std::to_string(status));
  const Counted added{&requests.Add(with_status), &latency.Add(labels, LatencyBuckets())};
  counted.emplace(Series{std::string(method), std::string(route), status}, added);
  return added;
}

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::CountRequest(std::string_view method, std::string_view route, unsigned status,
                           double seconds) {
  State::Counted counted;
  {
    const std::lock_guard lock(state_->mutex);
    const auto known = state_->counted.find(SeriesView(method, route, status));
    if (known != state_->counted.end()) {
      counted = known->second;
    } else {
      counted = state_->Add(method, route, status);
    }
  }
  counted.requests->Increment();
  counted.latency->Observe(seconds);
}

std::vector<Metrics::RequestCount> Metrics::Requests() const {
  std::vector<RequestCount> counts;
  const auto families = state_->requests.Collect();
  if (families.empty()) return counts;
  std::map<std::pair<std::string, std::string>, double> means;
  for (const prometheus::MetricFamily& family : state_->latency.Collect()) {
    for (const auto& metric : family.metric) {
      const auto& histogram = metric.histogram;
      if (histogram.sample_count == 0) continue;
      means[MethodAndEndpoint(metric)] =
          histogram.sample_sum / static_cast<double>(histogram.sample_count);
    }
  }
  for (const auto& metric : families[0].metric) {
    RequestCount& entry = counts.emplace_back();
    std::tie(entry.method, entry.route) = MethodAndEndpoint(metric);
    entry.mean_seconds = means[{entry.method, entry.route}];
    for (const auto& label : metric.label) {
      if (label.name == "status") entry.status = static_cast<unsigned>(std::stoul(label.value));
    }
    entry.count = static_cast<uint64_t>(metric.counter.value);
  }
  return counts;
}

std::string Metrics::Render(Database& database, const std::string& version) {
  prometheus::Registry gauges(prometheus::Registry::InsertBehavior::Merge);
  State::AddGauge(gauges, "app_info", "What serves.", {{"name", "almagest"}, {"version", version}},
                  1);
  State::AddGauge(gauges, "cluster_enabled", "Whether this is one node of several.", {}, 0);
  State::AddGauge(gauges, "collections_total", "Collections.", {},
                  static_cast<double>(database.CollectionNames().size()));
  for (const std::string& name : database.CollectionNames()) {
    const auto collection = database.FindCollection(name);
    if (!collection) continue;
    const CollectionInfo info = (*collection)->Info();
    const prometheus::Labels labels{{"collection", name}};
    State::AddGauge(gauges, "collection_points", "Live points.", {{"id", name}},
                    static_cast<double>(info.points));
    State::AddGauge(gauges, "almagest_segments", "Segments, growing and sealed.", labels,
                    static_cast<double>(info.segments.size()));
    State::AddGauge(gauges, "almagest_indexed_vectors", "Rows in sealed segments with a graph.",
                    labels, static_cast<double>(info.indexed_vectors));
  }
  std::map<std::string, double> jobs;
  for (const Job& job : database.learning().Jobs()) {
    jobs[std::string(JobStateName(job.state))] += 1;
  }
  for (const auto& [state, count] : jobs) {
    State::AddGauge(gauges, "almagest_jobs", "Adaptation jobs by state.", {{"state", state}},
                    count);
  }
  const Database::MemoryReport memory = database.Memory();
  const std::pair<const char*, double> parts[] = {
      {"store", static_cast<double>(memory.store_bytes)},
      {"segments", static_cast<double>(memory.segment_bytes)},
      {"mapped", static_cast<double>(memory.mapped_bytes)},
      {"resident", ResidentBytes()}};
  for (const auto& [part, bytes] : parts) {
    State::AddGauge(gauges, "almagest_memory_bytes", "Memory by part; mapped files are shared.",
                    {{"part", part}}, bytes);
  }
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  for (prometheus::MetricFamily& family : gauges.Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace almagest
