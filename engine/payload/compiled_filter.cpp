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

Result<CompiledCondition> Compile(const Condition& condition, size_t depth) {
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
  if (inner != nullptr) {
    ALMAGEST_TRY(CompiledFilter filter, CompileFilter(*inner, depth + 1));
    compiled.inner = std::make_unique<CompiledFilter>(std::move(filter));
  }
  return compiled;
}

Result<std::vector<CompiledCondition>> CompileAll(std::span<const Condition> conditions,
                                                  size_t depth) {
  std::vector<CompiledCondition> compiled;
  compiled.reserve(conditions.size());
  for (const Condition& condition : conditions) {
    ALMAGEST_TRY(CompiledCondition next, Compile(condition, depth));
    compiled.push_back(std::move(next));
  }
  return compiled;
}

}  // namespace

Result<CompiledFilter> CompileFilter(const Filter& filter, size_t depth) {
  if (depth >= kFilterDepthMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "the filter is nested deeper than " + std::to_string(kFilterDepthMax) + " levels");
  }
  CompiledFilter compiled;
  ALMAGEST_TRY(compiled.must, CompileAll(filter.must, depth));
  ALMAGEST_TRY(compiled.should, CompileAll(filter.should, depth));
  ALMAGEST_TRY(compiled.must_not, CompileAll(filter.must_not, depth));
  if (filter.min_should) {
    ALMAGEST_TRY(compiled.min_should, CompileAll(filter.min_should->conditions, depth));
    compiled.min_count = filter.min_should->min_count;
  }
  return compiled;
}

}  // namespace almagest
