#include "tests/bench/learning/nonlinear_bench.h"

#include <cstdio>
#include <limits>
#include <map>

#include "training/evaluation.h"
#include "training/gate.h"
#include "training/query_split.h"
#include "training/recipe_training.h"
#include "training/space_geometry.h"
#include "training/training_corpus.h"

namespace almagest::bench {
namespace {

using namespace training;
using OrderedJson = nlohmann::ordered_json;

constexpr double kStopping = 0.15;
constexpr double kJudging = 0.15;
constexpr double kGroupCosine = 0.95;
constexpr double kWhiteningPower = 0.75;

struct Arm {
  const char* name;
  Shape shape;
  bool both = false;
};
constexpr Arm kArms[] = {{"two_sided_linear", Shape::kFull, true},
                         {"query_linear", Shape::kFull},
                         {"query_low_rank", Shape::kLowRank},
                         {"query_mlp", Shape::kMlp},
                         {"query_mixture", Shape::kMixture}};

// What was measured of one method over all seeds, query by query.
struct Judged {
  std::vector<double> quality;
  std::vector<double> of_start;
  std::vector<int32_t> group;  // Apart for each seed.
  double stopped = 0;          // Sum over seeds.
};

class SeedRun {
 public:
  SeedRun(const VectorSpace& space, const std::vector<JudgedQuery>& judged, const JobConfig& config,
          Progress* progress)
      : space_(space), config_(config), progress_(progress) {
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : judged) rows.push_back(query.query);
    split_ = SplitQueries(judged.size(), space.SimilarQueries(rows, kGroupCosine, {}), kStopping,
                          kJudging, config.seed);
    const auto pick = [&](const std::vector<size_t>& indexes) {
      std::vector<JudgedQuery> picked;
      for (const size_t index : indexes) picked.push_back(judged[index]);
      return picked;
    };
    judging_ = pick(split_.held_out);
    const auto known = pick(split_.train);
    const auto stopping = pick(split_.validation);
    std::vector<JudgedQuery> all = known;
    all.insert(all.end(), stopping.begin(), stopping.end());
    data_ = TrainingCorpus(space, all, config).MakeData(known, stopping);
    for (const JudgedQuery& query : known) train_rows_.push_back(query.query);
  }

  const std::vector<int32_t>& train_rows() const { return train_rows_; }
  std::vector<int32_t> Groups() const {
    std::vector<int32_t> groups;
    for (const size_t row : split_.held_out) groups.push_back(split_.group[row]);
    return groups;
  }
  std::vector<double> Quality(const LinearAdapter& map) const {
    return Column(Evaluate(space_, map, map, judging_, 10, true, {}), &QueryMetrics::ndcg_at_10);
  }
  Result<TrainedCandidate> Train(const LinearAdapter& start, Shape shape, bool both) const {
    Candidate candidate;
    candidate.name = "arm";
    candidate.shape = shape;
    candidate.maps_documents = both;
    candidate.start = start;
    candidate.steps = config_.options.steps_max;
    return TrainCandidate(space_, data_, candidate, config_.options, config_.seed,
                          std::numeric_limits<double>::infinity(), progress_);
  }

 private:
  const VectorSpace& space_;
  const JobConfig& config_;
  Progress* progress_;
  QuerySplit split_;
  std::vector<JudgedQuery> judging_;
  TrainingData data_;
  std::vector<int32_t> train_rows_;
};

}  // namespace

Result<OrderedJson> MeasureNonLinear(const JudgedSet& set, const std::string& model, int64_t seeds,
                                     int64_t threads, const OrderedJson& options,
                                     const std::filesystem::path& folder) {
  ALMAGEST_TRY(const ModelVectors vectors, ReadModel(set, model));
  ALMAGEST_TRY(const auto space, VectorSpace::Create(vectors.documents, vectors.queries,
                                                     {vectors.dimension, Distance::kCosine,
                                                      DeviceChoice::kCpu, threads}));
  ALMAGEST_TRY(const auto progress, Progress::Open(folder / "nonlinear.jsonl"));
  const std::vector<float> weight(set.train.query.size(), 1.0f);
  const std::vector<JudgedQuery> judged =
      GroupJudgements({set.train.query, set.train.document, set.train.grade, weight, {}});
  std::map<std::pair<std::string, std::string>, Judged> measured;
  OrderedJson rows = OrderedJson::array();
  for (int64_t seed = 1; seed <= seeds; ++seed) {
    const OrderedJson text = {{"format_version", 1},
                              {"dimension", vectors.dimension},
                              {"seed", seed},
                              {"options", options}};
    ALMAGEST_TRY(const JobConfig config, ParseJobConfig(text.dump()));
    const SeedRun run(*space, judged, config, progress.get());
    ALMAGEST_TRY(const WhiteningBasis basis, WhiteningBasis::Fit(*space, run.train_rows()));
    const LinearAdapter whitened = basis.Map(kWhiteningPower);
    const auto record = [&](const std::string& start, const std::string& method,
                            const std::vector<double>& of_start, const LinearAdapter& map,
                            double stopped, const std::vector<float>& loads) {
      const std::vector<double> quality = run.Quality(map);
      Judged& all = measured[{start, method}];
      const auto groups = run.Groups();
      for (size_t i = 0; i < quality.size(); ++i) {
        all.quality.push_back(quality[i]);
        all.of_start.push_back(of_start[i]);
        all.group.push_back(groups[i] + static_cast<int32_t>(seed << 24));
      }
      all.stopped += stopped / static_cast<double>(seeds);
      rows.push_back({{"dataset", set.path.filename().string()},
                      {"model", model},
                      {"seed", seed},
                      {"start", start},
                      {"method", method},
                      {"stopped", stopped},
                      {"judged", Mean(quality)},
                      {"loads", loads}});
      std::printf("  seed %lld, %s, %s: stopped %.4f, judged %.4f", static_cast<long long>(seed),
                  start.c_str(), method.c_str(), stopped, Mean(quality));
      for (const float load : loads) std::printf(" %.2f", static_cast<double>(load));
      std::printf("\n");
      std::fflush(stdout);
      return quality;
    };
    ALMAGEST_TRY(const TrainedCandidate both, run.Train(whitened, Shape::kFull, true));
    const LinearAdapter identity = LinearAdapter::Identity(vectors.dimension);
    const std::pair<const char*, const LinearAdapter*> starts[] = {
        {"two_sided_linear", &both.adapter}, {"whitening", &whitened}, {"identity", &identity}};
    for (const auto& [name, start] : starts) {
      const auto of_start = run.Quality(*start);
      record(name, "as it is", of_start, *start, 0, {});
      for (const Arm& arm : kArms) {
        if (arm.both && start != &both.adapter) continue;
        ALMAGEST_TRY(const TrainedCandidate trained, run.Train(*start, arm.shape, arm.both));
        record(name, arm.name, of_start, trained.adapter, trained.validation_ndcg_at_10,
               trained.expert_loads);
      }
    }
  }
  for (const auto& [key, all] : measured) {
    const Interval gain = PairedGain(all.quality, all.of_start, all.group);
    std::printf("  %-18s %-15s %.4f  over its start %+.4f [%+.4f, %+.4f], stopped at %.4f\n",
                key.first.c_str(), key.second.c_str(), Mean(all.quality), gain.mean, gain.low,
                gain.high, all.stopped);
  }
  std::fflush(stdout);
  return rows;
}

}  // namespace almagest::bench
