// Areas on the Earth and their covering boxes; ids in slices.
#include "engine/payload/geo.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "engine/payload/id_slice.h"

namespace almagest {
namespace {

TEST(GeoTest, PolygonsWithHoles) {
  const GeoPolygon polygon{{{0, 0}, {10, 0}, {10, 10}, {0, 10}, {0, 0}},
                           {{{4, 4}, {6, 4}, {6, 6}, {4, 6}, {4, 4}}}};
  EXPECT_TRUE(InArea(polygon, {2, 2}));
  EXPECT_TRUE(InArea(polygon, {5, 3.999}));
  EXPECT_FALSE(InArea(polygon, {5, 5}));    // In the hole.
  EXPECT_FALSE(InArea(polygon, {4, 5}));    // On the border of the hole.
  EXPECT_FALSE(InArea(polygon, {0, 5}));    // On the border.
  EXPECT_FALSE(InArea(polygon, {10, 10}));  // At a corner.
  EXPECT_FALSE(InArea(polygon, {11, 5}));
  const GeoPolygon dent{{{0, 0}, {10, 0}, {10, 10}, {5, 2}, {0, 10}, {0, 0}}, {}};
  EXPECT_FALSE(InArea(dent, {5, 5}));
  EXPECT_TRUE(InArea(dent, {5, 1}));
  EXPECT_TRUE(InArea(dent, {1, 2}));  // Level with a corner.
}

TEST(GeoTest, CoveringBoxesHoldTheWholeCircle) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> lon(-180, 180);
    std::uniform_real_distribution<double> lat(-90, 90);
    std::uniform_real_distribution<double> share(0, 1);
    const double radius = 2.1e7 * share(random) * share(random) * share(random);
    const GeoRadius circle{{lon(random), lat(random)}, radius};
    const auto boxes = CoveringBoxes(circle);
    size_t inside = 0;
    for (int i = 0; i < 2000; ++i) {
      GeoPoint point{lon(random), lat(random)};
      if (i % 2 == 0) {  // Near the centre, where small circles are.
        point.lon = std::clamp(circle.center.lon + (lon(random) / 180) * radius / 5e4, -180., 180.);
        point.lat = std::clamp(circle.center.lat + (lat(random) / 90) * radius / 1e5, -90., 90.);
      }
      if (!InArea(circle, point)) continue;
      ++inside;
      bool covered = false;
      for (const DegreeBox& box : boxes) {
        covered = covered || (box.low.lon <= point.lon && point.lon <= box.high.lon &&
                              box.low.lat <= point.lat && point.lat <= box.high.lat);
      }
      EXPECT_TRUE(covered) << point.lon << " " << point.lat;
    }
    EXPECT_GT(inside, 0u);
  }
}

TEST(IdSliceTest, HashesAsOthersDo) {
  // Values of OpenSSL 3: openssl mac -macopt hexkey:00000000000000000000000000000000 -macopt size:8
  EXPECT_EQ(HashOfId(uint64_t{0x0706050403020100}), 0xC72B1C24FC2F7938u);
  EXPECT_EQ(HashOfId(*ParseUuid("123e4567-e89b-12d3-a456-426614174000")), 0x220271C0C9C9C565u);
}

}  // namespace
}  // namespace almagest
