#include "http/filter_parser.h"

#include <fmt/format.h>

#include <charconv>
#include <span>

#include "engine/payload/filter_evaluator.h"
#include "http/error_response.h"

namespace almagest {
namespace {

Result<Condition> ParseCondition(const JsonValue& value);
Result<Filter> ParseTree(const JsonValue& value);

// `must` and so on take one condition or a list.
Result<std::vector<Condition>> ParseConditions(const JsonValue& value) {
  std::vector<Condition> conditions;
  if (!value.IsArray()) {
    ALMAGEST_TRY(Condition condition, ParseCondition(value));
    conditions.push_back(std::move(condition));
    return conditions;
  }
  ALMAGEST_TRY(const auto items, value.Items());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(Condition condition, ParseCondition(item));
    conditions.push_back(std::move(condition));
  }
  return conditions;
}

// {"is_empty": {"key": ...}} and {"is_null": {"key": ...}}
Result<std::string> ParsePayloadField(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"key"}));
  ALMAGEST_TRY(const JsonValue key, value.Require("key"));
  ALMAGEST_TRY(const std::string_view text, key.AsString());
  return std::string(text);
}

Result<Condition> ParseNested(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"key", "filter"}));
  ALMAGEST_TRY(const JsonValue key, value.Require("key"));
  ALMAGEST_TRY(const JsonValue inner, value.Require("filter"));
  ALMAGEST_TRY(const std::string_view text, key.AsString());
  ALMAGEST_TRY(Filter filter, ParseTree(inner));
  return Condition(
      NestedCondition{std::string(text), std::make_shared<const Filter>(std::move(filter))});
}

Result<SliceCondition> ParseSlice(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"total", "index"}));
  ALMAGEST_TRY(const JsonValue total, value.Require("total"));
  ALMAGEST_TRY(const JsonValue index, value.Require("index"));
  SliceCondition slice;
  ALMAGEST_TRY(slice.total, total.AsUnsignedIn(1, UINT32_MAX));
  ALMAGEST_TRY(slice.index, index.AsUnsignedIn(0, slice.total - 1));
  return slice;
}

Result<Condition> ParseCondition(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  if (value.Find("key")) return ParseFieldCondition(value);
  for (const std::string_view name :
       {"is_empty", "is_null", "has_id", "has_vector", "slice", "nested"}) {
    const auto member = value.Find(name);
    if (!member) continue;
    ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({name}));
    if (name == "nested") return ParseNested(*member);
    if (name == "slice") {
      ALMAGEST_TRY(const SliceCondition slice, ParseSlice(*member));
      return Condition(slice);
    }
    if (name == "has_id") {
      ALMAGEST_TRY(auto ids, ParsePointIds(*member));
      if (ids.size() > kMatchValuesMax) {
        return Fail(ValueError(member->path(), fmt::format("list of {} ids", ids.size()),
                               fmt::format("of at most {} ids", kMatchValuesMax)));
      }
      return Condition(HasIdCondition{std::move(ids)});
    }
    if (name == "has_vector") {
      ALMAGEST_TRY(const std::string_view vector, member->AsString());
      return Condition(HasVectorCondition{std::string(vector)});
    }
    ALMAGEST_TRY(std::string key, ParsePayloadField(*member));
    if (name == "is_empty") return Condition(IsEmptyCondition{std::move(key)});
    return Condition(IsNullCondition{std::move(key)});
  }
  ALMAGEST_TRY(Filter filter, ParseTree(value));
  return Condition(FilterCondition{std::make_shared<const Filter>(std::move(filter))});
}

Result<MinShould> ParseMinShould(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"conditions", "min_count"}));
  ALMAGEST_TRY(const JsonValue conditions, value.Require("conditions"));
  ALMAGEST_TRY(const JsonValue min_count, value.Require("min_count"));
  MinShould min_should;
  ALMAGEST_TRY(const auto items, conditions.Items());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(Condition condition, ParseCondition(item));
    min_should.conditions.push_back(std::move(condition));
  }
  ALMAGEST_TRY(min_should.min_count, min_count.AsUnsigned());
  return min_should;
}

