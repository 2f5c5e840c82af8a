// The inner loops of the code graph (code_graph.h): 32 neighbours scored at once from packed 1-bit
// codes by table look-ups that stay in registers, half-precision rows, and the query's rotation.
// Source: André, Kermarrec & Le Scouarnec, "Cache locality is not enough" (VLDB 2015), for
// FastScan; Gao & Long, RaBitQ (SIGMOD 2024), for what is summed up.
//
// Codes. A code is a row of bits, cut into `groups` of 4. Group g of 32 codes is 16 bytes: byte j
// holds the four bits of code j in its low half and those of code j + 16 in its high half; bit b
// of a half belongs to dimension 4g + b. `groups` is even, 2..1024.
//
// Tables. 16 bytes a group: entry m is the sum of the query's coordinates whose bits are set in m,
// less the smallest such sum, in steps of 1/63 of the widest group. Four entries then add up in a
// byte and 1,024 in 16 bits without overflow, and the rounding is far below the codes' own error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace almagest {

inline constexpr size_t kCodesPerBlock = 32;
inline constexpr size_t kCodeGroupsMax = 1024;
inline constexpr uint32_t kCodeTableMax = 63;

// What turns a sum of table entries into an estimate, and which estimates are wanted.
struct CodeEstimate {
  const uint8_t* codes = nullptr;   // groups * 16 bytes.
  const uint16_t* added = nullptr;  // 32 halves: the additive factor of each neighbour.
  const uint16_t* slope = nullptr;  // 32 halves: the factor of the sum.
  const uint8_t* tables = nullptr;  // groups * 16 bytes.
  size_t groups = 0;
  float step = 0.0f;  // Table units to the signed sum of the query's coordinates.
  float bias = 0.0f;
  float base = 0.0f;  // Added to each estimate.
  float threshold = 0.0f;
};

// Of v = rotated - centre with signs s (0 counts as negative).
struct CodeSums {
  float magnitudes = 0.0f;     // |v|_1
  float squares = 0.0f;        // |v|^2
  float centre_signed = 0.0f;  // <s, centre>
};

struct LevelRange {
  float smallest = 0.0f;
  float step = 0.0f;
};

struct TableRange {
  float widest = 0.0f;        // Largest sum of magnitudes within a group; at least 1e-30.
  float smallest_sum = 0.0f;  // Sum of the negative coordinates.
  float sum = 0.0f;           // Sum of all.
};

// The functions of one instruction set. Stateless, thread-safe, no alignment needed. No function
// reads beyond what its comment says.
struct FastscanKernels {
  const char* target = "";

  // estimates[j] = base + added[j] + slope[j] * (bias + step * sum of j's entries), j < 32.
  // Returns bit j for each estimate below the threshold; NaN is never below.
  uint32_t (*estimate)(const CodeEstimate& input, float* estimates) = nullptr;

  // Fills groups * 16 table bytes from groups * 4 coordinates: entries rounded to nearest of
  // (sum - smallest sum of the group) * steps_per_unit, at most 63.
  void (*fill_tables)(const float* coordinates, size_t groups, float steps_per_unit,
                      uint8_t* tables) = nullptr;

  // With v = rotated - centre, groups * 4 floats each: nibbles[g] gets bit b where v[4g + b] > 0.
  CodeSums (*encode)(const float* rotated, const float* centre, size_t groups,
                     uint8_t* nibbles) = nullptr;

  // sums[16 b + i] = sum over quads k and places p of matrix[((b * quads + k) * 16 + i) * 4 + p] *
  // vector[4 k + p], for b < blocks. Entries of `vector` are at most 127. Exact.
  void (*rotate)(const int8_t* matrix, const uint8_t* vector, size_t quads, size_t blocks,
                 int32_t* sums) = nullptr;

  // levels[i] = the nearest of 0..127 to (values[i] - smallest) / step, so that the largest value
  // gets 127. count >= 1; equal values give step 1e-30.
  LevelRange (*quantise)(const float* values, size_t count, uint8_t* levels) = nullptr;

  // What fill_tables needs to know of groups * 4 coordinates.
  TableRange (*table_range)(const float* coordinates, size_t groups) = nullptr;

  // Similarity of a float query and a row of halves, or of bytes: sum q*r, and sum (q-r)^2.
  float (*dot_half)(const float* query, const uint16_t* row, size_t dimension) = nullptr;
  float (*euclid_half)(const float* query, const uint16_t* row, size_t dimension) = nullptr;
  float (*dot_byte)(const float* query, const uint8_t* row, size_t dimension) = nullptr;
  float (*euclid_byte)(const float* query, const uint8_t* row, size_t dimension) = nullptr;
};

// The best kernels this processor can run; valid for ever.
const FastscanKernels& BestFastscanKernels();
// Every set compiled in that this processor can run, best first; the last is the scalar reference.
std::vector<FastscanKernels> AllFastscanKernels();

// IEEE half precision, rounded to nearest even. Too large becomes infinity.
float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);
inline constexpr float kHalfMax = 65504.0f;
// kHalfMax, with the sign, where that is exceeded; 0 for what is no number.
uint16_t FloatToBoundedHalf(float value);

}  // namespace almagest
