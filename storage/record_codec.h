// Records to bytes and back. Form: format version (u8), record type (u8), XXH3 of the rest (u64),
// then the fields by cereal, little endian. Dense and sparse vectors are raw arrays behind a
// header of 8 bytes (version, type, two zero bytes, low half of XXH3), so that decoding is a copy.
//
// Decoding accepts any bytes: damage, a wrong type, trailing bytes or lengths beyond the input are
// kCorruption; memory used is proportional to the input. A newer format version is
// kFailedPrecondition (start the newer program). Pure functions, safe from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"
#include "storage/records.h"

namespace almagest {

std::string EncodeRecord(const PointRecord& record);
std::string EncodeRecord(const ManifestRecord& record);
std::string EncodeRecord(const CatalogRecord& record);
std::string EncodeRecord(const SequenceRecord& record);
std::string EncodeRecord(const AliasRecord& record);
std::string EncodeRecord(const CheckpointRecord& record);
std::string EncodeRecord(const CounterRecord& record);
std::string EncodeRecord(const FeedbackRecord& record);
std::string EncodeRecord(const VersionRecord& record);
std::string EncodeRecord(const JobRecord& record);

// DecodeRecord<PointRecord>(bytes), for each of the types above.
template <class Record>
Result<Record> DecodeRecord(std::string_view bytes);

std::string EncodeDenseVector(std::span<const float> values);
// Writes into `out`, whose size is the dimension expected. About the speed of memcpy.
Result<> DecodeDenseVector(std::string_view bytes, std::span<float> out);
// The dimension is that of the record.
Result<std::vector<float>> DecodeDenseVector(std::string_view bytes);

std::string EncodeSparseVector(std::span<const uint32_t> indices, std::span<const float> values);
Result<SparseRecord> DecodeSparseVector(std::string_view bytes);

// Canonical JSON text (engine/payload/payload.h). The view lies in `bytes`.
std::string EncodePayload(std::string_view text);
Result<std::string_view> DecodePayload(std::string_view bytes);

}  // namespace almagest
