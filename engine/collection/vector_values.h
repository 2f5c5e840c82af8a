// What becomes of a vector's components before it is stored or searched by.
#pragma once

#include <span>

#include "engine/types.h"

namespace almagest {

// Vectors of fewer components are summed one by one in 32 bits, as Qdrant does, whose clients
// compare scores of such vectors exactly.
inline constexpr size_t kSequentialBelow = 16;

// Scales to length 1, in place; a zero vector stays, and one whose length is within 1e-6 of 1 is
// left as it is. Cost: about 2 ns per value. Thread-safe.
void NormalizeCosine(std::span<float> vector);

// Rounds to the datatype of a field, in place. Rows stay 32-bit floats, which hold every value of
// the narrower types exactly. float16: to the nearest, ties to even; 65,520 and beyond become
// infinite. uint8: below 0 becomes 0, above 255 becomes 255, fractions are cut off. float32:
// nothing. Cost: about 2 ns per value. Thread-safe.
void RoundTo(Datatype datatype, std::span<float> values);

}  // namespace almagest
