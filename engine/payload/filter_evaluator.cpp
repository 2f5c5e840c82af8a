#include "engine/payload/filter_evaluator.h"

#include <algorithm>
#include <utility>

#include "engine/payload/compiled_filter.h"
#include "engine/payload/condition_match.h"
#include "engine/payload/id_slice.h"
#include "engine/payload/payload_document.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr size_t kBatch = 1024;  // Payloads read at once.

// What is known of the live slots before any payload is read. The sets are disjoint.
struct Verdict {
  SlotSet yes;
  SlotSet maybe;
};

class Decider {
 public:
  explicit Decider(const FilterContext& context) : context_(context), live_(*context.live) {}

  Result<Verdict> Decide(const CompiledFilter& filter) const {
    Verdict all{live_, {}};
    for (const CompiledCondition& condition : filter.must) {
      ALMAGEST_TRY(const Verdict one, Decide(condition));
      Intersect(one, &all);
    }
    for (const CompiledCondition& condition : filter.must_not) {
      ALMAGEST_TRY(Verdict one, Decide(condition));
      Intersect({live_ - one.yes - one.maybe, std::move(one.maybe)}, &all);
    }
    if (!filter.should.empty()) {
      ALMAGEST_TRY(const Verdict any, AtLeast(filter.should, 1));
      Intersect(any, &all);
    }
    if (filter.min_should) {
      ALMAGEST_TRY(const Verdict enough, AtLeast(*filter.min_should, filter.min_count));
      Intersect(enough, &all);
    }
    return all;
  }

 private:
  static void Intersect(const Verdict& one, Verdict* all) {
    SlotSet possible = (all->yes | all->maybe) & (one.yes | one.maybe);
    all->yes &= one.yes;
    all->maybe = std::move(possible) - all->yes;
  }

  // Slots that meet at least `count` of the conditions: met[k] is the set that meets more than k
  // of those seen so far, kept for what is sure and for what is possible.
  Result<Verdict> AtLeast(const std::vector<CompiledCondition>& conditions, uint64_t count) const {
    if (count == 0) return Verdict{live_, {}};
    if (count > conditions.size()) return Verdict{};
    std::vector<SlotSet> sure(count);
    std::vector<SlotSet> possible(count);
    const auto add = [&](const SlotSet& set, std::vector<SlotSet>* met) {
      for (size_t k = count - 1; k > 0; --k) (*met)[k] |= (*met)[k - 1] & set;
      (*met)[0] |= set;
    };
    for (const CompiledCondition& condition : conditions) {
      ALMAGEST_TRY(Verdict one, Decide(condition));
      add(one.yes, &sure);
      add(one.maybe |= one.yes, &possible);
    }
    return Verdict{sure.back(), possible.back() - sure.back()};
  }

  Result<Verdict> Decide(const CompiledCondition& condition) const {
    if (context_.deadline.Expired()) {
      return Fail(ErrorCode::kTimeout, "the time allowed for the filter ran out");
    }
    const Condition& source = *condition.source;
    if (std::holds_alternative<FilterCondition>(source)) return Decide(*condition.inner);
    if (std::holds_alternative<HasIdCondition>(source) ||
        std::holds_alternative<HasVectorCondition>(source) ||
        std::holds_alternative<SliceCondition>(source)) {
      return Verdict{condition.slots & live_, {}};
    }
    if (std::holds_alternative<NestedCondition>(source)) return DecideNested(condition);
    if (context_.indexes == nullptr) return Unknown();
    if (std::holds_alternative<IsEmptyCondition>(source)) {
      const auto filled = context_.indexes->Filled(condition.path);
      return filled ? Verdict{live_ - *filled, {}} : Unknown();
    }
    if (std::holds_alternative<IsNullCondition>(source)) {
      const auto nulls = context_.indexes->Nulls(condition.path);
      return nulls ? Verdict{*nulls & live_, {}} : Unknown();
    }
    return DecideField(condition.path, std::get<FieldCondition>(source));
  }

  Verdict DecideField(const PayloadPath& path, const FieldCondition& field) const {
    if (const auto* count = std::get_if<ValuesCount>(&field.test)) {
      const auto filled = context_.indexes->Filled(path);
      if (!filled) return Unknown();
      return {InRange(*count, 0) ? live_ - *filled : SlotSet(), *filled & live_};
    }
    const auto answer = context_.indexes->Answer(path, field);
    if (!answer) return Unknown();
    return {answer->sure & live_, answer->maybe & live_};
  }

