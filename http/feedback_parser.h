// JSON to feedback events and filters (engine/learning/feedback.h), and events back to JSON; and
// the judged points of other requests.
#pragma once

#include <string_view>
#include <vector>

#include "engine/learning/feedback.h"
#include "http/http_message.h"
#include "http/json_reader.h"
#include "http/json_writer.h"
#include "http/text_resolver.h"

namespace almagest {

// {"events": [{...}]}, or one event as the body itself. An event:
//   {"query": {"vector" | "text" and "model" | "point" | "query_id"}, "using"?, "user"?, "tag"?,
//    "time_ms"?, "weight"?, "impressions": [{"id", "rank"}], "clicks": [{"id", "rank"?,
//    "weight"?}], "grades": [{"id", "grade"}], "preferences": [{"preferred", "over"}], "negatives":
//    [ids]}
// Unknown keys are refused: a misspelt one would lose feedback. Ranges of weights, ranks, grades
// and times are checked by the engine.
Result<std::vector<FeedbackInput>> ParseFeedback(const JsonValue& body, TextResolver& texts);

// {"user", "tag", "from_ms", "until_ms", "point", "ids", "using"}; 400 when none is given, since an
// empty filter would match everything ({"all": true} says that on purpose).
Result<FeedbackFilter> ParseFeedbackFilter(const JsonValue& body);
// The same from query parameters (but `ids`); none is fine.
Result<FeedbackFilter> ParseFeedbackQuery(const HttpRequest& request);
// The part of a vector's feedback that an adaptation is about: {"user", "tag", "from_ms",
// "until_ms", "point"}; 400 when none is given.
Result<FeedbackFilter> ParseFeedbackPart(const JsonValue& value);

// The points {"id", "grade"?}, grade 0 to 10, 1 where it is not given,
// of the array `judgements` that `query` must have.
Result<std::vector<Grade>> ParseJudgedPoints(const JsonValue& query);

void WriteFeedbackEvent(JsonWriter& json, const FeedbackEvent& event, bool with_vector);

}  // namespace almagest
