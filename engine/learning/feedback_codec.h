// Feedback events as stored records: a JSON body that a person can read, and the query vector as a
// binary blob.
#pragma once

#include <string>
#include <string_view>

#include "engine/learning/feedback.h"
#include "storage/base/result.h"

namespace almagest {

// kOutOfRange when a text is not valid UTF-8: it could not be given back as it came.
Result<std::string> EncodeFeedback(const FeedbackEvent& event);

// kCorruption when the bytes are not what EncodeFeedback wrote. The event's id is part of the key,
// not of the record: the caller passes it.
Result<FeedbackEvent> DecodeFeedback(uint64_t id, std::string_view bytes);

// Whether every condition of the filter holds for the event.
bool MatchesFilter(const FeedbackEvent& event, const FeedbackFilter& filter);

// A filter as a JSON object that names its conditions as the REST API does; "{}" where there is
// none.
std::string EncodeFilter(const FeedbackFilter& filter);
// kCorruption when the text is not what EncodeFilter wrote.
Result<FeedbackFilter> DecodeFilter(std::string_view text);

}  // namespace almagest
