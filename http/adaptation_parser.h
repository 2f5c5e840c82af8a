// JSON to the request for an adaptation job (engine/learning/job.h), with the judgements that the
// client trusts.
#pragma once

#include "engine/learning/job.h"
#include "http/json_reader.h"
#include "http/text_resolver.h"

namespace almagest {

// {"using", "objective", "options", "seed", "activate", "feedback": {...}, "trusted": {"model",
//  "queries": [{"name", "text" | "vectors" | "point", "judgements": [{"id", "grade"?}]}]}}, each of
// them optional. Options are passed on as they are: the engine checks them (trainer_options.h).
// With `feedback` (a part: feedback_parser.h) the version is not activated unless `activate` says
// so.
Result<AdaptationRequest> ParseAdaptation(const JsonValue& body, TextResolver& texts);

}  // namespace almagest
