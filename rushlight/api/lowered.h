// Between the front end's tensors and the library's.
#pragma once
#include <iosfwd>

#include "rushlight/api/tensor.h"

namespace rushlight::api {

inline rushlight::TensorList lowered(TensorList list) {
  return {static_cast<const rushlight::Tensor*>(list.data()), list.size()};
}
inline const rushlight::Tensor& lowered(const std::optional<Tensor>& t) {
  static const rushlight::Tensor none;
  return t ? *t : none;
}
inline rushlight::Generator* lowered(const std::optional<Generator>& g) { return g ? g->unsafe_get() : nullptr; }
inline std::optional<rushlight::Scalar> lowered(const std::optional<Scalar>& s) {
  return s ? std::optional<rushlight::Scalar>(*s) : std::nullopt;
}
inline std::vector<Tensor> adopt(Tensors many) { return {many.begin(), many.end()}; }
template <class T, class U>
T adopt_part(U& part) {
  if constexpr (std::is_same_v<U, Tensors>) return adopt(std::move(part));
  else return T(std::move(part));
}
template <class... Ts, class... Us>
std::tuple<Ts...> adopt(std::tuple<Us...> parts) {
  return std::apply([](auto&... p) { return std::tuple<Ts...>(adopt_part<Ts>(p)...); }, parts);
}

// All bytes from where the stream stands. One that can go back then stands there again: the next load reads the same archive, as PyTorch's
// does. Throws OsError for a stream that failed before.
std::vector<uint8_t> bytes_of(std::istream& in);

}  // namespace rushlight::api
