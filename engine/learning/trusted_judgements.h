// Judgements that an admin gives with an adaptation request. Nothing is trained on them; the gate
// refuses a version that answers them worse (docs/learning.md, "What keeps it safe").
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/feedback.h"

namespace almagest {

inline constexpr size_t kTrustedQueriesMax = 10'000;
inline constexpr size_t kTrustedPointsMax = 1'000;  // Judged, of one query.

struct TrustedQuery {
  std::string name;                          // For messages; may be empty.
  std::variant<DenseVector, PointId> query;  // A point asks by its vector, and does not count as a
                                             // result.
  std::vector<Grade> judgements;             // Grade > 0 is relevant.
};

struct TrustedJudgements {
  std::vector<TrustedQuery> queries;
};

// Whether all of them can be measured in this field; messages begin with the place, as in
// "trusted.queries[3].judgements[0].id". kOutOfRange for counts, grades, values that are not finite
// and queries without a relevant point; kInvalidArgument for another dimension; kNotFound for a
// point that does not exist or has no vector in the field.
Result<> CheckTrusted(const Collection& collection, const std::string& vector_name,
                      const TrustedJudgements& trusted);

// Writes trusted.safetensors (docs/job-folder.md); returns how many of the queries can be measured.
// What was deleted since the check stays in the file as missing, so that the report can say so:
// points that have no row are -1, and a query that is such a point has only those.
Result<uint64_t> WriteTrusted(const Collection& collection, const std::string& vector_name,
                              const TrustedJudgements& trusted,
                              const std::function<std::optional<int32_t>(const PointId&)>& row_of,
                              const std::filesystem::path& path);

}  // namespace almagest
