#include "http/npy_upsert.h"

#include <fmt/format.h>

#include "http/error_response.h"
#include "http/npy_array.h"

namespace almagest {

Result<WriteOperation> ParseNpyUpsert(std::string_view body, uint64_t first_id,
                                      const std::string& vector_name) {
  ALMAGEST_TRY(const NpyArray array, ReadNpyArray(body));
  if (array.rows > 0 && first_id > UINT64_MAX - (array.rows - 1)) {
    return Fail(ValueError("first_id", std::to_string(first_id),
                           fmt::format("at most {}", UINT64_MAX - (array.rows - 1))));
  }
  UpsertOperation upsert;
  upsert.points.resize(array.rows);
  for (uint64_t row = 0; row < array.rows; ++row) {
    PointInput& point = upsert.points[row];
    point.id = first_id + row;
    point.vectors.emplace(vector_name, array.Row(row));
  }
  return WriteOperation(std::move(upsert));
}

}  // namespace almagest
