// JSON to write operations (engine/write.h). Each function takes the body of one call; the entries
// of POST /points/batch have the same bodies under the name of the operation.
#pragma once

#include <vector>

#include "engine/write.h"
#include "http/json_reader.h"
#include "http/text_resolver.h"

namespace almagest {

// {"points": [{id, vector, payload}]} or {"batch": {ids, vectors, payloads}}, with update_filter
// and update_mode.
Result<WriteOperation> ParseUpsert(const JsonValue& body, TextResolver& texts);
// {"points": [ids]} or {"filter"}; 400 when there is neither or both.
Result<WriteOperation> ParseDeletePoints(const JsonValue& body);
// {"points": [{id, vector}]}
Result<WriteOperation> ParseUpdateVectors(const JsonValue& body, TextResolver& texts);
// {"vector": [names], "points" or "filter"}
Result<WriteOperation> ParseDeleteVectors(const JsonValue& body);
// {"payload", "points" or "filter", "key"?}
Result<WriteOperation> ParseSetPayload(const JsonValue& body);
Result<WriteOperation> ParseOverwritePayload(const JsonValue& body);
// {"keys": [paths], "points" or "filter"}
Result<WriteOperation> ParseDeletePayloadKeys(const JsonValue& body);
Result<WriteOperation> ParseClearPayload(const JsonValue& body);

// {"operations": [{"upsert": {...}}, {"delete": {...}}, ...]}
Result<std::vector<WriteOperation>> ParseBatch(const JsonValue& body, TextResolver& texts);

}  // namespace almagest
