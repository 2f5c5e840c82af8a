#include "engine/payload/compiled_filter.h"

#include <span>
#include <string>
#include <utility>

namespace almagest {
namespace {

void AddScalar(const MatchScalar& scalar, ScalarSet* set) {
  if (const auto* flag = std::get_if<bool>(&scalar)) {
    (*flag ? set->has_true : set->has_false) = true;
  } else if (const auto* integer = std::get_if<int64_t>(&scalar)) {
    set->integers.insert(*integer);
  } else {
    set->strings.insert(std::get<std::string>(scalar));
  }
}

ScalarSet ScalarsOf(const Match& match) {
  ScalarSet set;
  if (const auto* value = std::get_if<MatchValue>(&match)) AddScalar(value->value, &set);
  if (const auto* any = std::get_if<MatchAny>(&match)) {
    for (const MatchScalar& scalar : any->values) AddScalar(scalar, &set);
  }
  if (const auto* except = std::get_if<MatchExcept>(&match)) {
    for (const MatchScalar& scalar : except->values) AddScalar(scalar, &set);
  }
  return set;
}

// Where in the tree a filter stands.
struct Place {
  const PayloadIndexes* indexes = nullptr;
  std::optional<PayloadPath> scope;  // Of a nested filter: what its paths start from.
  size_t depth = 0;
};

Result<CompiledFilter> CompileAt(const Filter& filter, const Place& place);

Result<std::unique_ptr<TextQuery>> CompileText(const PayloadPath& path, const MatchText& match,
                                               const Place& place) {
  if (place.indexes == nullptr) return std::unique_ptr<TextQuery>();
  const auto config = place.indexes->ConfigAt(place.scope ? place.scope->Append(path) : path);
  if (!config || config->type != PayloadIndexType::kText) return std::unique_ptr<TextQuery>();
  ALMAGEST_TRY(TextQuery query, TextQuery::Make(*config, match));
  return std::make_unique<TextQuery>(std::move(query));
}

Result<CompiledCondition> Compile(const Condition& condition, const Place& place) {
  CompiledCondition compiled;
  compiled.source = &condition;
  const std::string* key = nullptr;
  const Filter* inner = nullptr;
  if (const auto* field = std::get_if<FieldCondition>(&condition)) {
    key = &field->key;
    if (const auto* match = std::get_if<Match>(&field->test)) compiled.scalars = ScalarsOf(*match);
  } else if (const auto* empty = std::get_if<IsEmptyCondition>(&condition)) {
    key = &empty->key;
  } else if (const auto* null = std::get_if<IsNullCondition>(&condition)) {
    key = &null->key;
  } else if (const auto* nested = std::get_if<NestedCondition>(&condition)) {
    key = &nested->key;
    inner = nested->filter.get();
  } else if (const auto* filter = std::get_if<FilterCondition>(&condition)) {
    inner = filter->filter.get();
  }
  if (key != nullptr) {
    ALMAGEST_TRY(compiled.path, PayloadPath::Parse(*key));
    if (inner != nullptr) compiled.path = compiled.path.Elements();
  }
  if (const auto* field = std::get_if<FieldCondition>(&condition)) {
    const auto* match = std::get_if<Match>(&field->test);
    const auto* text = match != nullptr ? std::get_if<MatchText>(match) : nullptr;
    if (text != nullptr) {
      ALMAGEST_TRY(compiled.text, CompileText(compiled.path, *text, place));
    }
  }
  if (inner != nullptr) {
    Place below = place;
    ++below.depth;
    if (key != nullptr)
      below.scope = place.scope ? place.scope->Append(compiled.path) : compiled.path;
    ALMAGEST_TRY(CompiledFilter filter, CompileAt(*inner, below));
    compiled.inner = std::make_unique<CompiledFilter>(std::move(filter));
  }
  return compiled;
}

Result<std::vector<CompiledCondition>> CompileAll(std::span<const Condition> conditions,
                                                  const Place& place) {
  std::vector<CompiledCondition> compiled;
  compiled.reserve(conditions.size());
  for (const Condition& condition : conditions) {
    ALMAGEST_TRY(CompiledCondition next, Compile(condition, place));
    compiled.push_back(std::move(next));
  }
  return compiled;
}

Result<CompiledFilter> CompileAt(const Filter& filter, const Place& place) {
  if (place.depth >= kFilterDepthMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "the filter is nested deeper than " + std::to_string(kFilterDepthMax) + " levels");
  }
  CompiledFilter compiled;
  ALMAGEST_TRY(compiled.must, CompileAll(filter.must, place));
  ALMAGEST_TRY(compiled.should, CompileAll(filter.should, place));
  ALMAGEST_TRY(compiled.must_not, CompileAll(filter.must_not, place));
  if (filter.min_should) {
    ALMAGEST_TRY(compiled.min_should, CompileAll(filter.min_should->conditions, place));
    compiled.min_count = filter.min_should->min_count;
  }
  return compiled;
}

}  // namespace

Result<CompiledFilter> CompileFilter(const Filter& filter, const PayloadIndexes* indexes) {
  Place place;
  place.indexes = indexes;
  return CompileAt(filter, place);
}

}  // namespace almagest
