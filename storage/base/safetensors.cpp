#include "storage/base/safetensors.h"

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "storage/base/check.h"

namespace almagest {
namespace {

static_assert(std::endian::native == std::endian::little, "all formats are little endian");

constexpr size_t kHeaderBytesMax = 64u << 20;
constexpr size_t kAlignment = 64;

struct TypeName {
  TensorType type;
  const char* name;
  size_t bytes;
};
constexpr TypeName kTypes[] = {{TensorType::kFloat32, "F32", 4},
                               {TensorType::kInt32, "I32", 4},
                               {TensorType::kInt64, "I64", 8},
                               {TensorType::kUint8, "U8", 1}};

const TypeName& NameOf(TensorType type) { return kTypes[static_cast<size_t>(type)]; }

tl::unexpected<Error> Damaged(const std::string& reason) {
  return Fail(ErrorCode::kCorruption, "safetensors: " + reason);
}

template <class T>
std::span<const T> Cast(const TensorView& view, TensorType expected) {
  ALMAGEST_CHECK(view.type == expected);
  ALMAGEST_CHECK(reinterpret_cast<uintptr_t>(view.bytes.data()) % alignof(T) == 0);
  return {reinterpret_cast<const T*>(view.bytes.data()), view.bytes.size() / sizeof(T)};
}

Result<TensorView> ParseEntry(const std::string& name, const nlohmann::json& entry,
                              std::span<const std::byte> data) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    return Damaged("tensor '" + name + "' lacks dtype, shape or data_offsets");
  }
  const auto& type_json = entry["dtype"];
  const auto& shape = entry["shape"];
  const auto& offsets = entry["data_offsets"];
  if (!type_json.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2 ||
      !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    return Damaged("tensor '" + name + "' has a malformed entry");
  }
  const TypeName* type = nullptr;
  for (const TypeName& candidate : kTypes) {
    if (type_json.get<std::string>() == candidate.name) type = &candidate;
  }
  if (type == nullptr) {
    return Damaged("tensor '" + name + "' has dtype '" + type_json.get<std::string>() +
                   "'; known are F32, I32, I64, U8");
  }
  TensorView view;
  view.type = type->type;
  uint64_t elements = 1;
  for (const auto& extent : shape) {
    if (!extent.is_number_unsigned()) return Damaged("tensor '" + name + "' has a bad shape");
    const auto value = extent.get<uint64_t>();
    if (value > (uint64_t{1} << 40) || (value != 0 && elements > (uint64_t{1} << 40) / value)) {
      return Damaged("tensor '" + name + "' is too large");
    }
    elements *= value;
    view.shape.push_back(static_cast<int64_t>(value));
  }
  const auto first = offsets[0].get<uint64_t>();
  const auto limit = offsets[1].get<uint64_t>();
  if (first > limit || limit > data.size() || limit - first != elements * type->bytes) {
    return Damaged("tensor '" + name + "' has offsets that do not fit its shape or the file");
  }
  if (reinterpret_cast<uintptr_t>(data.data() + first) % type->bytes != 0) {
    return Damaged("tensor '" + name + "' is not aligned to its element size");
  }
  view.bytes = data.subspan(first, limit - first);
  return view;
}

}  // namespace

int64_t TensorView::element_count() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}
std::span<const float> TensorView::as_float32() const {
  return Cast<float>(*this, TensorType::kFloat32);
}
std::span<const int32_t> TensorView::as_int32() const {
  return Cast<int32_t>(*this, TensorType::kInt32);
}
std::span<const int64_t> TensorView::as_int64() const {
  return Cast<int64_t>(*this, TensorType::kInt64);
}

Result<Safetensors> Safetensors::Open(const std::filesystem::path& path) {
  ALMAGEST_TRY(MappedFile file, MappedFile::Open(path));
  Safetensors owner;
  owner.file_ = std::make_shared<MappedFile>(std::move(file));
  const auto bytes = owner.file_->bytes();
  auto parsed = ParseBytes(bytes, std::move(owner));
  if (!parsed) return Fail(parsed.error().code, path.string() + ": " + parsed.error().message);
  return parsed;
}

Result<Safetensors> Safetensors::Parse(std::string content) {
  Safetensors owner;
  owner.content_ = std::make_shared<const std::string>(std::move(content));
  const auto bytes = std::as_bytes(std::span(owner.content_->data(), owner.content_->size()));
  return ParseBytes(bytes, std::move(owner));
}

