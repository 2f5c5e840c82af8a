// Union-find with path halving; the smallest member is the representative, so that the result does
// not depend on the order of joins. Source: Tarjan & van Leeuwen, JACM 1984.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace almagest::training {

class DisjointSets {
 public:
  explicit DisjointSets(size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }
  int32_t Representative(int32_t node) {
    while (parent_[static_cast<size_t>(node)] != node) {
      int32_t& up = parent_[static_cast<size_t>(node)];
      up = parent_[static_cast<size_t>(up)];
      node = up;
    }
    return node;
  }
  // False if both were in one set already.
  bool Join(int32_t a, int32_t b) {
    a = Representative(a);
    b = Representative(b);
    if (a == b) return false;
    if (a > b) std::swap(a, b);
    parent_[static_cast<size_t>(b)] = a;
    return true;
  }

 private:
  std::vector<int32_t> parent_;
};

}  // namespace almagest::training
