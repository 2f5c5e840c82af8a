#include "engine/search/distance_matrix.h"

#include <algorithm>

#include "engine/search/query_executor.h"

namespace almagest {

Result<DistanceMatrix> SampleDistances(const Collection& collection, const MatrixRequest& request) {
  ALMAGEST_TRY_VOID(collection.FindField(request.using_vector));
  QueryRequest sample;
  sample.deadline = request.deadline;
  sample.root.query = SampleQuery{};
  sample.root.limit = request.sample;
  sample.root.filter.emplace().must.push_back(HasVectorCondition{request.using_vector});
  if (request.filter) {
    sample.root.filter->must.push_back(
        FilterCondition{std::make_shared<const Filter>(*request.filter)});
  }
  ALMAGEST_TRY(const auto points, ExecuteQuery(collection, sample));
  DistanceMatrix matrix;
  for (const Hit& point : points) matrix.ids.push_back(point.id);
  std::ranges::sort(matrix.ids);

  QueryRequest nearest;
  nearest.deadline = request.deadline;
  nearest.root.using_vector = request.using_vector;
  nearest.root.limit = request.limit;
  nearest.root.params.exact = true;
  nearest.root.filter.emplace().must.push_back(HasIdCondition{matrix.ids});
  for (size_t row = 0; row < matrix.ids.size(); ++row) {
    nearest.root.query = NearestQuery{matrix.ids[row]};
    const auto hits = ExecuteQuery(collection, nearest);
    if (!hits) {
      // Deleted since it was drawn: a point without neighbours.
      if (hits.error().code == ErrorCode::kNotFound) continue;
      return Fail(hits.error());
    }
    for (const Hit& hit : *hits) {
      const auto column = std::ranges::lower_bound(matrix.ids, hit.id);
      matrix.entries.push_back({row, static_cast<size_t>(column - matrix.ids.begin()), hit.score});
    }
  }
  return matrix;
}

}  // namespace almagest
