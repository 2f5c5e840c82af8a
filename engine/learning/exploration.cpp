#include "engine/learning/exploration.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "storage/base/checksum.h"

namespace almagest {
namespace {

// Places that every search keeps for its best hits.
size_t FixedPlaces(const LoggedExploration& log) {
  return log.shown - std::min(log.slots, log.shown);
}

double LookProbability(size_t place, double position_bias) {
  return std::pow(static_cast<double>(place), -position_bias);
}

}  // namespace

std::vector<size_t> DrawPlaces(const LoggedExploration& of, uint64_t seed) {
  std::vector<size_t> places(of.candidates.size());
  std::iota(places.begin(), places.end(), size_t{0});
  const size_t shown = std::min<size_t>(of.shown, places.size());
  if (of.explored) {
    // The first steps of a Fisher-Yates shuffle. The remainder's bias is below 1e-16.
    for (size_t place = FixedPlaces(of); place < shown; ++place) {
      seed = Mix64(seed);
      std::swap(places[place], places[place + seed % (places.size() - place)]);
    }
  }
  places.resize(shown);
  return places;
}

size_t CandidateRank(const LoggedExploration& log, const PointId& id) {
  const auto at = std::find(log.candidates.begin(), log.candidates.end(), id);
  return at == log.candidates.end() ? 0 : static_cast<size_t>(at - log.candidates.begin()) + 1;
}

double SeenProbability(const LoggedExploration& log, size_t rank, double position_bias) {
  const size_t count = log.candidates.size();
  if (rank < 1 || rank > count) return 0;
  const size_t fixed = FixedPlaces(log);
  if (rank <= fixed || count <= log.shown) return LookProbability(rank, position_bias);
  double looks = 0;
  for (size_t place = fixed + 1; place <= log.shown; ++place) {
    looks += LookProbability(place, position_bias);
  }
  const double drawn = log.rate * looks / static_cast<double>(count - fixed);
  return rank <= log.shown ? drawn + (1 - log.rate) * LookProbability(rank, position_bias) : drawn;
}

}  // namespace almagest
