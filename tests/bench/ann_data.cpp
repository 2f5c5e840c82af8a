#include "tests/bench/ann_data.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "engine/index/exact_scan.h"
#include "storage/base/checksum.h"
#include "tests/bench/ann_files.h"

namespace almagest::bench {
namespace {

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t first = 0;
  while (true) {
    const size_t end = text.find(separator, first);
    parts.push_back(text.substr(first, end - first));
    if (end == std::string::npos) return parts;
    first = end + 1;
  }
}

void NormaliseRows(std::vector<float>& values, size_t dimension) {
  for (size_t first = 0; first < values.size(); first += dimension) {
    double squares = 0.0;
    for (size_t i = 0; i < dimension; ++i) {
      squares += static_cast<double>(values[first + i]) * static_cast<double>(values[first + i]);
    }
    const auto factor = static_cast<float>(squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0);
    for (size_t i = 0; i < dimension; ++i) values[first + i] *= factor;
  }
}

Result<> FindTruth(AnnData& data, const std::filesystem::path& cache) {
  const uint64_t key = Checksum(data.base.data(), data.base.size() * 4) ^
                       Mix64(Checksum(data.query_values.data(), data.query_values.size() * 4)) ^
                       (data.cosine ? 1 : 0);
  const std::filesystem::path file = cache / ("truth-" + std::to_string(key) + ".f32");
  data.kth_score.resize(data.queries);
  const auto bytes = static_cast<std::streamsize>(data.kth_score.size() * sizeof(float));
  std::ifstream known(file, std::ios::binary);
  if (known.read(reinterpret_cast<char*>(data.kth_score.data()), bytes)) return {};
  std::fprintf(stderr, "%s: finding the exact neighbours of %u queries\n", data.name.c_str(),
               data.queries);
  const DenseRowsView rows{data.base.data(), data.rows, data.dimension, data.dimension, nullptr};
  for (uint32_t q = 0; q < data.queries; ++q) {
    DenseQuery query;
    query.metric = data.metric();
    query.query = data.Query(q);
    query.k = kNeighbours;
    ALMAGEST_TRY(const auto best, ExactScan(rows, query));
    data.kth_score[q] = best.back().score;
  }
  std::filesystem::create_directories(cache);
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(data.kth_score.data()), bytes);
  return {};
}

}  // namespace

double AnnData::Recall(size_t query, const std::vector<uint32_t>& found) const {
  const float limit = kth_score[query] - 1e-6f * std::max(std::fabs(kth_score[query]), 1e-3f);
  const auto score = KernelsFor(metric()).pair;
  size_t hits = 0;
  for (size_t i = 0; i < std::min(found.size(), kNeighbours); ++i) {
    hits += score(Query(query), Row(found[i]), dimension) >= limit ? 1 : 0;
  }
  return static_cast<double>(hits) / kNeighbours;
}

Result<AnnData> LoadAnnData(const std::string& specification, uint32_t queries_max,
                            const std::filesystem::path& cache) {
  const auto invalid = [&](const std::string& reason) {
    return Fail(ErrorCode::kInvalidArgument, "--data " + specification + ": " + reason);
  };
  const size_t equals = specification.find('=');
  if (equals == std::string::npos) return invalid("expected NAME=PATH");
  AnnData data;
  data.name = specification.substr(0, equals);
  std::vector<std::string> parts = Split(specification.substr(equals + 1), ',');
  if (parts.size() == 1) {
    const std::filesystem::path folder = parts[0];
    if (std::filesystem::exists(folder / "train-images-idx3-ubyte.gz")) {
      parts = {folder / "train-images-idx3-ubyte.gz", folder / "t10k-images-idx3-ubyte.gz", "l2"};
    } else {
      parts = {folder / "base.f32", folder / "queries.f32", "cosine", "100"};
    }
  }
  if (parts.size() < 3 || (parts[2] != "l2" && parts[2] != "cosine")) {
    return invalid("expected BASE,QUERIES,l2 or BASE,QUERIES,cosine");
  }
  data.cosine = parts[2] == "cosine";
  const auto dimension =
      static_cast<uint32_t>(parts.size() > 3 ? std::strtoul(parts[3].c_str(), nullptr, 10) : 0);
  ALMAGEST_TRY(auto base, ReadVectors(parts[0], dimension));
  ALMAGEST_TRY(auto queries, ReadVectors(parts[1], dimension));
  if (base.dimension != queries.dimension) return invalid("rows and queries differ in dimension");
  if (base.rows < kNeighbours || queries.rows == 0) return invalid("too few rows");
  data.rows = base.rows;
  data.dimension = base.dimension;
  data.queries = std::min(queries.rows, queries_max);
  queries.values.resize(size_t{data.queries} * data.dimension);
  data.base = std::move(base.values);
  data.query_values = std::move(queries.values);
  if (data.cosine) {
    NormaliseRows(data.base, data.dimension);
    NormaliseRows(data.query_values, data.dimension);
  }
  ALMAGEST_TRY_VOID(FindTruth(data, cache));
  return data;
}

}  // namespace almagest::bench
