#include "engine/search/facet.h"

#include <algorithm>
#include <map>

#include "engine/payload/payload_values.h"

namespace almagest {
namespace {

constexpr size_t kBatch = 1024;

// The value as the index has it; nullopt for another type.
std::optional<MatchScalar> ValueOf(const MatchScalar& scalar, PayloadIndexType type) {
  switch (type) {
    case PayloadIndexType::kKeyword:
      if (std::holds_alternative<std::string>(scalar)) return scalar;
      return std::nullopt;
    case PayloadIndexType::kInteger:
      if (std::holds_alternative<int64_t>(scalar)) return scalar;
      return std::nullopt;
    case PayloadIndexType::kBool:
      if (std::holds_alternative<bool>(scalar)) return scalar;
      return std::nullopt;
    case PayloadIndexType::kUuid: {
      const auto* text = std::get_if<std::string>(&scalar);
      const auto uuid = text ? ParseUuid(*text) : std::nullopt;
      if (!uuid) return std::nullopt;
      return MatchScalar(PointIdToString(*uuid));
    }
    default:
      return std::nullopt;
  }
}

Result<PayloadIndexType> IndexTypeOf(const Collection& collection, const PayloadPath& path,
                                     const std::string& key) {
  for (const auto& [indexed, config] : collection.config().payload_indexes) {
    const PayloadIndexType type = config.type;
    const auto indexed_path = PayloadPath::Parse(indexed);
    const bool counts = type == PayloadIndexType::kKeyword || type == PayloadIndexType::kInteger ||
                        type == PayloadIndexType::kBool || type == PayloadIndexType::kUuid;
    if (counts && indexed_path && *indexed_path == path) return type;
  }
  return Fail(ErrorCode::kBadRequest,
              "Index required but not found for \"" + key +
                  "\" of one of the following types: [keyword, integer, uuid, bool]");
}

}  // namespace

Result<std::vector<FacetCount>> CountValues(const Collection& collection,
                                            const FacetRequest& request) {
  ALMAGEST_TRY(const PayloadPath path, PayloadPath::Parse(request.key));
  ALMAGEST_TRY(const PayloadIndexType type, IndexTypeOf(collection, path, request.key));
  Filter filter;
  filter.must_not.push_back(IsEmptyCondition{request.key});
  if (request.filter) {
    filter.must.push_back(FilterCondition{std::make_shared<const Filter>(*request.filter)});
  }
  ALMAGEST_TRY(const SlotSet matching, collection.MatchingSlots(filter, request.deadline));
  const std::vector<Slot> slots = matching.ToVector();
  std::map<MatchScalar, uint64_t> counts;
  for (size_t begin = 0; begin < slots.size(); begin += kBatch) {
    if (request.deadline.Expired()) {
      return Fail(ErrorCode::kTimeout, "the facet exceeded its time limit");
    }
    const size_t size = std::min(kBatch, slots.size() - begin);
    ALMAGEST_TRY(const auto payloads, collection.Payloads(std::span(slots).subspan(begin, size)));
    for (const std::string& payload : payloads) {
      ALMAGEST_TRY(const auto scalars, ScalarsAt(payload, path));
      for (const MatchScalar& scalar : scalars) {
        if (auto value = ValueOf(scalar, type)) ++counts[*std::move(value)];
      }
    }
  }
  std::vector<FacetCount> facet;
  for (const auto& [value, count] : counts) facet.push_back({value, count});
  std::ranges::stable_sort(facet, std::greater<>(), &FacetCount::count);
  if (facet.size() > request.limit) facet.resize(request.limit);
  return facet;
}

}  // namespace almagest
