// Histograms of float tensors.
#include "ops/histogram.h"

#include <memory>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "ops/checks.h"

namespace octavo::bindings {
namespace {

py::tuple update_histogram(FloatHistogram& histogram, const py::array& x) {
  const char* expected = "a C-contiguous float32 array (samples, values)";
  require_ndim(x, "x", 2, expected);
  const float* data = require<float>(x, "x", expected);
  const auto rows = static_cast<size_t>(x.shape(0));
  py::array_t<float> min(x.shape(0)), max(x.shape(0));
  float* row_min = min.mutable_data();
  float* row_max = max.mutable_data();
  const auto cols = static_cast<size_t>(x.shape(1));
  {
    const py::gil_scoped_release release;
    histogram.update(default_context(), data, rows, cols, row_min, row_max);
  }
  return py::make_tuple(min, max);
}

py::tuple bins_of(const FloatHistogram& histogram) {
  const std::vector<FloatHistogram::Bin> bins = histogram.bins();
  const auto n = static_cast<py::ssize_t>(bins.size());
  py::array_t<uint32_t> keys(n);
  py::array_t<uint64_t> counts(n);
  for (size_t i = 0; i < bins.size(); ++i) {
    keys.mutable_data()[i] = bins[i].key;
    counts.mutable_data()[i] = bins[i].count;
  }
  return py::make_tuple(keys, counts);
}

void add_bins(FloatHistogram& histogram, const py::array& keys, const py::array& counts,
              const std::tuple<uint64_t, uint64_t, uint64_t, uint64_t>& apart, float min, float max,
              uint32_t smallest) {
  require_ndim(keys, "keys", 1, "a C-contiguous uint32 array (bins,)");
  const auto n = static_cast<size_t>(keys.shape(0));
  const auto* key = require<uint32_t>(keys, "keys", "a C-contiguous uint32 array (bins,)");
  const char* expected = "a C-contiguous uint64 array as long as keys";
  require_ndim(counts, "counts", 1, expected);
  require_extent(counts, "counts", 0, n, expected);
  const auto* count = require<uint64_t>(counts, "counts", expected);
  std::vector<FloatHistogram::Bin> bins(n);
  for (size_t i = 0; i < n; ++i) bins[i] = {key[i], count[i]};
  const auto [zeros, nans, positive, negative] = apart;
  histogram.add(bins, {zeros, nans, positive, negative, min, max, smallest});
}

}  // namespace

void bind_histogram(py::module_& m) {
  using namespace py::literals;
  py::class_<FloatHistogram>(m, "FloatHistogram")
      .def(py::init<>())
      .def("update", &update_histogram, "x"_a)
      .def("merge", &FloatHistogram::merge, "other"_a, py::call_guard<py::gil_scoped_release>())
      .def("add", &add_bins, "keys"_a, "counts"_a, "apart"_a, "min"_a, "max"_a, "smallest"_a)
      .def("bins", &bins_of)
      .def("summary", [](const FloatHistogram& histogram) {
        const FloatSummary s = histogram.summary();
        return py::make_tuple(
            py::make_tuple(s.zeros, s.nans, s.positive_infinities, s.negative_infinities), s.min,
            s.max, s.smallest);
      });
}

}  // namespace octavo::bindings
