#include "client/vector_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>

#include "tests/client/scratch_folder.h"

namespace almagest::client {
namespace {

using testing::HasSubstr;

class VectorFiles : public testing::Test {
 protected:
  std::filesystem::path Write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
  static std::string ErrorOf(const std::filesystem::path& path) {
    try {
      VectorFileReader reader(path);
      std::vector<float> row;
      while (reader.Next(row)) {
      }
    } catch (const ClientError& error) {
      return error.what();
    }
    return "";
  }

  ScratchFolder folder_;
};

std::string Bytes(const auto& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Npy(const std::string& header, const std::string& data) {
  const auto length = static_cast<uint16_t>(header.size());
  return std::string("\x93NUMPY\x01\x00", 8) + Bytes(length) + header + data;
}

TEST_F(VectorFiles, NpyRoundTrip) {
  const std::vector<std::vector<float>> rows = {{1.5f, -2, 0}, {3e-38f, 4, 5}};
  NpyWriter writer(folder_ / "a.npy", 3);
  for (const auto& row : rows) writer.Append(row);
  writer.Close();
  VectorFileReader reader(folder_ / "a.npy");
  EXPECT_EQ(reader.rows(), 2u);
  EXPECT_EQ(reader.dimension(), 3u);
  std::vector<float> row;
  for (const auto& expected : rows) {
    ASSERT_TRUE(reader.Next(row));
    EXPECT_EQ(row, expected);
  }
  EXPECT_FALSE(reader.Next(row));
  EXPECT_THROW(writer.Append(std::vector<float>{1}), ClientError);
}

TEST_F(VectorFiles, NpyOfDoubles) {
  const auto path =
      Write("d.npy", Npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }\n",
                         Bytes(0.5) + Bytes(-4.0)));
  VectorFileReader reader(path);
  std::vector<float> row;
  ASSERT_TRUE(reader.Next(row));
  EXPECT_EQ(row, (std::vector<float>{0.5f, -4.0f}));
}

TEST_F(VectorFiles, Fvecs) {
  const auto path =
      Write("v.fvecs", Bytes(2) + Bytes(1.0f) + Bytes(2.0f) + Bytes(2) + Bytes(3.0f) + Bytes(4.0f));
  VectorFileReader reader(path);
  EXPECT_EQ(reader.rows(), 2u);
  std::vector<float> row;
  ASSERT_TRUE(reader.Next(row));
  ASSERT_TRUE(reader.Next(row));
  EXPECT_EQ(row, (std::vector<float>{3, 4}));
}

TEST_F(VectorFiles, BrokenFilesAreNamedWithTheReason) {
  const std::string data = Bytes(1.0f) + Bytes(2.0f);
  EXPECT_THAT(ErrorOf(folder_ / "absent.npy"), HasSubstr("absent.npy: cannot be opened"));
  EXPECT_THAT(ErrorOf(Write("x.bin", data)), HasSubstr("neither"));
  EXPECT_THAT(ErrorOf(Write("a.npy", "no magic at all")), HasSubstr("does not begin"));
  EXPECT_THAT(ErrorOf(Write("b.npy", Npy("{'descr': '<i8', 'fortran_order': False, "
                                         "'shape': (1, 2), }\n",
                                         data))),
              HasSubstr("another type"));
  EXPECT_THAT(ErrorOf(Write("c.npy", Npy("{'descr': '<f4', 'fortran_order': True, "
                                         "'shape': (1, 2), }\n",
                                         data))),
              HasSubstr("Fortran"));
  EXPECT_THAT(ErrorOf(Write("d.npy", Npy("{'descr': '<f4', 'fortran_order': False, "
                                         "'shape': (2,), }\n",
                                         data))),
              HasSubstr("two dimensions"));
  EXPECT_THAT(ErrorOf(Write("e.npy", Npy("{'descr': '<f4', 'fortran_order': False, "
                                         "'shape': (2, 2), }\n",
                                         data))),
              HasSubstr("ends before row 1"));
  EXPECT_THAT(ErrorOf(Write("f.fvecs", Bytes(2) + data + "x")), HasSubstr("whole number of rows"));
  EXPECT_THAT(ErrorOf(Write("g.fvecs", Bytes(2) + data + Bytes(3) + data)),
              HasSubstr("row 1 has 3 values"));
}

TEST(VectorJson, ShortestDecimalsReadBackTheSame) {
  std::string text;
  AppendVectorJson(std::vector<float>{0.05f, 1, -2.5f}, text);
  EXPECT_EQ(text, "[0.05,1,-2.5]");
  std::mt19937 random(7);
  SCOPED_TRACE("seed 7");
  for (int i = 0; i < 10'000; ++i) {
    const uint32_t bits = random();
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    text.clear();
    AppendVectorJson(std::vector<float>{value}, text);
    EXPECT_EQ(std::strtof(text.c_str() + 1, nullptr), value) << text;
  }
  EXPECT_THROW(AppendVectorJson(std::vector<float>{std::numeric_limits<float>::infinity()}, text),
               ClientError);
}

}  // namespace
}  // namespace almagest::client
