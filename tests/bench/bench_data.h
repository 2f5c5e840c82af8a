// Collections that benchmarks search: vectors in an engine of this process.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "engine/database.h"
#include "tests/bench/ann_data.h"

namespace almagest::bench {

// Rows near `clusters` random centres on a surface of few dimensions, as real vectors are. The same
// on every run. With the exact answers.
AnnData MakeClusteredData(uint32_t rows, uint32_t queries, uint32_t dimension, uint64_t seed);

inline constexpr char kBenchCollection[] = "bench";

// Makes the collection (Euclid or Cosine as the data says), writes all rows with ids 0..rows-1,
// payloads by `payload` (null: none), integer payload indexes on `indexes`, and optimizes until
// nothing is left: one segment of all rows.
Result<> FillCollection(Database& database, const AnnData& data,
                        const std::function<std::string(uint32_t row)>& payload,
                        const std::vector<std::string>& indexes);

// A database without background work in `folder`.
Result<std::unique_ptr<Database>> OpenBenchDatabase(const std::filesystem::path& folder);

// The rows as NumPy writes an array of float32 to a .npy file.
std::string NpyArray(const float* values, uint32_t rows, uint32_t dimension);

}  // namespace almagest::bench
