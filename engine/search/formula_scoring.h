// Scores points by a formula (engine/formula.h) over the results of prefetches.
#pragma once

#include <span>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/formula.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// Every point that occurs in a list, best first. `lists` is one per prefetch, with scores as REST
// shows them. Errors: kInvalidArgument (a variable that a point needs has no value of the right
// type and no default; a value that is not finite), kTimeout.
//
// Cost: per point one payload read where the formula has variables, and the evaluation; conditions
// are evaluated once for all points.
Result<std::vector<RankedSlot>> ScoreByFormula(const Collection& collection,
                                               const FormulaQuery& formula,
                                               std::span<const std::vector<RankedSlot>> lists,
                                               const Deadline& deadline);

// What a formula is evaluated on: one point.
struct FormulaInputs {
  std::vector<std::optional<double>> scores;  // One per prefetch.
  std::vector<std::optional<PayloadVariable>> variables;
  std::vector<bool> conditions;
};
// Errors: kInvalidArgument, as above.
Result<double> EvaluateFormula(const FormulaQuery& formula, const FormulaInputs& inputs);

}  // namespace almagest
