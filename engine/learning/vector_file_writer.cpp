#include "engine/learning/vector_file_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "storage/base/check.h"

namespace almagest {
namespace {

// Length field and JSON together: a multiple of 64, so that the data is aligned.
constexpr size_t kHeaderBytes = 4096;
constexpr size_t kMatricesMax = 8;

tl::unexpected<Error> FailErrno(const char* action, const std::filesystem::path& path) {
  const int error = errno;
  const bool is_full = error == ENOSPC || error == EDQUOT;
  return Fail(is_full ? ErrorCode::kStorageFull : ErrorCode::kInternal,
              std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(error));
}

}  // namespace

Result<std::unique_ptr<VectorFileWriter>> VectorFileWriter::Create(
    const std::filesystem::path& path, size_t columns) {
  ALMAGEST_CHECK(columns > 0);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FailErrno("create", path);
  return std::unique_ptr<VectorFileWriter>(new VectorFileWriter(path, fd, columns));
}

VectorFileWriter::~VectorFileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void VectorFileWriter::BeginMatrix(std::string name) {
  ALMAGEST_CHECK(matrices_.size() < kMatricesMax && name.size() <= 64);
  matrices_.push_back({std::move(name), 0, bytes_});
}

Result<> VectorFileWriter::WriteAt(uint64_t offset, const void* data, size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t count = ::pwrite(fd_, from, bytes, static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return FailErrno("write", path_);
    }
    from += count;
    offset += static_cast<uint64_t>(count);
    bytes -= static_cast<size_t>(count);
  }
  return {};
}

Result<> VectorFileWriter::Append(std::span<const float> rows) {
  ALMAGEST_CHECK(!matrices_.empty() && rows.size() % columns_ == 0);
  ALMAGEST_TRY_VOID(WriteAt(kHeaderBytes + bytes_, rows.data(), rows.size_bytes()));
  bytes_ += rows.size_bytes();
  matrices_.back().rows += rows.size() / columns_;
  return {};
}

Result<> VectorFileWriter::Finish() {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  for (const Matrix& matrix : matrices_) {
    const uint64_t limit = matrix.first_byte + matrix.rows * columns_ * sizeof(float);
    header[matrix.name] = {{"dtype", "F32"},
                           {"shape", {matrix.rows, columns_}},
                           {"data_offsets", {matrix.first_byte, limit}}};
  }
  std::string text = header.dump();
  const uint64_t header_bytes = kHeaderBytes - sizeof header_bytes;
  ALMAGEST_CHECK(text.size() <= header_bytes);
  text.resize(header_bytes, ' ');
  ALMAGEST_TRY_VOID(WriteAt(0, &header_bytes, sizeof header_bytes));
  ALMAGEST_TRY_VOID(WriteAt(sizeof header_bytes, text.data(), text.size()));
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) return FailErrno("close", path_);
  return {};
}

}  // namespace almagest
