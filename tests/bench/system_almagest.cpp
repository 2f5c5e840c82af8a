#include "engine/index/code_graph_build.h"
#include "engine/index/code_graph_search.h"
#include "engine/index/hnsw_build.h"
#include "engine/index/hnsw_search.h"
#include "storage/base/check.h"
#include "tests/bench/ann_system.h"

namespace almagest::bench {
namespace {

DenseRowsView RowsOf(const AnnData& data) {
  return {data.base.data(), data.rows, data.dimension, data.dimension, nullptr};
}

DenseQuery QueryOf(const AnnData& data, const float* query) {
  DenseQuery dense;
  dense.metric = data.metric();
  dense.query = query;
  dense.k = kNeighbours;
  return dense;
}

void TakeRows(const std::vector<ScoredRow>& rows, std::vector<uint32_t>& found) {
  found.clear();
  for (const ScoredRow& row : rows) found.push_back(row.row);
}

class AlmagestGraph : public AnnSystem {
 public:
  AlmagestGraph(CodeRowFormat format, uint32_t code_bits) : format_(format), bits_(code_bits) {}
  std::string name() const override {
    return std::string("almagest graph ") + (format_ == CodeRowFormat::kHalf ? "f16" : "f32") +
           (bits_ == 0 ? "" : " " + std::to_string(bits_) + " bits");
  }
  void Build(const AnnData& data) override {
    data_ = &data;
    CodeGraphBuildOptions options;
    options.row_format = format_;
    options.code_bits = bits_;
    auto built = BuildCodeGraph(RowsOf(data), data.metric(), options);
    ALMAGEST_CHECK(built.has_value());
    arrays_ = std::move(*built);
    graph_ = arrays_.View();
  }
  double BytesPerVector() const override {
    return static_cast<double>(graph_.bytes()) / data_->rows;
  }
  void Search(const float* query, uint32_t beam_width, std::vector<uint32_t>& found) override {
    const auto rows = SearchCodeGraph(graph_, QueryOf(*data_, query), beam_width);
    ALMAGEST_CHECK(rows.has_value());
    TakeRows(*rows, found);
  }

 private:
  CodeRowFormat format_;
  uint32_t bits_;
  const AnnData* data_ = nullptr;
  CodeGraphArrays arrays_;
  CodeGraph graph_;
};

class AlmagestHnsw : public AnnSystem {
 public:
  std::string name() const override { return "almagest hnsw"; }
  void Build(const AnnData& data) override {
    data_ = &data;
    HnswBuildOptions options;
    options.build_beam = 200;
    auto built = BuildHnsw(RowsOf(data), data.metric(), options);
    ALMAGEST_CHECK(built.has_value());
    arrays_ = std::move(*built);
    graph_ = arrays_.View();
  }
  double BytesPerVector() const override {
    return static_cast<double>(graph_.bytes()) / data_->rows + data_->dimension * 4.0;
  }
  void Search(const float* query, uint32_t beam_width, std::vector<uint32_t>& found) override {
    const auto rows = SearchHnsw(graph_, RowsOf(*data_), QueryOf(*data_, query), beam_width);
    ALMAGEST_CHECK(rows.has_value());
    TakeRows(*rows, found);
  }

 private:
  const AnnData* data_ = nullptr;
  HnswGraphArrays arrays_;
  HnswGraph graph_;
};

}  // namespace

std::unique_ptr<AnnSystem> MakeAlmagestGraph(const std::string& row_format, uint32_t code_bits) {
  return std::make_unique<AlmagestGraph>(
      row_format == "f32" ? CodeRowFormat::kFloat : CodeRowFormat::kHalf, code_bits);
}
std::unique_ptr<AnnSystem> MakeAlmagestHnsw() { return std::make_unique<AlmagestHnsw>(); }

}  // namespace almagest::bench
