// What the compiler made of CMshv's headers, for the tests to compare with the tables of the ABI.
#pragma once
#include <CMshv.h>

// A field: its bits from the structure's start. Before the fields of a structure comes a row with an empty field name,
// and the structure's bits.
struct hv_layout_row {
    const char *structure, *field;
    size_t first_bit, bit_count;
};
struct hv_constant_row {
    const char *name;
    int64_t value;
};

// Fill up to `capacity` rows and return how many there are.
size_t hv_layout_rows(struct hv_layout_row *rows, size_t capacity);
size_t hv_constant_rows(struct hv_constant_row *rows, size_t capacity);
