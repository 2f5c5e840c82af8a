// Two versions compared on the same searches: their results are drafted into one list like teams,
// and the version whose picks get more clicks wins the search (team-draft interleaving: Radlinski,
// Kurup & Joachims 2008). It takes far fewer searches than giving each version its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/learning/feedback.h"

namespace almagest {

// A hit of the drafted list: which list it was taken from, at which index, and who is credited.
struct DraftPick {
  bool from_second = false;
  size_t index = 0;
  Team team = Team::kNeither;
};

// At most `limit` picks. The list that has made fewer picks is next, a coin decides between equals;
// it picks its best point that is not there yet. What both begin with in the same order belongs to
// neither: a click on it says nothing (Chapelle et al. 2012). The same seed drafts the same.
std::vector<DraftPick> DraftTeams(std::span<const PointId> first, std::span<const PointId> second,
                                  size_t limit, uint64_t seed);

// Two-sided sign test: how probable it is that a fair coin falls at least as unevenly. 1 for no
// wins.
double SignTest(uint64_t wins, uint64_t losses);

struct InterleavingOutcome {
  VersionId first = 0;  // That was active.
  VersionId second = 0;
  uint64_t searches = 0;  // With clicks.
  uint64_t first_wins = 0, second_wins = 0, ties = 0;
  double p_value = 1;  // Of the wins, by the sign test.
};

// Counts a search once per clicked point, however often feedback names it. Memory: per search.
class InterleavingCounter {
 public:
  // Events of other searches are passed over.
  void Add(const FeedbackEvent& event);
  // One per pair of versions, in order.
  std::vector<InterleavingOutcome> Finish() const;

 private:
  struct Search {
    std::pair<VersionId, VersionId> versions;
    std::set<PointId> clicked;
    int balance = 0;  // Clicks of the second's picks minus those of the first's.
  };
  std::map<std::string, Search> searches_;  // By query id.
};

}  // namespace almagest
