// Feedback: what users did with results. Stored with the durability of points.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/types.h"

namespace almagest {

// How a search of a field that explores came to what it showed (exploration.h), so that a click can
// be weighed by how probable it was that it could happen.
struct LoggedExploration {
  VersionId version = 0;            // That ranked the candidates.
  double rate = 0;                  // Share of the searches that explore.
  uint32_t slots = 0;               // Last places that an exploring search gives away.
  uint32_t shown = 0;               // Hits that the search showed.
  bool explored = false;            // Whether this search did.
  std::vector<PointId> candidates;  // Best first.
};

// Whose pick a hit of an interleaved list was (interleaving.h).
enum class Team : uint8_t { kNeither, kFirst, kSecond };

// How a search came to a list of two versions.
struct LoggedInterleaving {
  VersionId first = 0;  // That was active.
  VersionId second = 0;
  std::vector<Team> teams;  // Parallel to the results.
};

// A query as a search saw it, kept in memory so that feedback can refer to it by id.
struct LoggedQuery {
  std::string vector_name;
  VersionId version = 0;           // Of that field: named by the search, or active then.
  DenseVector base_vector;         // Base query vector; feedback on sparse-only queries has none.
  std::optional<std::string> text; // If the query came in as text.
  std::vector<PointId> results;    // In rank order.
  std::shared_ptr<const LoggedExploration> exploration = nullptr;    // If the field explores.
  std::shared_ptr<const LoggedInterleaving> interleaving = nullptr;  // If two versions answered.
  bool version_named = false;  // A leg of it named one: it speaks for no active version.
};

struct Impression { PointId id; uint32_t rank = 0; };     // Rank from 1.
struct Click {
  PointId id;
  std::optional<uint32_t> rank;
  double weight = 1;
  // Of its search showing the point at all; known where the search's field explores.
  std::optional<double> shown_probability = std::nullopt;
  Team team = Team::kNeither;  // Of an interleaved search.
};
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
  // Of the search that query_id names.
  std::shared_ptr<const LoggedExploration> exploration;
  std::optional<std::pair<VersionId, VersionId>> interleaved;  // The versions that answered it.
  std::string user;                   // Empty: unknown. At most 256 bytes.
  std::string tag;                    // A tenant, a locale: whose versions it is to teach. As user.
  int64_t time_ms = 0;                // Unix time; default: when received. Not in the future.
  double weight = 1;                  // 0 < weight <= 100.
};

// What a client sends: the query in one of three ways.
struct FeedbackInput {
  std::variant<DenseVector, PointId, std::string> query;  // string: an Almagest-Query-Id.
  // id, query, query_id and how the search came to its hits are filled in by the server.
  FeedbackEvent event;
};

// All given conditions must hold; none given matches every event.
struct FeedbackFilter {
  std::optional<std::string> user;
  std::optional<std::string> tag;
  std::optional<int64_t> from_ms, until_ms;  // until is exclusive.
  std::optional<PointId> point;              // Events that name this point.
  std::vector<uint64_t> ids;
  std::optional<std::string> vector_name;
  bool operator==(const FeedbackFilter&) const = default;
};

struct FeedbackPage {
  std::vector<FeedbackEvent> events;
  std::optional<uint64_t> next_id;
};

inline constexpr size_t kFeedbackBatchMax = 10'000;
inline constexpr size_t kFeedbackPointsMax = 1'000;  // Per event and kind.
inline constexpr double kGradeMax = 10;

}  // namespace almagest
