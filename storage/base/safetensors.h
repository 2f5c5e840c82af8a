// safetensors: u64 header length, a JSON header, then raw little-endian tensor bytes.
// Format: github.com/huggingface/safetensors, README "Format". The one file format that the
// encoder, the adapters, the job folder and the trainer exchange; any Python can read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/base/file.h"
#include "storage/base/result.h"

namespace almagest {

enum class TensorType { kFloat32, kInt32, kInt64, kUint8 };

struct TensorView {
  TensorType type = TensorType::kFloat32;
  std::vector<int64_t> shape;  // Row-major.
  std::span<const std::byte> bytes;

  int64_t element_count() const;
  // The element type must match (checked).
  std::span<const float> as_float32() const;
  std::span<const int32_t> as_int32() const;
  std::span<const int64_t> as_int64() const;
};

// A parsed file or buffer. Everything is validated when opened: header length, JSON, known types,
// shapes against byte counts, offsets inside the file, no overlap. Views live as long as the
// object.
class Safetensors {
 public:
  // Maps the file. kNotFound, or kCorruption with the reason.
  static Result<Safetensors> Open(const std::filesystem::path& path);
  // Parses bytes that the object then owns. kCorruption with the reason.
  static Result<Safetensors> Parse(std::string content);

  // nullptr if there is no tensor of that name.
  const TensorView* Find(const std::string& name) const;
  // A float32 tensor of exactly this shape, or kCorruption naming what differs.
  Result<std::span<const float>> Float32(const std::string& name,
                                         std::span<const int64_t> shape) const;
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  static Result<Safetensors> ParseBytes(std::span<const std::byte> bytes, Safetensors&& owner);
  std::shared_ptr<MappedFile> file_;
  std::shared_ptr<const std::string> content_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Collects tensors (views: the caller keeps the data alive until Write or Serialize) and writes
// them in order of insertion, each aligned to 64 bytes.
class SafetensorsWriter {
 public:
  void Add(std::string name, TensorView tensor);
  void AddFloat32(std::string name, std::vector<int64_t> shape, std::span<const float> data);
  void AddInt32(std::string name, std::vector<int64_t> shape, std::span<const int32_t> data);
  void AddInt64(std::string name, std::vector<int64_t> shape, std::span<const int64_t> data);
  void SetMetadata(std::string key, std::string value);
  std::string Serialize() const;
  // Atomic replacement (file.h).
  Result<> Write(const std::filesystem::path& path) const;

 private:
  std::vector<std::pair<std::string, TensorView>> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace almagest
