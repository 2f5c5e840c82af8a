#include "engine/search/ordering.h"

#include <algorithm>
#include <random>

namespace almagest {
namespace {

constexpr size_t kDeadlineStep = 4096;  // Points between two looks at the clock.

// Says now and then whether time is up.
class Watch {
 public:
  explicit Watch(const Deadline& deadline) : deadline_(deadline) {}
  bool Expired() {
    if (++steps_ % kDeadlineStep == 0 && deadline_.Expired()) expired_ = true;
    return expired_;
  }
  Result<> Outcome() const {
    if (!expired_) return {};
    return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
  }

 private:
  const Deadline& deadline_;
  size_t steps_ = 0;
  bool expired_ = false;
};

// Collects points of equal value, to put them in the order of their ids.
class ValueOrder {
 public:
  ValueOrder(const Collection& collection, bool descending, uint64_t limit)
      : collection_(collection), descending_(descending), limit_(limit) {}

  // False when there are enough.
  bool Add(double value, Slot slot) {
    if (!ties_.empty() && value != value_) Flush();
    if (points_.ranked.size() >= limit_) return false;
    const auto point = collection_.FindPoint(slot);
    if (!point) return true;
    value_ = value;
    ties_.emplace_back(point->id, slot);
    return true;
  }
  OrderedPoints Take() {
    Flush();
    return std::move(points_);
  }

 private:
  void Flush() {
    std::ranges::sort(ties_);
    if (descending_) std::ranges::reverse(ties_);
    for (const auto& tie : ties_) {
      if (points_.ranked.size() >= limit_) break;
      points_.ranked.push_back({tie.second, kUnrankedScore});
      points_.values.push_back(value_);
    }
    ties_.clear();
  }

  const Collection& collection_;
  const bool descending_;
  const uint64_t limit_;
  std::vector<std::pair<PointId, Slot>> ties_;
  double value_ = 0;
  OrderedPoints points_;
};

}  // namespace

Result<std::vector<RankedSlot>> PointsById(const Collection& collection, const PointChoice& choice,
                                           uint64_t limit, const Deadline& deadline) {
  std::vector<RankedSlot> ranked;
  Watch watch(deadline);
  ALMAGEST_TRY_VOID(collection.VisitPoints(std::nullopt, [&](const PointId&, Slot slot) {
    if (ranked.size() >= limit || watch.Expired()) return false;
    if (choice.Contains(slot)) ranked.push_back({slot, kUnrankedScore});
    return true;
  }));
  ALMAGEST_TRY_VOID(watch.Outcome());
  return ranked;
}

Result<std::vector<RankedSlot>> RandomPoints(const Collection& collection,
                                             const PointChoice& choice, uint64_t limit,
                                             const Deadline& deadline) {
  // Reservoir sampling (Vitter 1985, algorithm R): one pass, every subset equally likely.
  static thread_local std::mt19937_64 random{std::random_device{}()};
  std::vector<RankedSlot> sample;
  uint64_t seen = 0;
  Watch watch(deadline);
  const auto offer = [&](Slot slot) {
    if (watch.Expired()) return false;
    if (!choice.Contains(slot)) return true;
    ++seen;
    if (sample.size() < limit) {
      sample.push_back({slot, kUnrankedScore});
    } else {
      const uint64_t place = std::uniform_int_distribution<uint64_t>(0, seen - 1)(random);
      if (place < limit) sample[place].slot = slot;
    }
    return true;
  };
  if (choice.allowed != nullptr) {
    choice.allowed->ForEach(offer);
  } else {
    ALMAGEST_TRY_VOID(collection.VisitPoints(
        std::nullopt, [&](const PointId&, Slot slot) { return offer(slot); }));
  }
  ALMAGEST_TRY_VOID(watch.Outcome());
  std::shuffle(sample.begin(), sample.end(), random);
  return sample;
}

Result<OrderedPoints> PointsByValue(const Collection& collection, const OrderByQuery& order,
                                    const PointChoice& choice, uint64_t limit,
                                    const Deadline& deadline) {
  ValueOrder points(collection, order.descending, limit);
  Watch watch(deadline);
  ALMAGEST_TRY_VOID(collection.VisitOrdered(
      order.key, order.descending, order.start_from, [&](double value, Slot slot) {
        if (watch.Expired()) return false;
        return !choice.Contains(slot) || points.Add(value, slot);
      }));
  ALMAGEST_TRY_VOID(watch.Outcome());
  return points.Take();
}

}  // namespace almagest