Result<Safetensors> Safetensors::ParseBytes(std::span<const std::byte> bytes, Safetensors&& owner) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) return Damaged("shorter than its 8-byte length");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > kHeaderBytesMax || header_bytes > bytes.size() - sizeof header_bytes) {
    return Damaged("header length " + std::to_string(header_bytes) + " exceeds the file");
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + sizeof header_bytes;
  const auto header = nlohmann::json::parse(text, text + header_bytes, nullptr, false);
  if (!header.is_object()) return Damaged("the header is not a JSON object");
  const auto data = bytes.subspan(sizeof header_bytes + header_bytes);
  std::map<const std::byte*, const std::byte*> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) return Damaged("__metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) return Damaged("metadata '" + key + "' is not a string");
        owner.metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    ALMAGEST_TRY(TensorView view, ParseEntry(name, entry, data));
    if (!view.bytes.empty()) {
      ranges[view.bytes.data()] =
          std::max(ranges[view.bytes.data()], view.bytes.data() + view.bytes.size());
    }
    owner.tensors_.emplace(name, std::move(view));
  }
  const std::byte* end = nullptr;
  size_t covered = 0;
  for (const auto& [first, limit] : ranges) {
    if (first < end) return Damaged("tensors overlap");
    end = limit;
    ++covered;
  }
  size_t non_empty = 0;
  for (const auto& [name, view] : owner.tensors_) non_empty += view.bytes.empty() ? 0 : 1;
  if (covered != non_empty) return Damaged("tensors overlap");
  return std::move(owner);
}

const TensorView* Safetensors::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

Result<std::span<const float>> Safetensors::Float32(const std::string& name,
                                                    std::span<const int64_t> shape) const {
  const TensorView* view = Find(name);
  if (view == nullptr) return Damaged("there is no tensor '" + name + "'");
  if (view->type != TensorType::kFloat32) return Damaged("tensor '" + name + "' is not F32");
  if (!std::equal(shape.begin(), shape.end(), view->shape.begin(), view->shape.end())) {
    return Damaged("tensor '" + name + "' does not have the expected shape");
  }
  return view->as_float32();
}

void SafetensorsWriter::Add(std::string name, TensorView tensor) {
  ALMAGEST_CHECK(static_cast<size_t>(tensor.element_count()) * NameOf(tensor.type).bytes ==
                 tensor.bytes.size());
  tensors_.emplace_back(std::move(name), std::move(tensor));
}
void SafetensorsWriter::AddFloat32(std::string name, std::vector<int64_t> shape,
                                   std::span<const float> data) {
  Add(std::move(name), {TensorType::kFloat32, std::move(shape), std::as_bytes(data)});
}
void SafetensorsWriter::AddInt32(std::string name, std::vector<int64_t> shape,
                                 std::span<const int32_t> data) {
  Add(std::move(name), {TensorType::kInt32, std::move(shape), std::as_bytes(data)});
}

void SafetensorsWriter::AddInt64(std::string name, std::vector<int64_t> shape,
                                 std::span<const int64_t> data) {
  Add(std::move(name), {TensorType::kInt64, std::move(shape), std::as_bytes(data)});
}
void SafetensorsWriter::SetMetadata(std::string key, std::string value) {
  metadata_[std::move(key)] = std::move(value);
}

std::string SafetensorsWriter::Serialize() const {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata_.empty()) header["__metadata__"] = metadata_;
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors_) {
    offset = (offset + kAlignment - 1) / kAlignment * kAlignment;
    header[name] = {{"dtype", NameOf(tensor.type).name},
                    {"shape", tensor.shape},
                    {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump();
  // Trailing spaces keep the data aligned (the format allows them).
  text.resize((text.size() + 8 + kAlignment - 1) / kAlignment * kAlignment - 8, ' ');
  const uint64_t header_bytes = text.size();
  std::string content(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
  content.reserve(8 + text.size() + offset);
  content += text;
  const size_t data_start = content.size();
  for (const auto& [name, tensor] : tensors_) {
    const size_t used = content.size() - data_start;
    content.append((used + kAlignment - 1) / kAlignment * kAlignment - used, '\0');
    content.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return content;
}

Result<> SafetensorsWriter::Write(const std::filesystem::path& path) const {
  return WriteFileAtomically(path, Serialize());
}

}  // namespace almagest
