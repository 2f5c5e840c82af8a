#include "engine/learning/trusted_judgements.h"

#include <algorithm>
#include <cmath>

#include "engine/learning/feedback_intake.h"
#include "storage/base/safetensors.h"

namespace almagest {
namespace {

class TrustedCheck {
 public:
  TrustedCheck(const Collection& collection, std::string vector_name, uint32_t dimension,
               SlotSet with_vector)
      : collection_(collection),
        vector_name_(std::move(vector_name)),
        dimension_(dimension),
        with_vector_(std::move(with_vector)) {}

  Result<> Check(const TrustedQuery& query, const std::string& place) const {
    if (const auto* point = std::get_if<PointId>(&query.query)) {
      ALMAGEST_TRY_VOID(CheckPoint(*point, place + ".point"));
    } else {
      ALMAGEST_TRY_VOID(CheckVector(std::get<DenseVector>(query.query), place));
    }
    if (query.judgements.empty() || query.judgements.size() > kTrustedPointsMax) {
      return Fail(ErrorCode::kOutOfRange,
                  place + ".judgements has " + std::to_string(query.judgements.size()) +
                      " entries, it must have from 1 to " + std::to_string(kTrustedPointsMax));
    }
    bool has_relevant = false;
    for (size_t i = 0; i < query.judgements.size(); ++i) {
      const Grade& judged = query.judgements[i];
      const std::string at = place + ".judgements[" + std::to_string(i) + "]";
      if (!(judged.grade >= 0 && judged.grade <= kGradeMax)) {
        return Fail(ErrorCode::kOutOfRange,
                    at + ".grade is " + std::to_string(judged.grade) + ", it must be from 0 to 10");
      }
      const auto* point = std::get_if<PointId>(&query.query);
      if (point != nullptr && *point == judged.id) {
        return Fail(ErrorCode::kOutOfRange, at + ".id is " + PointIdToString(judged.id) +
                                                ", the point that the query is, which does not "
                                                "count as a result");
      }
      ALMAGEST_TRY_VOID(CheckPoint(judged.id, at + ".id"));
      has_relevant |= judged.grade > 0;
    }
    if (has_relevant) return {};
    return Fail(ErrorCode::kOutOfRange,
                place + ".judgements names no relevant point, at least one grade must be above 0");
  }

 private:
  Result<> CheckPoint(const PointId& id, const std::string& at) const {
    const Slot slot = collection_.FindSlot(id);
    if (slot == kNoSlot) {
      return Fail(ErrorCode::kNotFound, at + ": there is no point " + PointIdToString(id));
    }
    if (with_vector_.Contains(slot)) return {};
    return Fail(ErrorCode::kNotFound,
                at + ": point " + PointIdToString(id) + " has no vector '" + vector_name_ + "'");
  }

  Result<> CheckVector(const DenseVector& vector, const std::string& place) const {
    if (vector.size() != dimension_) {
      return Fail(ErrorCode::kInvalidArgument, place + " has a vector of " +
                                                   std::to_string(vector.size()) +
                                                   " values, the dimension of '" + vector_name_ +
                                                   "' is " + std::to_string(dimension_));
    }
    if (std::ranges::all_of(vector, [](float value) { return std::isfinite(value); })) return {};
    return Fail(ErrorCode::kOutOfRange, place + " has a vector with a value that is not finite");
  }

  const Collection& collection_;
  const std::string vector_name_;
  const uint32_t dimension_;
  const SlotSet with_vector_;
};

}  // namespace

Result<> CheckTrusted(const Collection& collection, const std::string& vector_name,
                      const TrustedJudgements& trusted) {
  const size_t count = trusted.queries.size();
  if (count == 0 || count > kTrustedQueriesMax) {
    return Fail(ErrorCode::kOutOfRange, "trusted.queries has " + std::to_string(count) +
                                            " entries, it must have from 1 to " +
                                            std::to_string(kTrustedQueriesMax));
  }
  ALMAGEST_TRY(const auto field, collection.FindField(vector_name));
  Filter filter;
  filter.must.push_back(HasVectorCondition{vector_name});
  ALMAGEST_TRY(SlotSet with_vector, collection.MatchingSlots(filter, {}));
  const TrustedCheck check(collection, vector_name, field.dense.dimension, std::move(with_vector));
  for (size_t i = 0; i < count; ++i) {
    ALMAGEST_TRY_VOID(
        check.Check(trusted.queries[i], "trusted.queries[" + std::to_string(i) + "]"));
  }
  return {};
}

Result<uint64_t> WriteTrusted(const Collection& collection, const std::string& vector_name,
                              const TrustedJudgements& trusted,
                              const std::function<std::optional<int32_t>(const PointId&)>& row_of,
                              const std::filesystem::path& path) {
  ALMAGEST_TRY(const auto field, collection.FindField(vector_name));
  std::vector<float> queries;
  std::vector<int32_t> own, query, document;
  std::vector<float> grade;
  uint64_t measurable = 0;
  for (const TrustedQuery& given : trusted.queries) {
    DenseVector row(field.dense.dimension);
    std::optional<int32_t> own_row;
    bool has_vector = true;
    if (const auto* point = std::get_if<PointId>(&given.query)) {
      own_row = row_of(*point);
      has_vector = own_row.has_value();
      if (has_vector) {
        std::vector<bool> present;
        const Slot slot = collection.FindSlot(*point);
        ALMAGEST_TRY(row, collection.BaseVectors(field.id, std::span(&slot, 1), &present));
        has_vector = present.at(0);
      }
    } else {
      row = std::get<DenseVector>(given.query);
      if (field.dense.distance == Distance::kCosine) NormaliseQuery(&row);
    }
    bool has_relevant = false;
    for (const Grade& judged : given.judgements) {
      const auto found = has_vector ? row_of(judged.id) : std::nullopt;
      query.push_back(static_cast<int32_t>(own.size()));
      document.push_back(found.value_or(-1));
      grade.push_back(static_cast<float>(judged.grade));
      has_relevant |= found && judged.grade > 0;
    }
    measurable += has_relevant;
    queries.insert(queries.end(), row.begin(), row.end());
    own.push_back(own_row.value_or(-1));
  }
  const auto rows = static_cast<int64_t>(own.size());
  const auto judgements = static_cast<int64_t>(query.size());
  SafetensorsWriter writer;
  writer.AddFloat32("queries", {rows, field.dense.dimension}, queries);
  writer.AddInt32("own", {rows}, own);
  writer.AddInt32("query", {judgements}, query);
  writer.AddInt32("document", {judgements}, document);
  writer.AddFloat32("grade", {judgements}, grade);
  ALMAGEST_TRY_VOID(writer.Write(path));
  return measurable;
}

}  // namespace almagest
