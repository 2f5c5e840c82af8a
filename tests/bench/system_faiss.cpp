#include <faiss/IndexHNSW.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <omp.h>

#include "tests/bench/ann_system.h"

namespace almagest::bench {
namespace {

class FaissHnsw : public AnnSystem {
 public:
  explicit FaissHnsw(bool scalar_quantizer) : quantized_(scalar_quantizer) {}
  std::string name() const override { return quantized_ ? "faiss HNSW16,SQ8" : "faiss HNSW16"; }
  void Build(const AnnData& data) override {
    omp_set_num_threads(1);
    rows_ = data.rows;
    const auto metric = data.cosine ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2;
    const int dimension = static_cast<int>(data.dimension);
    if (quantized_) {
      index_ = std::make_unique<faiss::IndexHNSWSQ>(dimension, faiss::ScalarQuantizer::QT_8bit, 16,
                                                    metric);
    } else {
      index_ = std::make_unique<faiss::IndexHNSWFlat>(dimension, 16, metric);
    }
    index_->hnsw.efConstruction = 200;
    index_->train(data.rows, data.base.data());
    index_->add(data.rows, data.base.data());
  }
  double BytesPerVector() const override {
    faiss::VectorIOWriter writer;
    faiss::write_index(index_.get(), &writer);
    return static_cast<double>(writer.data.size()) / rows_;
  }
  void Search(const float* query, uint32_t beam_width, std::vector<uint32_t>& found) override {
    index_->hnsw.efSearch = static_cast<int>(beam_width);
    faiss::Index::idx_t labels[kNeighbours];
    float distances[kNeighbours];
    index_->search(1, query, kNeighbours, distances, labels);
    found.clear();
    for (const auto label : labels) {
      if (label >= 0) found.push_back(static_cast<uint32_t>(label));
    }
  }

 private:
  bool quantized_;
  uint32_t rows_ = 0;
  std::unique_ptr<faiss::IndexHNSW> index_;
};

}  // namespace

std::unique_ptr<AnnSystem> MakeFaissHnsw(bool scalar_quantizer) {
  return std::make_unique<FaissHnsw>(scalar_quantizer);
}

}  // namespace almagest::bench
