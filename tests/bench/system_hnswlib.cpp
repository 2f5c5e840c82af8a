// hnswlib warns under our flags; its headers are not ours to change.
#pragma GCC diagnostic ignored "-Wall"
#include <hnswlib/hnswlib.h>
#include <unistd.h>

#include <filesystem>

#include "tests/bench/ann_system.h"

namespace almagest::bench {
namespace {

class Hnswlib : public AnnSystem {
 public:
  std::string name() const override { return "hnswlib M=16 efC=200"; }
  void Build(const AnnData& data) override {
    rows_ = data.rows;
    if (data.cosine) {
      space_ = std::make_unique<hnswlib::InnerProductSpace>(data.dimension);
    } else {
      space_ = std::make_unique<hnswlib::L2Space>(data.dimension);
    }
    index_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(space_.get(), data.rows, 16, 200);
    for (uint32_t row = 0; row < data.rows; ++row) index_->addPoint(data.Row(row), row);
  }
  // Its file: what is in memory less its locks and label table, which would be 80 bytes more.
  double BytesPerVector() const override {
    const auto file =
        std::filesystem::temp_directory_path() / ("almagest-bench-" + std::to_string(getpid()));
    index_->saveIndex(file.string());
    const double bytes = static_cast<double>(std::filesystem::file_size(file));
    std::filesystem::remove(file);
    return bytes / rows_;
  }
  void Search(const float* query, uint32_t beam_width, std::vector<uint32_t>& found) override {
    index_->setEf(beam_width);
    auto best = index_->searchKnn(query, kNeighbours);
    found.clear();
    for (; !best.empty(); best.pop()) found.push_back(static_cast<uint32_t>(best.top().second));
  }

 private:
  uint32_t rows_ = 0;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> index_;
};

}  // namespace

std::unique_ptr<AnnSystem> MakeHnswlib() { return std::make_unique<Hnswlib>(); }

}  // namespace almagest::bench
