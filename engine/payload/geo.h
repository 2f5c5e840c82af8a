// Tests of points on the Earth against areas, and the boxes of degrees that cover an area.
#pragma once

#include <vector>

#include "engine/payload/filter.h"

namespace almagest {

// Great-circle distance (haversine) on a sphere of the mean radius of the Earth.
double DistanceMeters(const GeoPoint& a, const GeoPoint& b);

// Borders are outside. A box whose west is greater than its east goes over the date line.
bool InArea(const GeoBoundingBox& box, const GeoPoint& point);
bool InArea(const GeoRadius& circle, const GeoPoint& point);
bool InArea(const GeoPolygon& polygon, const GeoPoint& point);

// Longitude -180..180 and latitude -90..90: other pairs of numbers are no points.
bool IsGeoPoint(const GeoPoint& point);

// Closed boxes, none over the date line, that together hold every point of the area (and others).
struct DegreeBox {
  GeoPoint low, high;  // South-west and north-east.
};
std::vector<DegreeBox> CoveringBoxes(const GeoBoundingBox& box);
std::vector<DegreeBox> CoveringBoxes(const GeoRadius& circle);
std::vector<DegreeBox> CoveringBoxes(const GeoPolygon& polygon);

}  // namespace almagest
