// JSON to formulas (engine/formula.h).
#pragma once

#include "engine/formula.h"
#include "http/json_reader.h"

namespace almagest {

inline constexpr size_t kFormulaNodesMax = 1024;
inline constexpr size_t kFormulaDepthMax = 64;

// A query {"formula": expression, "defaults": {variable: value}}. 400 for a wrong form, an unknown
// variable or a decay whose midpoint or scale is out of range; 422 for a formula of more nodes or
// levels than the limits.
Result<FormulaQuery> ParseFormula(const JsonValue& query);

}  // namespace almagest
