#include "engine/learning/feedback_intake.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/learning/exploration.h"

namespace almagest {
namespace {

tl::unexpected<Error> FailAt(ErrorCode code, const std::string& place, const std::string& what) {
  return Fail(code, place + what);
}

std::string Show(double value) {
  std::string text = std::to_string(value);
  while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
    const bool was_point = text.back() == '.';
    text.pop_back();
    if (was_point) break;
  }
  return text;
}

class Intake {
 public:
  Intake(const Collection& collection, const QueryLog& log, int64_t now_ms)
      : collection_(collection), log_(log), now_ms_(now_ms) {}

  Result<FeedbackEvent> Resolve(FeedbackInput input, std::string place) {
    place_ = std::move(place);
    FeedbackEvent& event = input.event;
    ALMAGEST_TRY_VOID(ResolveQuery(input));
    ALMAGEST_TRY_VOID(CheckScalars(event));
    ALMAGEST_TRY_VOID(CheckItems(event));
    return std::move(event);
  }

 private:
  Result<> ResolveQuery(FeedbackInput& input) {
    FeedbackEvent& event = input.event;
    event.id = 0;
    event.query_id.reset();
    event.exploration.reset();
    event.interleaved.reset();
    for (Click& click : event.clicks) {
      click.shown_probability.reset();
      click.team = Team::kNeither;
    }
    if (const auto* id = std::get_if<std::string>(&input.query)) {
      ALMAGEST_TRY_VOID(TakeLogged(*id, event));
    }
    auto field = collection_.FindField(event.vector_name);
    if (!field) return FailAt(field.error().code, place_ + ": ", field.error().message);
    if (field->is_sparse) {
      return FailAt(ErrorCode::kInvalidArgument, place_,
                    ".vector is '" + event.vector_name +
                        "', which is sparse; feedback teaches "
                        "dense vectors");
    }
    if (field->is_multi()) {
      return FailAt(ErrorCode::kInvalidArgument, place_,
                    ".vector is '" + event.vector_name +
                        "', which is a multi-vector; feedback teaches dense vectors");
    }
    if (auto* vector = std::get_if<DenseVector>(&input.query)) {
      event.query = std::move(*vector);
    } else if (const auto* point = std::get_if<PointId>(&input.query)) {
      ALMAGEST_TRY(event.query, VectorOfPoint(*point, event.vector_name));
    }
    ALMAGEST_TRY_VOID(CheckVector(event.query, field->dense.dimension));
    if (field->dense.distance == Distance::kCosine) NormaliseQuery(&event.query);
    return {};
  }

  Result<> TakeLogged(const std::string& id, FeedbackEvent& event) {
    const auto logged = log_.Find(collection_.id(), id);
    if (logged == nullptr) {
      return FailAt(ErrorCode::kNotFound, place_,
                    ".query_id '" + id.substr(0, kQueryIdBytesMax) +
                        "' is unknown: query ids are kept in memory for a bounded number of "
                        "searches");
    }
    if (!event.vector_name.empty() && event.vector_name != logged->vector_name) {
      return FailAt(ErrorCode::kInvalidArgument, place_,
                    ".vector is '" + event.vector_name + "', but the query searched '" +
                        logged->vector_name + "'");
    }
    if (logged->base_vector.empty()) {
      return FailAt(ErrorCode::kInvalidArgument, place_,
                    ".query_id names a search without a dense vector");
    }
    event.vector_name = logged->vector_name;
    event.query = logged->base_vector;
    event.query_id = id;
    if (!event.query_text && logged->text && logged->text->size() <= kQueryTextBytesMax) {
      event.query_text = logged->text;
    }
    event.exploration = logged->exploration;
    if (const auto& interleaving = logged->interleaving) {
      event.interleaved.emplace(interleaving->first, interleaving->second);
    }
    for (Click& click : event.clicks) {
      const auto at = std::find(logged->results.begin(), logged->results.end(), click.id);
      if (at == logged->results.end()) continue;
      const auto place = static_cast<size_t>(at - logged->results.begin());
      if (!click.rank) click.rank = static_cast<uint32_t>(place) + 1;
      if (logged->interleaving) click.team = logged->interleaving->teams.at(place);
      if (event.exploration) {
        const size_t rank = CandidateRank(*event.exploration, click.id);
        click.shown_probability = SeenProbability(*event.exploration, rank, /*position_bias=*/0);
      }
    }
    return {};
  }

