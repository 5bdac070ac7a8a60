// The one function that the library exports; ONNX Runtime calls it for each session's options.
#include "operands.h"

extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(
    OrtSessionOptions* options, const OrtApiBase* base) {
  const OrtApi* api = base->GetApi(octavo_ort::kApiVersion);
  if (api == nullptr) {
    return base->GetApi(1)->CreateStatus(ORT_FAIL, "octavo: needs ONNX Runtime 1.17 or later");
  }
  Ort::InitApi(api);
  return octavo_ort::guard([&] {
    // Sessions keep a pointer to it, however long they live: never freed.
    static OrtCustomOpDomain* const domain = [] {
      Ort::CustomOpDomain made("octavo");
      made.Add(octavo_ort::conv_operator());
      made.Add(octavo_ort::linear_operator());
      return made.release();
    }();
    Ort::ThrowOnError(Ort::GetApi().AddCustomOpDomain(options, domain));
  });
}
