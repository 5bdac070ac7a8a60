#include "ops/table.h"

#include "ops/checks.h"
#include "ops/stream.h"

namespace octavo {

void lookup(const Context& context, const uint8_t* x, size_t n, const Table& table, uint8_t* y) {
  check_pointer("x", x, n);
  check_pointer("y", y, n);
  constexpr size_t kGrain = size_t{1} << 17;
  split_output(context, n, kGrain, 2 * n, y, [&](size_t begin, size_t count, uint8_t* to) {
    context.kernels().lookup_u8.run(x + begin, count, table.data(), to);
  });
}

Table shifted_table(const Table& table, bool x_signed, bool y_signed) {
  const size_t index_flip = x_signed ? 0x80 : 0;
  const uint8_t value_flip = y_signed ? 0x80 : 0;
  Table shifted;
  for (size_t i = 0; i < table.size(); ++i) {
    shifted[i] = static_cast<uint8_t>(table[i ^ index_flip] ^ value_flip);
  }
  return shifted;
}

}  // namespace octavo