  Result<DenseVector> VectorOfPoint(const PointId& id, const std::string& vector_name) {
    ALMAGEST_TRY(const Slot slot, FindPoint(id, ".query"));
    ALMAGEST_TRY(auto vectors,
                 collection_.Vectors(slot, {VectorSelector::Kind::kNames, {vector_name}}));
    const auto found = vectors.find(vector_name);
    if (found == vectors.end() || !std::holds_alternative<DenseVector>(found->second)) {
      return FailAt(
          ErrorCode::kNotFound, place_,
          ".query: point " + PointIdToString(id) + " has no vector '" + vector_name + "'");
    }
    return std::move(std::get<DenseVector>(found->second));
  }

  Result<> CheckVector(const DenseVector& vector, uint32_t dimension) {
    if (vector.size() != dimension) {
      return FailAt(ErrorCode::kInvalidArgument, place_,
                    ".query has " + std::to_string(vector.size()) +
                        " values, the vector's dimension is " + std::to_string(dimension));
    }
    for (size_t i = 0; i < vector.size(); ++i) {
      if (!std::isfinite(vector[i])) {
        return FailAt(ErrorCode::kOutOfRange, place_,
                      ".query[" + std::to_string(i) + "] is not a finite number");
      }
    }
    return {};
  }

  Result<> CheckScalars(FeedbackEvent& event) {
    ALMAGEST_TRY_VOID(CheckWeight(event.weight, ".weight"));
    if (event.user.size() > kUserBytesMax) {
      return FailAt(ErrorCode::kOutOfRange, place_,
                    ".user has " + std::to_string(event.user.size()) + " bytes, the limit is " +
                        std::to_string(kUserBytesMax));
    }
    if (event.tag.size() > kTagBytesMax) {
      return FailAt(ErrorCode::kOutOfRange, place_,
                    ".tag has " + std::to_string(event.tag.size()) + " bytes, the limit is " +
                        std::to_string(kTagBytesMax));
    }
    if (event.query_text && event.query_text->size() > kQueryTextBytesMax) {
      return FailAt(ErrorCode::kOutOfRange, place_,
                    ".text has " + std::to_string(event.query_text->size()) +
                        " bytes, the limit is " + std::to_string(kQueryTextBytesMax));
    }
    if (event.time_ms < 0 || event.time_ms > now_ms_ + kClockSkewMsMax) {
      return FailAt(ErrorCode::kOutOfRange, place_,
                    ".time is " + std::to_string(event.time_ms) +
                        " ms since 1970, it must be from 0 to now (" + std::to_string(now_ms_) +
                        ")");
    }
    if (event.time_ms == 0) event.time_ms = now_ms_;
    return {};
  }

