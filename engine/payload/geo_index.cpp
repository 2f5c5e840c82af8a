#include "engine/payload/geo_index.h"

#include <boost/geometry.hpp>
#include <boost/geometry/index/rtree.hpp>
#include <boost/iterator/function_output_iterator.hpp>
#include <utility>
#include <vector>

#include "engine/payload/condition_match.h"
#include "engine/payload/geo.h"
#include "engine/payload/value_facts.h"

namespace almagest {
namespace {

struct Points {
  std::vector<GeoPoint> points;
  ValueFacts facts;
};

Points Extract(std::string_view payload, const PayloadPath& path) {
  Points found;
  found.facts = ReadValues(payload, path, [&](const JsonElement& element) {
    const auto point = GeoPointOf(element);
    if (point) found.points.push_back(*point);
    return point.has_value();
  });
  return found;
}

class GeoIndex : public PayloadIndex {
 public:
  GeoIndex(PayloadPath path, const PayloadIndexConfig& config)
      : PayloadIndex(std::move(path), config) {}

  void Update(Slot slot, std::string_view old_payload, std::string_view new_payload) override;
  IndexAnswer Answer(const FieldCondition& condition) const override;
  bool VisitOrdered(bool, std::optional<double>,
                    const std::function<bool(double, const SlotSet&)>&) const override {
    return false;
  }
  uint64_t MemoryBytes() const override;

 private:
  // Degrees on the flat map: the boxes that are looked up never cross the date line.
  using Place =
      boost::geometry::model::point<double, 2, boost::geometry::cs::cartesian>;  // lon, lat
  using Entry = std::pair<Place, Slot>;

  template <class Area>
  SlotSet Inside(const Area& area) const;

  boost::geometry::index::rtree<Entry, boost::geometry::index::quadratic<16>> tree_;
};

void GeoIndex::Update(Slot slot, std::string_view old_payload, std::string_view new_payload) {
  if (old_payload == new_payload) return;
  const Points before = Extract(old_payload, path());
  const Points after = Extract(new_payload, path());
  // A point given twice is in the tree twice: remove() takes one entry at a time.
  for (const GeoPoint& point : before.points)
    tree_.remove(Entry(Place(point.lon, point.lat), slot));
  for (const GeoPoint& point : after.points) tree_.insert(Entry(Place(point.lon, point.lat), slot));
  facts_.Enter(slot, after.facts);
}

template <class Area>
SlotSet GeoIndex::Inside(const Area& area) const {
  SlotSet inside;
  const auto test = boost::make_function_output_iterator([&](const Entry& entry) {
    const GeoPoint point{entry.first.get<0>(), entry.first.get<1>()};
    if (InArea(area, point)) inside.Add(entry.second);
  });
  for (const DegreeBox& box : CoveringBoxes(area)) {
    const boost::geometry::model::box<Place> query(Place(box.low.lon, box.low.lat),
                                                   Place(box.high.lon, box.high.lat));
    tree_.query(boost::geometry::index::intersects(query), test);
  }
  return inside;
}

IndexAnswer GeoIndex::Answer(const FieldCondition& condition) const {
  if (const auto* box = std::get_if<GeoBoundingBox>(&condition.test)) return {Inside(*box), {}};
  if (const auto* circle = std::get_if<GeoRadius>(&condition.test)) return {Inside(*circle), {}};
  if (const auto* polygon = std::get_if<GeoPolygon>(&condition.test)) return {Inside(*polygon), {}};
  // Everything else asks for scalars; only `except` is met by objects, and so by points.
  const auto* match = std::get_if<Match>(&condition.test);
  const bool except = match != nullptr && std::holds_alternative<MatchExcept>(*match);
  return {{}, except ? facts_.present : facts_.others};
}

uint64_t GeoIndex::MemoryBytes() const {
  // An entry, and its share of the nodes (half filled in the mean).
  return facts_.MemoryBytes() + tree_.size() * (2 * sizeof(Entry) + 8);
}

}  // namespace

std::unique_ptr<PayloadIndex> MakeGeoIndex(PayloadPath path, const PayloadIndexConfig& config) {
  return std::make_unique<GeoIndex>(std::move(path), config);
}

}  // namespace almagest
