// The pages of http/dashboard, compiled in (cmake/EmbedFiles.cmake).
#pragma once

#include <span>
#include <string_view>

namespace almagest {

struct DashboardFile {
  std::string_view name;  // "index.html"
  std::string_view text;
};

std::span<const DashboardFile> DashboardFiles();

}  // namespace almagest
