#include "storage/base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace almagest {
namespace {

tl::unexpected<Error> FailErrno(const char* action, const std::filesystem::path& path) {
  const int error = errno;
  ErrorCode code = ErrorCode::kInternal;
  if (error == ENOENT) code = ErrorCode::kNotFound;
  if (error == ENOSPC || error == EDQUOT) code = ErrorCode::kStorageFull;
  return Fail(code,
              std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace

Result<std::string> ReadFile(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FailErrno("open", path);
  std::string content;
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && status.st_size > 0) {
    content.reserve(static_cast<size_t>(status.st_size));
  }
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0) {
      if (errno == EINTR) continue;
      return FailErrno("read", path);
    }
    if (count == 0) return content;
    content.append(buffer, static_cast<size_t>(count));
  }
}

Result<> WriteFileAtomically(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  {
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) return FailErrno("create", temporary);
    size_t written = 0;
    while (written < content.size()) {
      const ssize_t count = ::write(file.get(), content.data() + written, content.size() - written);
      if (count < 0) {
        if (errno == EINTR) continue;
        return FailErrno("write", temporary);
      }
      written += static_cast<size_t>(count);
    }
    if (::fsync(file.get()) != 0) return FailErrno("sync", temporary);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return FailErrno("rename", temporary);
  return SyncDirectory(path.has_parent_path() ? path.parent_path() : ".");
}

Result<> SyncDirectory(const std::filesystem::path& directory) {
  Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return FailErrno("open", directory);
  if (::fsync(folder.get()) != 0) return FailErrno("sync", directory);
  return {};
}

Result<FileLock> FileLock::Acquire(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return FailErrno("open", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "the lock " + path.string() + " is held by another process");
    }
    return FailErrno("lock", path);
  }
  return FileLock(file.release());
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FailErrno("open", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return FailErrno("stat", path);
  MappedFile mapped;
  if (status.st_size == 0) return mapped;
  mapped.size_ = static_cast<size_t>(status.st_size);
  void* address = ::mmap(nullptr, mapped.size_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) {
    mapped.size_ = 0;
    return FailErrno("map", path);
  }
  mapped.data_ = static_cast<const std::byte*>(address);
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}
MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void DropMappedPages(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
  // Only a saving: a system that will not do it keeps the pages.
  if (first < end) (void)::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

}  // namespace almagest
