// One approximate index under test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/ann_data.h"

namespace almagest::bench {

class AnnSystem {
 public:
  virtual ~AnnSystem() = default;
  virtual std::string name() const = 0;
  // With one thread. Borrows `data` for as long as this lives.
  virtual void Build(const AnnData& data) = 0;
  // The index as its users would store it, divided by the rows.
  virtual double BytesPerVector() const = 0;
  // What the system itself chooses; 0: it does not choose.
  virtual uint32_t DefaultBeamWidth() const { return 0; }
  // The ten best rows, in any order. `beam_width` is what the system calls ef.
  virtual void Search(const float* query, uint32_t beam_width, std::vector<uint32_t>& found) = 0;
};

// `row_format`: "f16" or "f32"; code_bits 0 for the default.
std::unique_ptr<AnnSystem> MakeAlmagestGraph(const std::string& row_format, uint32_t code_bits);
std::unique_ptr<AnnSystem> MakeAlmagestHnsw();
// `quantization`: default, default in memory, none, scalar, one_bit, one_and_half_bits, two_bits.
// nullptr for any other. Bytes per vector are those of the graph; the name tells those of the file.
std::unique_ptr<AnnSystem> MakeCollection(const std::string& quantization);
std::unique_ptr<AnnSystem> MakeHnswlib();
std::unique_ptr<AnnSystem> MakeFaissHnsw(bool scalar_quantizer);

}  // namespace almagest::bench
