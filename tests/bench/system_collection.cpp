// The engine as a server uses it, in this process: a collection with one sealed segment, asked
// through the query executor. What it costs more than the bare index is what the engine adds.
#include <cmath>
#include <filesystem>

#include "engine/collection/collection.h"
#include "engine/search/query_executor.h"
#include "storage/base/check.h"
#include "storage/memory_store.h"
#include "tests/bench/ann_system.h"

namespace almagest::bench {
namespace {

constexpr size_t kRowsPerWrite = 5000;

class CollectionSystem : public AnnSystem {
 public:
  CollectionSystem(std::string name, const Quantization& quantization, Datatype datatype)
      : name_(std::move(name)), quantization_(quantization), datatype_(datatype) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "almagest-bench-XXXXXX").string();
    ALMAGEST_CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
  }
  ~CollectionSystem() override {
    collection_.reset();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }
  CollectionSystem(const CollectionSystem&) = delete;
  CollectionSystem& operator=(const CollectionSystem&) = delete;

  std::string name() const override {
    return "engine, " + name_ + " (file " + std::to_string(file_bytes_) + " B/vector)";
  }
  void Build(const AnnData& data) override {
    CollectionConfig config;
    DenseVectorConfig& dense = config.dense[""];
    dense.dimension = data.dimension;
    dense.distance = data.cosine ? Distance::kCosine : Distance::kEuclid;
    dense.hnsw.full_scan_threshold_kb = 0;
    dense.hnsw.build_threads = 1;
    dense.quantization = quantization_;
    dense.datatype = datatype_;
    config.optimizer.seal_rows = data.rows;
    auto opened = Collection::Open(1, "bench", config, store_, directory_);
    ALMAGEST_CHECK(opened.has_value());
    collection_ = std::move(*opened);
    for (size_t first = 0; first < data.rows; first += kRowsPerWrite) {
      UpsertOperation upsert;
      for (size_t row = first; row < std::min<size_t>(data.rows, first + kRowsPerWrite); ++row) {
        PointInput& point = upsert.points.emplace_back();
        point.id = uint64_t{row};
        point.vectors[""] = DenseVector(data.Row(row), data.Row(row) + data.dimension);
      }
      const std::vector<WriteOperation> operations = {std::move(upsert)};
      ALMAGEST_CHECK(collection_->Write(operations).has_value());
    }
    dimension_ = data.dimension;
    const auto go_on = [](double) { return true; };
    auto worked = collection_->OptimizeOnce(go_on);
    while (worked && *worked) worked = collection_->OptimizeOnce(go_on);
    ALMAGEST_CHECK(worked.has_value());
    const auto view = collection_->view();
    ALMAGEST_CHECK(view->segments.size() == 1);
    const auto field = view->segments[0]->dense(0);
    ALMAGEST_CHECK(field && field->code_graph != nullptr);
    tuned_ = field->beam_width;
    searched_bytes_ = static_cast<double>(field->code_graph->bytes()) / data.rows;
    file_bytes_ = view->segments[0]->bytes_on_disk() / data.rows;
  }
  double BytesPerVector() const override { return searched_bytes_; }
  uint32_t DefaultBeamWidth() const override { return tuned_; }
  void Search(const float* query, uint32_t beam_width, std::vector<uint32_t>& found) override {
    if (!request_.root.query) request_.root.query = NearestQuery{DenseVector()};
    auto& nearest = std::get<NearestQuery>(*request_.root.query);
    std::get<DenseVector>(nearest.target).assign(query, query + dimension_);
    request_.root.limit = kNeighbours;
    request_.root.params.beam_width = beam_width;
    const auto hits = ExecuteQuery(*collection_, request_);
    ALMAGEST_CHECK(hits.has_value());
    found.clear();
    for (const Hit& hit : *hits) {
      found.push_back(static_cast<uint32_t>(std::get<uint64_t>(hit.id)));
    }
  }

 private:
  const std::string name_;
  const Quantization quantization_;
  const Datatype datatype_;
  std::filesystem::path directory_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
  QueryRequest request_;  // The caller's, who has it anyway.
  uint32_t dimension_ = 0;
  uint32_t tuned_ = 0;
  double searched_bytes_ = 0;
  uint64_t file_bytes_ = 0;
};

}  // namespace

std::unique_ptr<AnnSystem> MakeCollection(const std::string& quantization) {
  using Kind = Quantization::Kind;
  struct Known {
    const char* name;
    Quantization quantization = {};
    Datatype datatype = Datatype::kFloat32;
  };
  const Known known[] = {
      {"default"},
      {"float16", {}, Datatype::kFloat16},
      {"default mapped", {Kind::kDefault, 1.0, 1.0, GraphPlacement::kMapped}},
      {"none", {Kind::kNone}},
      {"scalar", {Kind::kScalar, 0.99}},
      {"one_bit", {Kind::kBinary, 1.0, 1.0}},
      {"one_and_half_bits", {Kind::kBinary, 1.0, 1.5}},
      {"two_bits", {Kind::kBinary, 1.0, 2.0}},
  };
  for (const Known& system : known) {
    if (quantization != system.name) continue;
    return std::make_unique<CollectionSystem>(system.name, system.quantization, system.datatype);
  }
  return nullptr;
}

}  // namespace almagest::bench
