// Which ways through the code an input took, where the code was compiled with
// -fsanitize-coverage=trace-pc (preset `fuzz`); elsewhere no input ever takes a new one. As in AFL:
// a byte per pair of basic blocks that followed each other, counted roughly.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace almagest {

class Coverage {
 public:
  static constexpr size_t kPlaces = 1 << 16;

  // Forgets the ways of the last input.
  void Start();
  // Whether the input since Start() took a way, or one so often, as none before it. Then it is
  // known.
  bool TookNewWay();
  // Pairs known so far.
  size_t known() const { return known_; }

 private:
  std::array<uint8_t, kPlaces> seen_{};  // A bit per class of counts.
  size_t known_ = 0;
};

}  // namespace almagest
