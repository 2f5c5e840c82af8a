#include "http/strict_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "engine/payload/payload_path.h"

namespace almagest {
namespace {

using Type = PayloadIndexType;

// Calls `visit` for every condition that has no filter inside, with the path of the nested filter
// around it.
using Visit = std::function<Result<>(const Condition&, const std::optional<PayloadPath>& scope)>;

Result<> VisitLeaves(const Filter& filter, const std::optional<PayloadPath>& scope,
                     const Visit& visit) {
  const auto walk = [&](const std::vector<Condition>& conditions) -> Result<> {
    for (const Condition& condition : conditions) {
      if (const auto* below = std::get_if<FilterCondition>(&condition)) {
        ALMAGEST_TRY_VOID(VisitLeaves(*below->filter, scope, visit));
      } else if (const auto* nested = std::get_if<NestedCondition>(&condition)) {
        ALMAGEST_TRY(PayloadPath path, PayloadPath::Parse(nested->key));
        path = path.Elements();
        if (scope) path = scope->Append(path);
        ALMAGEST_TRY_VOID(VisitLeaves(*nested->filter, path, visit));
      } else {
        ALMAGEST_TRY_VOID(visit(condition, scope));
      }
    }
    return {};
  };
  ALMAGEST_TRY_VOID(walk(filter.must));
  ALMAGEST_TRY_VOID(walk(filter.should));
  ALMAGEST_TRY_VOID(walk(filter.must_not));
  return filter.min_should ? walk(filter.min_should->conditions) : Result<>();
}

// Items of the condition's list; 0 where it has none.
size_t InputSize(const Condition& condition) {
  if (const auto* ids = std::get_if<HasIdCondition>(&condition)) return ids->ids.size();
  const auto* field = std::get_if<FieldCondition>(&condition);
  const auto* match = field != nullptr ? std::get_if<Match>(&field->test) : nullptr;
  if (match == nullptr) return 0;
  if (const auto* any = std::get_if<MatchAny>(match)) return any->values.size();
  if (const auto* except = std::get_if<MatchExcept>(match)) return except->values.size();
  return 0;
}

// The types of index that serve a condition, as messages list them: by name.
std::vector<Type> TypesFor(const MatchScalar& scalar) {
  if (std::holds_alternative<bool>(scalar)) return {Type::kBool};
  if (std::holds_alternative<int64_t>(scalar)) return {Type::kInteger};
  if (ParseUuid(std::get<std::string>(scalar))) return {Type::kKeyword, Type::kUuid};
  return {Type::kKeyword};
}

std::vector<Type> TypesFor(const Match& match) {
  if (const auto* value = std::get_if<MatchValue>(&match)) return TypesFor(value->value);
  if (std::holds_alternative<MatchText>(match)) return {Type::kText};
  if (std::holds_alternative<MatchPrefix>(match)) return {Type::kKeyword};
  const auto* any = std::get_if<MatchAny>(&match);
  const auto& values = any != nullptr ? any->values : std::get<MatchExcept>(match).values;
  if (values.empty()) return {Type::kInteger, Type::kKeyword, Type::kUuid};
  return TypesFor(values.front());
}

std::vector<Type> TypesFor(const Condition& condition) {
  if (const auto* field = std::get_if<FieldCondition>(&condition)) {
    if (const auto* match = std::get_if<Match>(&field->test)) return TypesFor(*match);
    if (std::holds_alternative<Range>(field->test)) return {Type::kFloat, Type::kInteger};
    if (std::holds_alternative<DatetimeRange>(field->test)) return {Type::kDatetime};
    if (!std::holds_alternative<ValuesCount>(field->test)) return {Type::kGeo};
  }
  return {Type::kBool,    Type::kDatetime, Type::kFloat, Type::kGeo,
          Type::kInteger, Type::kKeyword,  Type::kText,  Type::kUuid};
}

// Whether the index, of a type that serves the condition, was made to do so.
bool Serves(const PayloadIndexConfig& index, const Condition& condition) {
  const auto* field = std::get_if<FieldCondition>(&condition);
  if (field == nullptr) return true;
  if (std::holds_alternative<Range>(field->test)) return index.range;
  const auto* match = std::get_if<Match>(&field->test);
  if (match == nullptr) return true;
  if (const auto* text = std::get_if<MatchText>(match)) {
    return text->mode != TextMode::kPhrase || index.phrase_matching;
  }
  return std::holds_alternative<MatchPrefix>(*match) ? index.prefix : index.lookup;
}

const std::string* KeyOf(const Condition& condition) {
  if (const auto* field = std::get_if<FieldCondition>(&condition)) return &field->key;
  if (const auto* empty = std::get_if<IsEmptyCondition>(&condition)) return &empty->key;
  if (const auto* null = std::get_if<IsNullCondition>(&condition)) return &null->key;
  return nullptr;
}

const PayloadIndexConfig* FindIndex(const CollectionConfig& config, const PayloadPath& path) {
  for (const auto& [key, index] : config.payload_indexes) {
    const auto indexed = PayloadPath::Parse(key);
    if (indexed && *indexed == path) return &index;
  }
  return nullptr;
}

Result<> CheckIndexed(const Condition& condition, const std::optional<PayloadPath>& scope,
                      const CollectionConfig& config) {
  const std::string* key = KeyOf(condition);
  if (key == nullptr) return {};
  ALMAGEST_TRY(PayloadPath path, PayloadPath::Parse(*key));
  if (scope) path = scope->Append(path);
  const std::vector<Type> types = TypesFor(condition);
  const PayloadIndexConfig* index = FindIndex(config, path);
  if (index != nullptr && std::ranges::find(types, index->type) != types.end() &&
      Serves(*index, condition)) {
    return {};
  }
  std::string names;
  for (const Type type : types) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", PayloadIndexTypeName(type));
  }
  return Fail(StrictModeError(
      fmt::format("Index required but not found for \"{}\" of one of the following types: [{}]",
                  path.ToString(), names),
      "Create an index for this key or use a different filter."));
}

}  // namespace

