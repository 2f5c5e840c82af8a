// Bodies of the feedback and evaluation routes, made from judged queries.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/client.h"
#include "client/commands/judgement_files.h"

namespace almagest::client {

// In the query of an evaluation mode: stands for each judged query's own text, embedded by `model`,
Json TextPlaceholder(std::string_view model);
// for its own vector called `name`,
Json VectorPlaceholder(std::string_view name);
// or for its own point.
Json PointPlaceholder();

struct EvaluationRequest {
  std::map<std::string, Json> modes;  // Name -> query node with placeholders.
  std::vector<JudgedQuery> queries;
  std::vector<uint64_t> versions;  // Empty: as served now.
  uint32_t k = 10;
  bool per_query = false;
};
// The body of POST /collections/{c}/evaluate. A query's target goes where its kind of placeholder
// finds it; a plain vector is called "query".
Json EvaluationBody(const EvaluationRequest& request);
inline constexpr std::string_view kQueryVectorName = "query";

// One event of POST /collections/{c}/feedback: explicit grades for a query on the dense field
// `using_vector`.
Json GradedEvent(const JudgedQuery& query, std::string_view using_vector);

// `trusted` of POST /collections/{c}/adaptations: queries of the dense field `using_vector`, texts
// by `model`. Queries without a relevant document, which the server would refuse, are left out;
// throws ClientError if no other is there.
Json TrustedJudgements(const std::vector<JudgedQuery>& queries, std::string_view using_vector,
                       std::string_view model);

}  // namespace almagest::client