Result<Filter> ParseTree(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"must", "should", "must_not", "min_should"}));
  Filter filter;
  if (const auto must = value.Find("must")) {
    ALMAGEST_TRY(filter.must, ParseConditions(*must));
  }
  if (const auto should = value.Find("should")) {
    ALMAGEST_TRY(filter.should, ParseConditions(*should));
  }
  if (const auto must_not = value.Find("must_not")) {
    ALMAGEST_TRY(filter.must_not, ParseConditions(*must_not));
  }
  if (const auto min_should = value.Find("min_should")) {
    ALMAGEST_TRY(filter.min_should, ParseMinShould(*min_should));
  }
  return filter;
}

// Conditions in all of the tree; `depth` filters stand around it.
Result<size_t> CountConditions(const Filter& filter, const std::string& path, size_t depth);

Result<size_t> CountConditions(std::span<const Condition> conditions, const std::string& path,
                               size_t depth) {
  size_t count = conditions.size();
  for (const Condition& condition : conditions) {
    const Filter* inner = nullptr;
    if (const auto* nested = std::get_if<NestedCondition>(&condition)) inner = nested->filter.get();
    if (const auto* below = std::get_if<FilterCondition>(&condition)) inner = below->filter.get();
    if (inner == nullptr) continue;
    ALMAGEST_TRY(const size_t within, CountConditions(*inner, path, depth + 1));
    count += within;
  }
  return count;
}

Result<size_t> CountConditions(const Filter& filter, const std::string& path, size_t depth) {
  if (depth > kFilterDepthMax) {
    return Fail(ValueError(path, fmt::format("nesting of {} filters", depth),
                           fmt::format("at most {} filters deep", kFilterDepthMax)));
  }
  size_t count = 0;
  for (const auto* conditions : {&filter.must, &filter.should, &filter.must_not}) {
    ALMAGEST_TRY(const size_t some, CountConditions(*conditions, path, depth));
    count += some;
  }
  if (filter.min_should) {
    ALMAGEST_TRY(const size_t some, CountConditions(filter.min_should->conditions, path, depth));
    count += some;
  }
  return count;
}

}  // namespace

Result<PointId> ParsePointIdText(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return PointId(number);
  if (const auto uuid = ParseUuid(text)) return PointId(*uuid);
  return Fail(FormatError(
      "", fmt::format("value {} is not a valid point ID, valid values are either an unsigned "
                      "integer or a UUID",
                      text.substr(0, 100))));
}

Result<PointId> ParsePointId(const JsonValue& value) {
  if (value.element().is<uint64_t>()) return PointId(uint64_t(value.element()));
  if (value.IsString()) {
    ALMAGEST_TRY(const std::string_view text, value.AsString());
    if (const auto uuid = ParseUuid(text)) return PointId(*uuid);
  }
  return Fail(FormatError(
      value.path(), fmt::format("value {} is not a valid point ID, valid values are either an "
                                "unsigned integer or a UUID",
                                value.ToJson().substr(0, 100))));
}

Result<std::vector<PointId>> ParsePointIds(const JsonValue& array) {
  ALMAGEST_TRY(const auto items, array.Items());
  std::vector<PointId> ids;
  ids.reserve(items.size());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const PointId id, ParsePointId(item));
    ids.push_back(id);
  }
  return ids;
}

Result<Condition> ParseOneCondition(const JsonValue& value) { return ParseCondition(value); }

Result<Filter> ParseFilter(const JsonValue& value) {
  ALMAGEST_TRY(Filter filter, ParseTree(value));
  ALMAGEST_TRY(const size_t count, CountConditions(filter, value.path(), 1));
  if (count > kFilterConditionsMax) {
    return Fail(ValueError(value.path(), fmt::format("filter of {} conditions", count),
                           fmt::format("of at most {} conditions", kFilterConditionsMax)));
  }
  return filter;
}

Result<std::optional<Filter>> FindFilter(const JsonValue& object, std::string_view key) {
  const auto member = object.Find(key);
  if (!member) return std::optional<Filter>();
  ALMAGEST_TRY(Filter filter, ParseFilter(*member));
  return std::optional<Filter>(std::move(filter));
}

}  // namespace almagest
