#include "engine/payload/condition_match.h"

#include <algorithm>

#include "engine/payload/datetime.h"
#include "engine/payload/geo.h"
#include "engine/payload/id_slice.h"

namespace almagest {
namespace {

template <class Bounds, class Value>
bool Within(const Bounds& bounds, Value value) {
  return (!bounds.gt || value > *bounds.gt) && (!bounds.gte || value >= *bounds.gte) &&
         (!bounds.lt || value < *bounds.lt) && (!bounds.lte || value <= *bounds.lte);
}

bool Contains(const ScalarSet& scalars, const JsonElement& value) {
  switch (value.type()) {
    case JsonType::STRING:
      return scalars.strings.contains(value.get_string().value_unsafe());
    case JsonType::INT64:
      return scalars.integers.contains(value.get_int64().value_unsafe());
    case JsonType::BOOL:
      return value.get_bool().value_unsafe() ? scalars.has_true : scalars.has_false;
    default:
      return false;
  }
}

// One value that is not an array, or an element of one.
bool TestElement(const CompiledCondition& condition, const FieldCondition& field,
                 const JsonElement& value) {
  if (const auto* match = std::get_if<Match>(&field.test)) {
    if (std::holds_alternative<MatchExcept>(*match)) {
      return !value.is_null() && !Contains(condition.scalars, value);
    }
    if (const auto* text = std::get_if<MatchText>(match)) {
      std::string_view content;
      return !value.get_string().get(content) && ContainsText(content, *text);
    }
    if (const auto* prefix = std::get_if<MatchPrefix>(match)) {
      std::string_view content;
      return !value.get_string().get(content) && content.starts_with(prefix->prefix);
    }
    return Contains(condition.scalars, value);
  }
  if (const auto* range = std::get_if<Range>(&field.test)) {
    double number = 0;
    return !value.get_double().get(number) && InRange(*range, number);
  }
  if (const auto* range = std::get_if<DatetimeRange>(&field.test)) {
    std::string_view text;
    if (value.get_string().get(text)) return false;
    const auto micros = ParseDatetime(text);
    return micros && InRange(*range, *micros);
  }
  const auto point = GeoPointOf(value);
  if (!point) return false;
  if (const auto* box = std::get_if<GeoBoundingBox>(&field.test)) return InArea(*box, *point);
  if (const auto* circle = std::get_if<GeoRadius>(&field.test)) return InArea(*circle, *point);
  return InArea(std::get<GeoPolygon>(field.test), *point);
}

uint64_t CountOf(const JsonElement& value) {
  simdjson::dom::array array;
  if (!value.get(array)) return static_cast<uint64_t>(std::distance(array.begin(), array.end()));
  return value.is_null() ? 0 : 1;
}

// True if `test` holds for any value at the path.
template <class Test>
bool AnyAt(const JsonElement& payload, const PayloadPath& path, const Test& test) {
  return !VisitPath(payload, path.steps(), [&](const JsonElement& value) { return !test(value); });
}

std::vector<std::string_view> StringsAt(const JsonElement& payload, const PayloadPath& path) {
  std::vector<std::string_view> strings;
  VisitPath(payload, path.steps(), [&](const JsonElement& value) {
    return VisitElements(value, [&](const JsonElement& element) {
      std::string_view text;
      if (!element.get_string().get(text)) strings.push_back(text);
      return true;
    });
  });
  return strings;
}

bool TestField(const CompiledCondition& condition, const FieldCondition& field,
               const JsonElement& payload) {
  if (const auto* count = std::get_if<ValuesCount>(&field.test)) {
    bool found = false;
    const bool fits = AnyAt(payload, condition.path, [&](const JsonElement& value) {
      found = true;
      return InRange(*count, CountOf(value));
    });
    return found ? fits : InRange(*count, 0);
  }
  if (condition.text != nullptr) return condition.text->Matches(StringsAt(payload, condition.path));
  return AnyAt(payload, condition.path, [&](const JsonElement& value) {
    return !VisitElements(
        value, [&](const JsonElement& element) { return !TestElement(condition, field, element); });
  });
}

bool IsEmptyAt(const CompiledCondition& condition, const JsonElement& payload) {
  return !AnyAt(payload, condition.path, [](const JsonElement& value) {
    simdjson::dom::array array;
    return value.get(array) ? !value.is_null() : array.begin() != array.end();
  });
}

bool IsNullAt(const CompiledCondition& condition, const JsonElement& payload) {
  return AnyAt(payload, condition.path, [](const JsonElement& value) {
    return !VisitElements(value, [](const JsonElement& element) { return !element.is_null(); });
  });
}

bool Test(const CompiledCondition& condition, const JsonElement& payload, const PointFacts& facts) {
  if (const auto* field = std::get_if<FieldCondition>(condition.source)) {
    return TestField(condition, *field, payload);
  }
  if (std::holds_alternative<IsEmptyCondition>(*condition.source)) {
    return IsEmptyAt(condition, payload);
  }
  if (std::holds_alternative<IsNullCondition>(*condition.source)) {
    return IsNullAt(condition, payload);
  }
  if (std::holds_alternative<NestedCondition>(*condition.source)) {
    return AnyAt(payload, condition.path, [&](const JsonElement& element) {
      return element.is_object() && Matches(*condition.inner, element, facts);
    });
  }
  if (std::holds_alternative<FilterCondition>(*condition.source)) {
    return Matches(*condition.inner, payload, facts);
  }
  if (facts.id == nullptr) return condition.slots.Contains(facts.slot);
  if (const auto* has_id = std::get_if<HasIdCondition>(condition.source)) {
    return std::find(has_id->ids.begin(), has_id->ids.end(), *facts.id) != has_id->ids.end();
  }
  if (const auto* slice = std::get_if<SliceCondition>(condition.source)) {
    return InSlice(*slice, *facts.id);
  }
  const auto& has_vector = std::get<HasVectorCondition>(*condition.source);
  return facts.has_vector != nullptr && *facts.has_vector && (*facts.has_vector)(has_vector.name);
}

}  // namespace

std::optional<GeoPoint> GeoPointOf(const JsonElement& value) {
  simdjson::dom::object object;
  GeoPoint point;
  if (value.get(object) || object.at_key("lon").get_double().get(point.lon) ||
      object.at_key("lat").get_double().get(point.lat) || !IsGeoPoint(point)) {
    return std::nullopt;
  }
  return point;
}

bool InRange(const Range& range, double value) { return Within(range, value); }
bool InRange(const DatetimeRange& range, int64_t micros) { return Within(range, micros); }
bool InRange(const ValuesCount& range, uint64_t count) { return Within(range, count); }

bool Matches(const CompiledFilter& filter, const JsonElement& payload, const PointFacts& facts) {
  const auto test = [&](const CompiledCondition& condition) {
    return Test(condition, payload, facts);
  };
  if (!std::all_of(filter.must.begin(), filter.must.end(), test)) return false;
  if (std::any_of(filter.must_not.begin(), filter.must_not.end(), test)) return false;
  if (!filter.should.empty() && std::none_of(filter.should.begin(), filter.should.end(), test)) {
    return false;
  }
  if (!filter.min_should) return true;
  uint64_t met = 0;
  for (const CompiledCondition& condition : *filter.min_should) {
    if (met >= filter.min_count) break;
    if (test(condition)) ++met;
  }
  return met >= filter.min_count;
}

}  // namespace almagest
