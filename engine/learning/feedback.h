// Feedback: what users did with results. Stored with the durability of points.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/types.h"

namespace almagest {

// A query as a search saw it, kept in memory so that feedback can refer to it by id.
struct LoggedQuery {
  std::string vector_name;
  VersionId version = 0;           // Of that field, active when it was answered.
  DenseVector base_vector;         // Base query vector; feedback on sparse-only queries has none.
  std::optional<std::string> text; // If the query came in as text.
  std::vector<PointId> results;    // In rank order.
};

struct Impression { PointId id; uint32_t rank = 0; };     // Rank from 1.
struct Click { PointId id; std::optional<uint32_t> rank; double weight = 1; };
struct Grade { PointId id; double grade = 0; };           // 0..10; 0 = judged not relevant.
struct Preference { PointId preferred, over; };

struct FeedbackEvent {
  uint64_t id = 0;                    // Given by the server, ascending.
  std::string vector_name;            // The dense field that the query vector belongs to.
  DenseVector query;                  // Base query vector.
  std::optional<std::string> query_text;
  std::optional<std::string> query_id;
  std::vector<Impression> impressions;
  std::vector<Click> clicks;
  std::vector<Grade> grades;
  std::vector<Preference> preferences;
  std::vector<PointId> negatives;     // Explicitly not relevant.
  std::string user;                   // Empty: unknown. At most 256 bytes.
  int64_t time_ms = 0;                // Unix time; default: when received. Not in the future.
  double weight = 1;                  // 0 < weight <= 100.
};

// What a client sends: the query in one of three ways.
struct FeedbackInput {
  std::variant<DenseVector, PointId, std::string> query;  // string: an Almagest-Query-Id.
  FeedbackEvent event;  // id, query, query_id are filled in by the server.
};

// All given conditions must hold; none given matches every event.
struct FeedbackFilter {
  std::optional<std::string> user;
  std::optional<int64_t> from_ms, until_ms;  // until is exclusive.
  std::optional<PointId> point;              // Events that name this point.
  std::vector<uint64_t> ids;
  std::optional<std::string> vector_name;
};

struct FeedbackPage {
  std::vector<FeedbackEvent> events;
  std::optional<uint64_t> next_id;
};

inline constexpr size_t kFeedbackBatchMax = 10'000;
inline constexpr size_t kFeedbackPointsMax = 1'000;  // Per event and kind.
inline constexpr double kGradeMax = 10;

}  // namespace almagest
