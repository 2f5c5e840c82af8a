#include "client/commands/judgement_files.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "client/commands/query_builder.h"

namespace almagest::client {
namespace {

constexpr size_t kDigitsMax = 20;  // Of an unsigned 64-bit number.

Json PointIdOf(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= kDigitsMax &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? Json::parse(text) : Json(text);
}

std::string QueryName(const Json& line) {
  for (const char* key : {"_id", "id", "query_id"}) {
    if (!line.contains(key)) continue;
    const Json& value = line[key];
    return value.is_string() ? value.get<std::string>() : value.dump();
  }
  throw ClientError("there is no _id, id or query_id");
}

Json QueryTarget(const Json& line, std::string_view text_model) {
  if (line.contains("text")) return TextVector(line["text"].get<std::string>(), text_model);
  if (line.contains("vector")) return line["vector"];
  if (line.contains("point")) return line["point"];
  throw ClientError("there is no text, vector or point");
}

std::ifstream OpenLines(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw ClientError(path + ": cannot be opened");
  return file;
}

}  // namespace

bool ParseQrelsLine(std::string_view line, QrelsLine& parsed) {
  std::istringstream stream{std::string(line)};
  std::vector<std::string> columns;
  for (std::string column; stream >> column;) columns.push_back(column);
  if (columns.empty()) return false;
  if (columns.size() != 3 && columns.size() != 4) {
    throw ClientError("has " + std::to_string(columns.size()) + " columns; 3 or 4 are possible");
  }
  const std::string& grade = columns.back();
  char* end = nullptr;
  parsed.grade = std::strtod(grade.c_str(), &end);
  if (end == grade.c_str() || *end != '\0') {
    if (columns.front().find("query") != std::string::npos) return false;  // BEIR's head.
    throw ClientError("grade \"" + grade + "\" is not a number");
  }
  parsed.query = columns.front();
  parsed.document = columns[columns.size() - 2];
  return true;
}

std::vector<JudgedQuery> ReadJudgedQueries(const std::string& qrels_path,
                                           const std::string& queries_path,
                                           std::string_view text_model) {
  std::map<std::string, std::vector<std::pair<Json, double>>> judgements;
  std::ifstream qrels = OpenLines(qrels_path);
  std::string line;
  for (size_t number = 1; std::getline(qrels, line); ++number) {
    try {
      QrelsLine parsed;
      if (!ParseQrelsLine(line, parsed)) continue;
      judgements[parsed.query].emplace_back(PointIdOf(parsed.document), parsed.grade);
    } catch (const ClientError& error) {
      throw ClientError(qrels_path + " line " + std::to_string(number) + ": " + error.what());
    }
  }

  std::vector<JudgedQuery> queries;
  std::ifstream lines = OpenLines(queries_path);
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!object.is_object()) throw ClientError("it is not a JSON object");
      const std::string name = QueryName(object);
      const auto found = judgements.find(name);
      if (found == judgements.end()) continue;
      queries.push_back({name, QueryTarget(object, text_model), std::move(found->second)});
      judgements.erase(found);
    } catch (const ClientError& error) {
      throw ClientError(queries_path + " line " + std::to_string(number) + ": " + error.what());
    }
  }
  if (!judgements.empty()) {
    throw ClientError(qrels_path + " judges query \"" + judgements.begin()->first +
                      "\", which is not in " + queries_path);
  }
  if (queries.empty()) throw ClientError(qrels_path + " has no judgements");
  return queries;
}

}  // namespace almagest::client
