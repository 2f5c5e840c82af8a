// The query that most searches are: the points nearest to one dense vector that the request brings.
// Its answer is that of RunVectorQuery (vector_query.h), found without copies of the vector and of
// the field's settings: of a search of 20 us they took one.
#pragma once

#include <vector>

#include "engine/search/vector_query.h"

namespace almagest {

struct CollectionField;  // collection/field_table.h

// nullptr where the query is any other, or wrong: then RunVectorQuery answers, or says what is.
const CollectionField* FieldOfPlainQuery(const VectorQueryContext& context);

// Results and errors as RunVectorQuery.
Result<std::vector<RankedSlot>> RunPlainQuery(const VectorQueryContext& context,
                                              const CollectionField& field);

}  // namespace almagest
