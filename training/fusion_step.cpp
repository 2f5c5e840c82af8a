#include "training/fusion_step.h"

#include "storage/base/checksum.h"
#include "training/recipe_training.h"

namespace almagest::training {
namespace {

constexpr int64_t kDepth = 100;
constexpr int kFolds = 5;

class FusionStep {
 public:
  FusionStep(const VectorSpace& space, const JobFolder& folder, const QuerySplit& split,
             Progress* progress)
      : space_(space), folder_(folder), split_(split), progress_(progress) {}

  // Both legs of the judged queries in `rows` (indexes into `judged`), dense by `adapter`.
  void Add(std::span<const JudgedQuery> judged, std::span<const size_t> rows,
           const LinearAdapter& adapter) {
    std::vector<int32_t> query_rows;
    for (const size_t row : rows) query_rows.push_back(judged[row].query);
    const Ranking dense =
        space_.Search(adapter, adapter, query_rows, kDepth, true, progress_->MakeTick());
    const auto depth = static_cast<size_t>(folder_.text_leg_depth);
    for (size_t i = 0; i < rows.size(); ++i) {
      FusionQuery query;
      query.judged = &judged[rows[i]];
      query.group = split_.group[rows[i]];
      query.dense.assign(dense.Of(i).begin(), dense.Of(i).end());
      for (const int32_t document :
           folder_.text_leg.subspan(static_cast<size_t>(query_rows[i]) * depth, depth)) {
        if (document < 0) break;
        query.text.push_back(document);
      }
      if (!query.text.empty()) queries_.push_back(std::move(query));
    }
  }

  Result<> AddByFolds(std::span<const JudgedQuery> judged, const Candidate& recipe) {
    for (int fold = 0; fold < kFolds; ++fold) {
      std::vector<JudgedQuery> train;
      std::vector<size_t> rows;
      for (size_t i = 0; i < judged.size(); ++i) {
        const uint64_t draw = Mix64(folder_.config.seed ^ Mix64(uint64_t{0xf0} + split_.group[i]));
        if (draw % kFolds == static_cast<uint64_t>(fold)) {
          rows.push_back(i);
        } else {
          train.push_back(judged[i]);
        }
      }
      if (rows.empty() || train.empty()) continue;
      LinearAdapter adapter = recipe.start;
      if (recipe.Learns()) {
        ALMAGEST_TRY(adapter, TrainRecipe(space_, train, recipe, folder_.config, 1, progress_));
      }
      Add(judged, rows, adapter);
    }
    return {};
  }

  const std::vector<FusionQuery>& queries() const { return queries_; }

 private:
  const VectorSpace& space_;
  const JobFolder& folder_;
  const QuerySplit& split_;
  Progress* progress_;
  std::vector<FusionQuery> queries_;
};

}  // namespace

Result<std::optional<FusionChoice>> LearnFusion(const VectorSpace& space, const JobFolder& folder,
                                                std::span<const JudgedQuery> judged,
                                                const QuerySplit& split, const Selection& selection,
                                                Progress* progress) {
  if (folder.text_leg.empty()) return std::nullopt;
  progress->Phase("fusion");
  FusionStep step(space, folder, split, progress);
  if (split.held_out.size() >= kFusionQueries) {
    step.Add(judged, split.held_out, selection.adapter);
  } else {
    ALMAGEST_TRY_VOID(step.AddByFolds(judged, selection.recipe));
  }
  if (step.queries().size() < kFusionQueriesMin) return std::nullopt;
  return TuneFusion(step.queries());
}

}  // namespace almagest::training
