#include "engine/search/vector_input.h"

#include <cmath>
#include <cstring>

#include "engine/collection/vector_values.h"

namespace almagest {
namespace {

// Calls `visit` for every vector input of a query.
template <class Visit>
void ForEachInput(const QueryKind& query, const Visit& visit) {
  const auto visit_all = [&](const std::vector<VectorInput>& inputs) {
    for (const VectorInput& input : inputs) visit(input);
  };
  const auto visit_pairs = [&](const std::vector<ContextPair>& pairs) {
    for (const ContextPair& pair : pairs) {
      visit(pair.positive);
      visit(pair.negative);
    }
  };
  if (const auto* nearest = std::get_if<NearestQuery>(&query)) visit(nearest->target);
  if (const auto* recommend = std::get_if<RecommendQuery>(&query)) {
    visit_all(recommend->positive);
    visit_all(recommend->negative);
  }
  if (const auto* discover = std::get_if<DiscoverQuery>(&query)) {
    visit(discover->target);
    visit_pairs(discover->pairs);
  }
  if (const auto* context = std::get_if<ContextQuery>(&query)) visit_pairs(context->pairs);
  if (const auto* sets = std::get_if<SetQuery>(&query)) {
    for (const auto* list : {&sets->all_of, &sets->any_of, &sets->none_of}) {
      for (const SetQuery::Examples& examples : *list) visit_all(examples);
    }
  }
  if (const auto* feedback = std::get_if<RelevanceFeedbackQuery>(&query)) {
    visit(feedback->target);
    for (const auto& item : feedback->feedback) visit(item.example);
  }
}

// The collection that vectors are looked up in.
Result<std::shared_ptr<Collection>> FindSource(const QueryRequest& request,
                                               const LookupFrom& lookup) {
  auto source = request.find_collection(lookup.collection);
  if (source || source.error().code != ErrorCode::kNotFound) return source;
  return Fail(ErrorCode::kNotFound, "Collection " + lookup.collection + " not found");
}

Result<> AddNamedPoints(const Collection& collection, const QueryRequest& request,
                        const QueryNode& node, SlotSet& named) {
  for (const QueryNode& child : node.prefetch) {
    ALMAGEST_TRY_VOID(AddNamedPoints(collection, request, child, named));
  }
  if (!node.query) return {};
  std::vector<PointId> ids;
  ForEachInput(*node.query, [&](const VectorInput& input) {
    if (const auto* id = std::get_if<PointId>(&input)) ids.push_back(*id);
  });
  if (!ids.empty() && node.lookup_from && request.find_collection) {
    ALMAGEST_TRY(const auto source, FindSource(request, *node.lookup_from));
    if (source->id() != collection.id()) return {};
  }
  for (const PointId& id : ids) {
    const Slot slot = collection.FindSlot(id);
    if (slot != kNoSlot) named.Add(slot);
  }
  return {};
}

}  // namespace

// Of a query's hundreds of values all are: read through without a branch each, by vectors that GCC
// would not make of a loop at -O2.
bool AllFinite(std::span<const float> values) {
  constexpr int32_t kExponent = 0x7F800000;
  constexpr size_t kLanes = 4;
  using Lanes [[gnu::vector_size(kLanes * sizeof(int32_t))]] = int32_t;
  Lanes not_finite = {};
  size_t i = 0;
  for (; i + 2 * kLanes <= values.size(); i += 2 * kLanes) {
    Lanes first, second;
    std::memcpy(&first, values.data() + i, sizeof first);
    std::memcpy(&second, values.data() + i + kLanes, sizeof second);
    not_finite |= ((first & kExponent) == kExponent) | ((second & kExponent) == kExponent);
  }
  bool all = true;
  for (size_t lane = 0; lane < kLanes; ++lane) all = all && not_finite[lane] == 0;
  for (; i < values.size(); ++i) all = all && std::isfinite(values[i]);
  return all;
}

Result<SlotSet> NamedPoints(const Collection& collection, const QueryRequest& request) {
  SlotSet named;
  ALMAGEST_TRY_VOID(AddNamedPoints(collection, request, request.root, named));
  return named;
}

Result<VectorData> VectorInputs::VectorOf(const PointId& id) {
  const std::optional<LookupFrom>& lookup = node_.lookup_from;
  if (lookup && !lookup_) {
    if (!request_.find_collection) {
      return Fail(ErrorCode::kBadRequest, "lookup_from cannot be used here");
    }
    ALMAGEST_TRY(lookup_, FindSource(request_, *lookup));
  }
  const Collection& source = lookup ? *lookup_ : collection_;
  const std::string name =
      lookup ? lookup->vector_name.value_or(node_.using_vector) : node_.using_vector;
  ALMAGEST_TRY_VOID(source.FindField(name));
  const Slot slot = source.FindSlot(id);
  if (slot == kNoSlot) {
    return Fail(ErrorCode::kNotFound, "No point with id " + PointIdToString(id) + " found");
  }
  ALMAGEST_TRY(NamedVectors vectors, source.Vectors(slot, {VectorSelector::Kind::kNames, {name}}));
  const auto found = vectors.find(name);
  if (found == vectors.end()) {
    return Fail(ErrorCode::kNotFound,
                "Point " + PointIdToString(id) + " has no vector '" + name + "'");
  }
  return std::move(found->second);
}

Result<> VectorInputs::Check(VectorData& vector) const {
  const bool given_sparse = std::holds_alternative<SparseVector>(vector);
  if (field_.is_sparse != given_sparse) {
    const std::string own = field_.is_sparse ? "sparse" : "dense";
    const std::string given = field_.is_sparse ? "dense" : "sparse";
    return Fail(ErrorCode::kInvalidArgument, "vector '" + node_.using_vector + "' is " + own +
                                                 ", the query is a " + given + " vector");
  }
  if (given_sparse) return {};
  const auto* multi = std::get_if<MultiVector>(&vector);
  if (multi != nullptr && !field_.is_multi()) {
    return Fail(ErrorCode::kInvalidArgument,
                "Conversion between multi and regular vectors failed: vector '" +
                    node_.using_vector + "' has one vector per point, the query has several");
  }
  const std::vector<float>& values =
      multi != nullptr ? multi->values : std::get<DenseVector>(vector);
  const size_t dimension = multi != nullptr ? multi->dimension : values.size();
  if (dimension != field_.dense.dimension) {
    return Fail(ErrorCode::kInvalidArgument,
                "Vector dimension error: expected dim: " + std::to_string(field_.dense.dimension) +
                    ", got " + std::to_string(dimension));
  }
  if (values.empty() || values.size() % dimension != 0 || values.size() > kMultiVectorValuesMax) {
    return Fail(ErrorCode::kOutOfRange,
                "the query has " + std::to_string(values.size()) + " values, but at most " +
                    std::to_string(kMultiVectorValuesMax) + " in full rows are allowed");
  }
  if (!AllFinite(values)) {
    return Fail(ErrorCode::kOutOfRange, "the query vector holds a value that is not finite");
  }
  if (field_.is_multi() && multi == nullptr) {
    vector =
        MultiVector{static_cast<uint32_t>(dimension), std::get<DenseVector>(std::move(vector))};
  }
  return {};
}

Result<VectorData> VectorInputs::Resolve(const VectorInput& input) {
  VectorData vector;
  if (const auto* id = std::get_if<PointId>(&input)) {
    ALMAGEST_TRY(vector, VectorOf(*id));
  } else if (const auto* dense = std::get_if<DenseVector>(&input)) {
    vector = *dense;
    RoundTo(field_.dense.datatype, std::get<DenseVector>(vector));
  } else if (const auto* multi = std::get_if<MultiVector>(&input)) {
    vector = *multi;
    RoundTo(field_.dense.datatype, std::get<MultiVector>(vector).values);
  } else {
    vector = std::get<SparseVector>(input);
  }
  ALMAGEST_TRY_VOID(Check(vector));
  return vector;
}

Result<std::vector<VectorData>> VectorInputs::ResolveAll(std::span<const VectorInput> inputs) {
  std::vector<VectorData> vectors;
  vectors.reserve(inputs.size());
  size_t multi_values = 0;
  for (const VectorInput& input : inputs) {
    ALMAGEST_TRY(VectorData vector, Resolve(input));
    if (const auto* multi = std::get_if<MultiVector>(&vector)) multi_values += multi->values.size();
    if (multi_values > kExampleValuesMax) {
      return Fail(ErrorCode::kOutOfRange, "the examples have " + std::to_string(multi_values) +
                                              " values or more together; the limit is " +
                                              std::to_string(kExampleValuesMax));
    }
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

}  // namespace almagest
