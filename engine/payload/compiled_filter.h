// A filter made ready for many points: paths parsed, value lists hashed. Inside engine/payload
// only. Refers to the filter it was made from, which must outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/payload/filter_evaluator.h"
#include "engine/payload/payload_indexes.h"
#include "engine/payload/payload_path.h"
#include "engine/payload/slot_set.h"
#include "engine/payload/text_query.h"

namespace almagest {

// The scalars of a match condition.
struct ScalarSet {
  std::unordered_set<std::string_view> strings;
  std::unordered_set<int64_t> integers;
  bool has_true = false;
  bool has_false = false;
};

struct CompiledFilter;

struct CompiledCondition {
  const Condition* source = nullptr;
  PayloadPath path;   // Of conditions with a key.
  ScalarSet scalars;  // Of match value, any and except.
  std::unique_ptr<TextQuery> text;  // Of match text, where the full path has a text index.
  std::unique_ptr<CompiledFilter> inner;
  // Of has_id, has_vector and slice: the slots that meet it, where a whole collection is evaluated.
  SlotSet slots;
};

struct CompiledFilter {
  std::vector<CompiledCondition> must, should, must_not;
  std::optional<std::vector<CompiledCondition>> min_should;
  uint64_t min_count = 0;
};

// Text conditions are read as the text indexes among `indexes` do (nullptr: there are none).
// kInvalidArgument: a bad path, or nesting deeper than kFilterDepthMax.
Result<CompiledFilter> CompileFilter(const Filter& filter, const PayloadIndexes* indexes);

// Calls `visit` for every condition in the tree, also inside nested filters.
template <class Visit>
void ForEachCondition(CompiledFilter& filter, const Visit& visit) {
  const auto walk = [&](std::vector<CompiledCondition>& conditions) {
    for (CompiledCondition& condition : conditions) {
      visit(condition);
      if (condition.inner) ForEachCondition(*condition.inner, visit);
    }
  };
  walk(filter.must);
  walk(filter.should);
  walk(filter.must_not);
  if (filter.min_should) walk(*filter.min_should);
}

}  // namespace almagest
