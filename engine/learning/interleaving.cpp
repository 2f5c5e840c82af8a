#include "engine/learning/interleaving.h"

#include <algorithm>
#include <cmath>

#include "storage/base/checksum.h"

namespace almagest {

std::vector<DraftPick> DraftTeams(std::span<const PointId> first, std::span<const PointId> second,
                                  size_t limit, uint64_t seed) {
  std::vector<DraftPick> picks;
  std::set<PointId> taken;
  const size_t shorter = std::min({first.size(), second.size(), limit});
  while (picks.size() < shorter && first[picks.size()] == second[picks.size()]) {
    taken.insert(first[picks.size()]);
    picks.push_back({false, picks.size(), Team::kNeither});
  }
  size_t next[2] = {picks.size(), picks.size()};
  size_t made[2] = {0, 0};
  const std::span<const PointId> lists[2] = {first, second};
  // The best of a list that is not taken; its size if all are.
  const auto advance = [&](size_t side) {
    while (next[side] < lists[side].size() && taken.contains(lists[side][next[side]])) ++next[side];
    return next[side] < lists[side].size();
  };
  while (picks.size() < limit) {
    const bool has[2] = {advance(0), advance(1)};
    if (!has[0] && !has[1]) break;
    size_t side = made[0] < made[1] ? 0 : 1;
    if (made[0] == made[1]) side = (seed = Mix64(seed)) & 1;
    if (!has[side]) side = 1 - side;
    taken.insert(lists[side][next[side]]);
    picks.push_back({side == 1, next[side], side == 1 ? Team::kSecond : Team::kFirst});
    ++made[side];
  }
  return picks;
}

double SignTest(uint64_t wins, uint64_t losses) {
  const double count = static_cast<double>(wins + losses);
  const uint64_t fewer = std::min(wins, losses);
  double tail = 0;
  for (uint64_t i = 0; i <= fewer; ++i) {
    const double k = static_cast<double>(i);
    tail += std::exp(std::lgamma(count + 1) - std::lgamma(k + 1) - std::lgamma(count - k + 1) -
                     count * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

void InterleavingCounter::Add(const FeedbackEvent& event) {
  if (!event.interleaved || !event.query_id || event.clicks.empty()) return;
  Search& search = searches_[*event.query_id];
  search.versions = *event.interleaved;
  for (const Click& click : event.clicks) {
    if (!search.clicked.insert(click.id).second) continue;
    if (click.team == Team::kFirst) --search.balance;
    if (click.team == Team::kSecond) ++search.balance;
  }
}

std::vector<InterleavingOutcome> InterleavingCounter::Finish() const {
  std::map<std::pair<VersionId, VersionId>, InterleavingOutcome> outcomes;
  for (const auto& [id, search] : searches_) {
    InterleavingOutcome& outcome = outcomes[search.versions];
    ++outcome.searches;
    ++(search.balance < 0   ? outcome.first_wins
       : search.balance > 0 ? outcome.second_wins
                            : outcome.ties);
  }
  std::vector<InterleavingOutcome> listed;
  for (auto& [versions, outcome] : outcomes) {
    outcome.first = versions.first;
    outcome.second = versions.second;
    outcome.p_value = SignTest(outcome.second_wins, outcome.first_wins);
    listed.push_back(outcome);
  }
  return listed;
}

}  // namespace almagest
