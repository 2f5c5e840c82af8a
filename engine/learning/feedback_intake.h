// From what a client sends to events that can be stored: every value checked, the query resolved
// to its base vector.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/feedback.h"
#include "engine/learning/query_log.h"

namespace almagest {

inline constexpr uint32_t kRankMax = 1'000'000;
inline constexpr double kWeightMax = 100;
inline constexpr size_t kUserBytesMax = 256;
inline constexpr size_t kTagBytesMax = 256;
inline constexpr size_t kQueryTextBytesMax = 64 << 10;
inline constexpr size_t kQueryIdBytesMax = 64;
// A client's clock may be ahead of ours by this much.
inline constexpr int64_t kClockSkewMsMax = 10'000;

// To length 1, as a collection of a cosine field normalises: a zero vector stays, a length within
// 1e-6 of 1 is left.
void NormaliseQuery(DenseVector* vector);

// Events in the order given, with query (normalised as a collection vector of a cosine field is),
// query_id, time and click ranks filled in. A query id brings the vector's name, the text and the
// rank of clicked results along, and how the search explored. On any error nothing was changed; the
// message starts with the place, as in "events[3].clicks[0].rank is 0, ...".
//   kTooLarge        more than kFeedbackBatchMax events.
//   kInvalidArgument unknown vector name, sparse field, wrong dimension, an event without points.
//   kOutOfRange      a value that breaks its range, or a count above kFeedbackPointsMax.
//   kNotFound        unknown query id or point, or a query point without the vector.
Result<std::vector<FeedbackEvent>> ResolveFeedback(const Collection& collection,
                                                   const QueryLog& log,
                                                   std::vector<FeedbackInput> inputs,
                                                   int64_t now_ms);

}  // namespace almagest
