#include "engine/search/plain_query.h"

#include <algorithm>

#include "engine/collection/field_table.h"
#include "engine/collection/vector_values.h"
#include "engine/search/dense_search.h"
#include "engine/search/vector_input.h"

namespace almagest {

const CollectionField* FieldOfPlainQuery(const VectorQueryContext& context) {
  const QueryNode& node = context.node;
  const auto* nearest = std::get_if<NearestQuery>(&*node.query);
  if (nearest == nullptr || nearest->mmr || node.score_threshold || node.params.idf_corpus ||
      !context.excluded.empty()) {
    return nullptr;
  }
  const auto* vector = std::get_if<DenseVector>(&nearest->target);
  if (vector == nullptr) return nullptr;
  const CollectionField* field = context.collection.FindDenseField(node.using_vector);
  if (field == nullptr || vector->size() != field->dimension) return nullptr;
  if (context.view.bridges.contains(field->id)) return nullptr;  // Two searches, not one.
  // A view from before the field was added has no versions of it.
  return context.view.versions.contains(field->id) ? field : nullptr;
}

Result<std::vector<RankedSlot>> RunPlainQuery(const VectorQueryContext& context,
                                              const CollectionField& field) {
  const QueryNode& node = context.node;
  const auto& given = std::get<DenseVector>(std::get<NearestQuery>(*node.query).target);
  std::vector<float> rounded;
  std::span<const float> vector = given;
  if (field.datatype != Datatype::kFloat32) {
    rounded = given;
    RoundTo(field.datatype, rounded);
    vector = rounded;
  }
  if (!AllFinite(vector)) return RunVectorQuery(context);
  DenseSearch search{.params = node.params};
  search.vector_name = node.using_vector;
  search.field = field.id;
  search.distance = field.distance;
  search.base_query = vector;
  search.k = std::min<uint64_t>(context.limit, context.collection.point_count());
  search.exact = context.exact || node.params.exact;
  search.allowed = context.candidates ? &*context.candidates : nullptr;
  search.as_version = VersionAsked(context.request, node);
  search.deadline = context.request.deadline;
  if (context.trace != nullptr) search.trace = &context.trace->segments;
  return SearchDense(context.view, search);
}

}  // namespace almagest
