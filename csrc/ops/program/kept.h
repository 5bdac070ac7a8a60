// What a layer was packed from. Packed weights hold no trace of it, and a program is saved as what
// any CPU can pack for itself.
#pragma once

#include <memory>

namespace octavo {

template <class Params>
struct Kept {
  Params params;
  std::shared_ptr<const void> memory;  // holds what the params point to
};

// None unless it was asked for: it is as large as the packed weights.
template <class Params>
using KeptParams = std::shared_ptr<const Kept<Params>>;

}  // namespace octavo
