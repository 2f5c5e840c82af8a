#include "engine/learning/line_tail.h"

#include <fstream>

namespace almagest {

void LineTail::Read(const std::function<void(const std::string&)>& on_line) {
  std::ifstream file(path_, std::ios::binary);
  if (!file || !file.seekg(static_cast<std::streamoff>(offset_))) return;
  char buffer[16 << 10];
  while (true) {
    file.read(buffer, sizeof buffer);
    const auto count = static_cast<size_t>(file.gcount());
    if (count == 0) return;
    offset_ += count;
    for (size_t i = 0; i < count; ++i) {
      if (buffer[i] == '\n') {
        if (!skipping_) on_line(unfinished_);
        unfinished_.clear();
        skipping_ = false;
      } else if (!skipping_) {
        unfinished_ += buffer[i];
        skipping_ = unfinished_.size() > kTailLineBytesMax;
        if (skipping_) unfinished_.clear();
      }
    }
  }
}

}  // namespace almagest
