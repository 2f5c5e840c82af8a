#include "training/recipe_training.h"

#include <algorithm>
#include <limits>

#include "storage/base/checksum.h"
#include "training/training_corpus.h"

namespace almagest::training {
namespace {

constexpr int64_t kRunQueries = 2000;  // Runs of a recipe times its queries, about.
constexpr int64_t kRunsMax = 4;

void AddScaled(const std::vector<float>& values, double factor, std::vector<double>* sum) {
  sum->resize(values.size(), 0.0);
  for (size_t i = 0; i < values.size(); ++i) (*sum)[i] += factor * static_cast<double>(values[i]);
}

}  // namespace

LinearAdapter MatchedStart(const WhiteningBasis& matched, const Candidate& candidate,
                           const VectorSpace& space, std::span<const JudgedQuery> judged) {
  const double power = candidate.matched_power;
  if (candidate.rotated) return matched.RotatedMap(power);
  if (candidate.neighbours == nullptr) return matched.Map(power);
  LinearAdapter start = matched.Blend(power, *candidate.neighbours);
  if (candidate.answers) start = matched.AddAnswers(start, *candidate.neighbours, space, judged);
  return start;
}

Candidate OnTopOf(Candidate below, const TrainedCandidate& trained, Shape shape) {
  Candidate candidate;
  candidate.name = below.name + (shape == Shape::kMlp ? "_mlp" : "_mixture");
  candidate.shape = shape;
  candidate.maps_documents = false;
  candidate.start = trained.adapter;
  candidate.steps = below.steps;
  candidate.temperature = below.temperature;
  below.steps = trained.best_step;
  below.change_factor = trained.change_factor;
  candidate.first = std::make_shared<const Candidate>(std::move(below));
  return candidate;
}

int64_t RecipeRuns(size_t queries) {
  return std::clamp<int64_t>(kRunQueries / static_cast<int64_t>(queries + 1), 1, kRunsMax);
}

Result<LinearAdapter> TrainRecipe(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                  Candidate recipe, const JobConfig& config, int64_t runs,
                                  Progress* progress) {
  if (recipe.first) {
    ALMAGEST_TRY(recipe.start, TrainRecipe(space, judged, *recipe.first, config, runs, progress));
  }
  const TrainingData data = TrainingCorpus(space, judged, config).MakeData(judged, {});
  if (recipe.matched_power > 0) {
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : judged) rows.push_back(query.query);
    ALMAGEST_TRY(const WhiteningBasis plain, WhiteningBasis::Fit(space, rows));
    recipe.start = MatchedStart(plain.Matched(space, judged), recipe, space, judged);
  }
  if (recipe.steps == 0) return recipe.start;
  // Units of two runs have nothing to do with each other, so that their mean is no map.
  if (HasHiddenLayer(recipe.shape)) runs = 1;
  LinearAdapter adapter;
  std::vector<float> LinearAdapter::*const parts[] = {
      &LinearAdapter::query_weight, &LinearAdapter::query_bias, &LinearAdapter::document_weight,
      &LinearAdapter::document_bias};
  std::vector<double> sums[std::size(parts)];
  for (int64_t run = 0; run < runs; ++run) {
    const uint64_t seed = run == 0 ? config.seed : Mix64(config.seed + static_cast<uint64_t>(run));
    ALMAGEST_TRY(TrainedCandidate result,
                 TrainCandidate(space, data, recipe, config.options, seed,
                                std::numeric_limits<double>::infinity(), progress));
    adapter = std::move(result.adapter);
    for (size_t i = 0; i < std::size(parts); ++i) {
      AddScaled(adapter.*parts[i], 1.0 / static_cast<double>(runs), &sums[i]);
    }
  }
  if (runs == 1) return adapter;
  for (size_t i = 0; i < std::size(parts); ++i) {
    (adapter.*parts[i]).assign(sums[i].begin(), sums[i].end());
  }
  return adapter;
}

}  // namespace almagest::training