  Result<> CheckItems(const FeedbackEvent& event) {
    const size_t items = event.impressions.size() + event.clicks.size() + event.grades.size() +
                         event.preferences.size() + event.negatives.size();
    if (items == 0) {
      return FailAt(ErrorCode::kInvalidArgument, place_,
                    " names no point: it needs impressions, clicks, grades, preferences or "
                    "negatives");
    }
    const auto impression = [&](const Impression& item, const std::string& at) {
      return CheckRank(item.id, item.rank, at);
    };
    const auto click = [&](const Click& item, const std::string& at) -> Result<> {
      ALMAGEST_TRY_VOID(CheckWeight(item.weight, at + ".weight"));
      return CheckRank(item.id, item.rank.value_or(1), at);
    };
    const auto grade = [&](const Grade& item, const std::string& at) -> Result<> {
      if (!(item.grade >= 0 && item.grade <= kGradeMax)) {
        return FailAt(
            ErrorCode::kOutOfRange, place_,
            at + ".grade is " + Show(item.grade) + ", it must be from 0 to " + Show(kGradeMax));
      }
      return CheckPoint(item.id, at);
    };
    const auto preference = [&](const Preference& item, const std::string& at) -> Result<> {
      if (item.preferred == item.over) {
        return FailAt(ErrorCode::kOutOfRange, place_,
                      at + " prefers point " + PointIdToString(item.over) + " over itself");
      }
      ALMAGEST_TRY_VOID(CheckPoint(item.preferred, at + ".preferred"));
      return CheckPoint(item.over, at + ".over");
    };
    const auto negative = [&](const PointId& id, const std::string& at) {
      return CheckPoint(id, at);
    };
    ALMAGEST_TRY_VOID(Each(event.impressions, ".impressions", impression));
    ALMAGEST_TRY_VOID(Each(event.clicks, ".clicks", click));
    ALMAGEST_TRY_VOID(Each(event.grades, ".grades", grade));
    ALMAGEST_TRY_VOID(Each(event.preferences, ".preferences", preference));
    return Each(event.negatives, ".negatives", negative);
  }

  template <class Items, class Check>
  Result<> Each(const Items& items, const std::string& name, const Check& check) {
    if (items.size() > kFeedbackPointsMax) {
      return FailAt(ErrorCode::kOutOfRange, place_,
                    name + " has " + std::to_string(items.size()) + " entries, the limit is " +
                        std::to_string(kFeedbackPointsMax));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      ALMAGEST_TRY_VOID(check(items[i], name + "[" + std::to_string(i) + "]"));
    }
    return {};
  }

  Result<> CheckWeight(double weight, const std::string& name) {
    if (weight > 0 && weight <= kWeightMax) return {};
    return FailAt(
        ErrorCode::kOutOfRange, place_,
        name + " is " + Show(weight) + ", it must be above 0 and at most " + Show(kWeightMax));
  }

  Result<> CheckRank(const PointId& id, uint32_t rank, const std::string& at) {
    if (rank < 1 || rank > kRankMax) {
      return FailAt(ErrorCode::kOutOfRange, place_,
                    at + ".rank is " + std::to_string(rank) + ", it must be from 1 to " +
                        std::to_string(kRankMax));
    }
    return CheckPoint(id, at);
  }

  Result<Slot> FindPoint(const PointId& id, const std::string& at) {
    const Slot slot = collection_.FindSlot(id);
    if (slot != kNoSlot) return slot;
    return FailAt(ErrorCode::kNotFound, place_, at + ": there is no point " + PointIdToString(id));
  }
  Result<> CheckPoint(const PointId& id, const std::string& at) {
    ALMAGEST_TRY([[maybe_unused]] const Slot slot, FindPoint(id, at));
    return {};
  }

  const Collection& collection_;
  const QueryLog& log_;
  const int64_t now_ms_;
  std::string place_;
};

}  // namespace

void NormaliseQuery(DenseVector* vector) {
  double square = 0;
  for (const float value : *vector) square += static_cast<double>(value) * value;
  const double length = std::sqrt(square);
  if (length == 0 || !std::isfinite(length) || std::abs(length - 1) <= 1e-6) return;
  for (float& value : *vector) value = static_cast<float>(value / length);
}

Result<std::vector<FeedbackEvent>> ResolveFeedback(const Collection& collection,
                                                   const QueryLog& log,
                                                   std::vector<FeedbackInput> inputs,
                                                   int64_t now_ms) {
  if (inputs.size() > kFeedbackBatchMax) {
    return Fail(ErrorCode::kTooLarge, "events has " + std::to_string(inputs.size()) +
                                          " entries, the limit is " +
                                          std::to_string(kFeedbackBatchMax));
  }
  Intake intake(collection, log, now_ms);
  std::vector<FeedbackEvent> events;
  for (size_t i = 0; i < inputs.size(); ++i) {
    ALMAGEST_TRY(auto event,
                 intake.Resolve(std::move(inputs[i]), "events[" + std::to_string(i) + "]"));
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace almagest
