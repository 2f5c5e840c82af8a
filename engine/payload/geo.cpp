#include "engine/payload/geo.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace almagest {
namespace {

constexpr double kEarthRadiusMeters = 6371008.8;
constexpr double kRadians = std::numbers::pi / 180;

enum class RingSide { kInside, kOutside, kBorder };

// Crossing number of a ray to the east; the border is told apart exactly where doubles allow.
RingSide SideOf(const std::vector<GeoPoint>& ring, const GeoPoint& point) {
  bool inside = false;
  for (size_t i = 0; i + 1 < ring.size(); ++i) {
    const GeoPoint& a = ring[i];
    const GeoPoint& b = ring[i + 1];
    const double cross =
        (b.lon - a.lon) * (point.lat - a.lat) - (b.lat - a.lat) * (point.lon - a.lon);
    const bool spans = std::min(a.lon, b.lon) <= point.lon && point.lon <= std::max(a.lon, b.lon) &&
                       std::min(a.lat, b.lat) <= point.lat && point.lat <= std::max(a.lat, b.lat);
    if (cross == 0 && spans) return RingSide::kBorder;
    // Half-open in latitude, so that a corner counts for one of its edges only.
    if ((a.lat > point.lat) != (b.lat > point.lat) && (cross > 0) == (b.lat > a.lat)) {
      inside = !inside;
    }
  }
  return inside ? RingSide::kInside : RingSide::kOutside;
}

}  // namespace

double DistanceMeters(const GeoPoint& a, const GeoPoint& b) {
  const double half_lat = std::sin((b.lat - a.lat) * kRadians / 2);
  const double half_lon = std::sin((b.lon - a.lon) * kRadians / 2);
  const double h = half_lat * half_lat +
                   std::cos(a.lat * kRadians) * std::cos(b.lat * kRadians) * half_lon * half_lon;
  return 2 * kEarthRadiusMeters * std::asin(std::min(1.0, std::sqrt(h)));
}

bool InArea(const GeoBoundingBox& box, const GeoPoint& point) {
  const double west = box.top_left.lon;
  const double east = box.bottom_right.lon;
  const bool lon =
      west > east ? point.lon > west || point.lon < east : west < point.lon && point.lon < east;
  return lon && box.bottom_right.lat < point.lat && point.lat < box.top_left.lat;
}

bool InArea(const GeoRadius& circle, const GeoPoint& point) {
  return DistanceMeters(circle.center, point) < circle.radius_meters;
}

bool InArea(const GeoPolygon& polygon, const GeoPoint& point) {
  if (SideOf(polygon.exterior, point) != RingSide::kInside) return false;
  return std::ranges::all_of(polygon.interiors, [&](const std::vector<GeoPoint>& interior) {
    return SideOf(interior, point) == RingSide::kOutside;
  });
}

bool IsGeoPoint(const GeoPoint& point) {
  return std::abs(point.lon) <= 180 && std::abs(point.lat) <= 90;
}

std::vector<DegreeBox> CoveringBoxes(const GeoBoundingBox& box) {
  const double west = box.top_left.lon;
  const double east = box.bottom_right.lon;
  const double south = box.bottom_right.lat;
  const double north = box.top_left.lat;
  if (south > north) return {};
  if (west <= east) return {{{west, south}, {east, north}}};
  return {{{west, south}, {180, north}}, {{-180, south}, {east, north}}};
}

std::vector<DegreeBox> CoveringBoxes(const GeoRadius& circle) {
  constexpr double kSlackDegrees = 1e-6;  // Far above the rounding errors, about 10 cm.
  const double angle = circle.radius_meters / kEarthRadiusMeters;
  const double lat_span = angle / kRadians + kSlackDegrees;
  const double south = std::max(-90.0, circle.center.lat - lat_span);
  const double north = std::min(90.0, circle.center.lat + lat_span);
  // A circle around a pole meets every longitude.
  if (south <= -90 || north >= 90) return {{{-180, south}, {180, north}}};
  const double sine = std::sin(angle) / std::cos(circle.center.lat * kRadians);
  if (sine >= 1) return {{{-180, south}, {180, north}}};
  const double lon_span = std::asin(sine) / kRadians + kSlackDegrees;
  const double west = circle.center.lon - lon_span;
  const double east = circle.center.lon + lon_span;
  if (west < -180) return {{{-180, south}, {east, north}}, {{west + 360, south}, {180, north}}};
  if (east > 180) return {{{west, south}, {180, north}}, {{-180, south}, {east - 360, north}}};
  return {{{west, south}, {east, north}}};
}

std::vector<DegreeBox> CoveringBoxes(const GeoPolygon& polygon) {
  if (polygon.exterior.empty()) return {};
  DegreeBox box{polygon.exterior.front(), polygon.exterior.front()};
  for (const GeoPoint& point : polygon.exterior) {
    box.low = {std::min(box.low.lon, point.lon), std::min(box.low.lat, point.lat)};
    box.high = {std::max(box.high.lon, point.lon), std::max(box.high.lat, point.lat)};
  }
  return {box};
}

}  // namespace almagest