Error StrictModeError(const std::string& what, const std::string& solution) {
  return Error{ErrorCode::kBadRequest, what + ". Help: " + solution};
}

size_t ConditionCount(const Filter& filter) {
  size_t count = 0;
  // Only a nested key that is no path ends the walk early, and the request fails for it anyway.
  (void)VisitLeaves(filter, std::nullopt, [&](const Condition&, const auto&) {
    ++count;
    return Result<>();
  });
  return count;
}

Result<> CheckStrictFilter(const Filter& filter, const CollectionConfig& config,
                           bool indexed_only) {
  const StrictModeConfig& strict = config.strict_mode;
  const size_t conditions = ConditionCount(filter);
  size_t longest = 0;
  ALMAGEST_TRY_VOID(VisitLeaves(filter, std::nullopt, [&](const Condition& condition, const auto&) {
    longest = std::max(longest, InputSize(condition));
    return Result<>();
  }));
  if (strict.filter_max_conditions && conditions > *strict.filter_max_conditions) {
    return Fail(StrictModeError(fmt::format("Filter condition limit reached ({} > {})", conditions,
                                            *strict.filter_max_conditions),
                                "Reduce the amount of conditions of your filter."));
  }
  if (strict.condition_max_size && longest > *strict.condition_max_size) {
    return Fail(StrictModeError(
        fmt::format("Condition size limit reached ({} > {})", longest, *strict.condition_max_size),
        "Reduce the size of your condition."));
  }
  if (!indexed_only) return {};
  return VisitLeaves(filter, std::nullopt, [&](const Condition& condition, const auto& scope) {
    return CheckIndexed(condition, scope, config);
  });
}

Result<> CheckStrictGrouping(const std::string& key, const CollectionConfig& config) {
  ALMAGEST_TRY(const PayloadPath path, PayloadPath::Parse(key));
  constexpr const char* kHelp = "Create an index supporting `match` for this key.";
  const PayloadIndexConfig* index = FindIndex(config, path);
  if (index == nullptr) {
    return Fail(StrictModeError(
        fmt::format("Index required but not found for \"{}\"", path.ToString()), kHelp));
  }
  const bool matches = index->type == Type::kKeyword || index->type == Type::kUuid ||
                       index->type == Type::kBool ||
                       (index->type == Type::kInteger && index->lookup);
  if (matches) return {};
  return Fail(StrictModeError(fmt::format("Index of type \"{}\" found for \"{}\"",
                                          PayloadIndexTypeName(index->type), path.ToString()),
                              kHelp));
}

}  // namespace almagest