  // An element that meets the inner filter meets each of its `must` conditions, so the point
  // meets them at the full path: an index there narrows what must be read.
  Verdict DecideNested(const CompiledCondition& nested) const {
    Verdict verdict = Unknown();
    if (context_.indexes == nullptr) return verdict;
    for (const CompiledCondition& condition : nested.inner->must) {
      const auto* field = std::get_if<FieldCondition>(condition.source);
      if (field == nullptr || std::holds_alternative<ValuesCount>(field->test)) continue;
      const auto answer = context_.indexes->Answer(nested.path.Append(condition.path), *field);
      if (answer) verdict.maybe &= answer->sure | answer->maybe;
    }
    return verdict;
  }

  Verdict Unknown() const { return {{}, live_}; }

  const FilterContext& context_;
  const SlotSet& live_;
};

// Compiles the filter and looks up ids and vector names.
Result<CompiledFilter> Prepare(const Filter& filter, const FilterContext& context) {
  ALMAGEST_CHECK(context.live != nullptr);
  ALMAGEST_TRY(CompiledFilter compiled, CompileFilter(filter, context.indexes));
  ForEachCondition(compiled, [&](CompiledCondition& condition) {
    if (const auto* has_id = std::get_if<HasIdCondition>(condition.source)) {
      ALMAGEST_CHECK(context.slot_of != nullptr);
      for (const PointId& id : has_id->ids) {
        const Slot slot = context.slot_of(id);
        if (slot != kNoSlot) condition.slots.Add(slot);
      }
    } else if (const auto* vector = std::get_if<HasVectorCondition>(condition.source)) {
      ALMAGEST_CHECK(context.slots_with_vector != nullptr);
      condition.slots = context.slots_with_vector(vector->name);
    } else if (const auto* slice = std::get_if<SliceCondition>(condition.source)) {
      ALMAGEST_CHECK(context.id_of != nullptr);
      context.live->ForEach([&](Slot slot) {
        if (InSlice(*slice, context.id_of(slot))) condition.slots.Add(slot);
      });
    }
  });
  return compiled;
}

}  // namespace

Result<SlotSet> EvaluateFilter(const Filter& filter, const FilterContext& context) {
  ALMAGEST_TRY(const CompiledFilter compiled, Prepare(filter, context));
  ALMAGEST_TRY(Verdict verdict, Decider(context).Decide(compiled));
  if (verdict.maybe.empty()) return std::move(verdict.yes);
  ALMAGEST_CHECK(context.payloads_of != nullptr);
  const std::vector<Slot> undecided = verdict.maybe.ToVector();
  for (size_t first = 0; first < undecided.size(); first += kBatch) {
    if (context.deadline.Expired()) {
      return Fail(ErrorCode::kTimeout, "the time allowed for the filter ran out after " +
                                           std::to_string(first) + " of " +
                                           std::to_string(undecided.size()) + " payloads");
    }
    const auto batch =
        std::span(undecided).subspan(first, std::min(kBatch, undecided.size() - first));
    ALMAGEST_TRY(const std::vector<std::string> payloads, context.payloads_of(batch));
    ALMAGEST_CHECK(payloads.size() == batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      ALMAGEST_TRY(const JsonElement payload, ReadPayload(payloads[i]));
      PointFacts facts;
      facts.slot = batch[i];
      if (Matches(compiled, payload, facts)) verdict.yes.Add(batch[i]);
    }
  }
  return std::move(verdict.yes);
}

Result<Cardinality> EstimateCardinality(const Filter& filter, const FilterContext& context) {
  ALMAGEST_TRY(const CompiledFilter compiled, Prepare(filter, context));
  ALMAGEST_TRY(const Verdict verdict, Decider(context).Decide(compiled));
  const uint64_t sure = verdict.yes.size();
  const uint64_t possible = verdict.maybe.size();
  return Cardinality{sure, sure + possible / 2, sure + possible};
}

Result<bool> MatchesFilter(const Filter& filter, std::string_view payload, const PointId& id,
                           const std::function<bool(const std::string& name)>& has_vector,
                           const PayloadIndexes* indexes) {
  ALMAGEST_TRY(const CompiledFilter compiled, CompileFilter(filter, indexes));
  ALMAGEST_TRY(const JsonElement element, ReadPayload(payload));
  PointFacts facts;
  facts.id = &id;
  facts.has_vector = &has_vector;
  return Matches(compiled, element, facts);
}

Result<> CheckFilter(const Filter& filter) {
  ALMAGEST_TRY_VOID(CompileFilter(filter, nullptr));
  return {};
}

}  // namespace almagest
