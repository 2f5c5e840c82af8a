// Judgements in the files of information retrieval: TREC qrels ("query 0 document grade") or BEIR's
// three columns (query, document, grade; with a head line), and the queries as JSONL.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/client.h"

namespace almagest::client {

struct JudgedQuery {
  std::string name;                                 // The query's id in the files.
  Json target;                                      // {"text","model"}, a vector, or a point id.
  std::vector<std::pair<Json, double>> judgements;  // Point id and grade.
};

// Queries of `queries_path` that have judgements, in that file's order. A line of it is an object
// with an id ("_id", "id" or "query_id") and one of "text", "vector", "point". Document ids of
// digits become numbers, others are taken as UUIDs. Throws ClientError naming file and line; also
// when a judgement names a query that the other file does not have.
std::vector<JudgedQuery> ReadJudgedQueries(const std::string& qrels_path,
                                           const std::string& queries_path,
                                           std::string_view text_model);

struct QrelsLine {
  std::string query, document;
  double grade = 0;
};
// False for a head line or a blank one; throws ClientError for a broken one.
bool ParseQrelsLine(std::string_view line, QrelsLine& parsed);

}  // namespace almagest::client
